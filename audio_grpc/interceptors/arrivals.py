"""A bound on the memory of messages that are arriving for methods that take small ones only.

gRPC has one limit on the size of messages for all methods of a server, which has to be that of uploads; it
tells nobody how large a message is before it is here. So few of them may take their time.
"""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

from audio_grpc.errors import Busy, StreamIdle

AT_ONCE_SECONDS = 0.25
"""A small message comes with the call, or soon after on a busy machine; a large one takes longer."""
PUNCTUAL_SECONDS = 0.125
"""A wait that took so much longer than it should tells of a busy loop, and nothing of the message."""
LONGEST_SECONDS = 10.0
MOST_OPEN = 4
"""Streams of questions (reflection) that wait for their next one."""


class Arrivals:
    """Those of one server."""

    def __init__(self) -> None:
        self._gives_way: asyncio.Future[None] | None = None
        """Of the message that is arriving slowly: done once another one does, so that there is only one."""
        self._open = 0

    async def first(self, requests: AsyncIterator[Any]) -> Any | None:
        """The first message; None if there is none. Busy, StreamIdle."""
        coming = asyncio.ensure_future(anext(requests, None))
        try:
            if not await _at_once(coming):
                await self._slowly(coming)
            return coming.result()
        finally:
            coming.cancel()

    async def each(self, requests: AsyncIterator[Any]) -> AsyncIterator[Any]:
        """All messages of a stream. Busy, StreamIdle."""
        request = await self.first(requests)
        if request is not None and self._open >= MOST_OPEN:
            raise _busy("streams are open")
        self._open += 1
        try:
            while request is not None:
                yield request
                request = await anext(requests, None)
        finally:
            self._open -= 1

    async def _slowly(self, coming: asyncio.Future[Any]) -> None:
        if self._gives_way is not None and not self._gives_way.done():
            self._gives_way.set_result(None)
        self._gives_way = gives_way = asyncio.get_running_loop().create_future()
        await asyncio.wait((coming, gives_way), timeout=LONGEST_SECONDS, return_when=asyncio.FIRST_COMPLETED)
        if coming.done():
            return
        if gives_way.done():
            raise _busy("messages are arriving slowly")
        raise StreamIdle(f"the message has not come within {LONGEST_SECONDS:g} s; send it with the call")


async def _at_once(coming: asyncio.Future[Any]) -> bool:
    """Tells if it comes within the first wait in which the loop was not kept busy by others."""
    clock = asyncio.get_running_loop().time
    while True:
        began = clock()
        await asyncio.wait((coming,), timeout=AT_ONCE_SECONDS)
        if coming.done() or clock() - began <= AT_ONCE_SECONDS + PUNCTUAL_SECONDS:
            return coming.done()


def _busy(what: str) -> Busy:
    return Busy(f"too many {what}; call again, and send the message at once", retry_after_seconds=1.0)
