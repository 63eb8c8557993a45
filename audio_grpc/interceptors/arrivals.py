"""A bound on the memory of messages that are arriving.

gRPC has one limit on the size of messages for all methods of a server, which has to be that of uploads; it
tells nobody how large a message is before it is here. So few of the small ones may take their time, and the
others take a share of the memory meanwhile.
"""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack

from audio_grpc.errors import Busy, MemoryShort, StreamIdle
from audio_grpc.interceptors.bounds import Arrived
from audio_grpc.runtime.budget import COPIES, Pool

AT_ONCE_SECONDS = 0.5
"""A small message comes with the call, or soon after on a busy machine; a large one takes longer."""
PUNCTUAL_SECONDS = 0.125
"""A wait that took so much longer than it should tells of a busy loop, and nothing of the message."""
LONGEST_SECONDS = 10.0
MOST_SLOW = 3
"""Small messages that take their time: on a machine with much to do, ordinary ones may, too."""
MOST_OPEN = 4
"""Streams of questions (reflection) that wait for their next one."""
MOST_UNOPENED = 4
"""Streams of sound and text that wait for their first message; it is small, but might be anything."""
LONGEST_LARGE_SECONDS = 300.0
"""The seconds in which a message that has a share of the memory must arrive; its progress is unknown."""
MOST_UNSHARED = 4
"""Texts that come slowly, behind uploads on their connection, while no memory is free for them."""
SLOW = "messages are arriving slowly"
UNCOUNTED_BYTES = 1 << 20
"""The largest text, in bytes; a message with more has a sample in it."""


class Arrivals:
    """Small messages that arrive at one server, and streams that wait for their first message."""

    def __init__(self) -> None:
        self._slow: deque[asyncio.Future[None]] = deque()
        """The messages that arrive slowly: the first ends when there are too many."""
        self._unopened: deque[asyncio.Future[None]] = deque()
        """The streams that wait for their first message: the first ends when there are too many."""
        self._open = 0

    async def first(self, requests: AsyncIterator[Arrived]) -> Arrived | None:
        """The first message; None if there is none. Busy, StreamIdle."""
        return await _next(requests, self._slowly)

    async def each(self, requests: AsyncIterator[Arrived]) -> AsyncIterator[Arrived]:
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

    async def opened(self, requests: AsyncIterator[Arrived]) -> AsyncIterator[Arrived]:
        """All messages of a stream that may be large. Busy if too many wait for their first one."""
        request = await _next(requests, self._unopened_yet)
        while request is not None:
            yield request
            request = await anext(requests, None)

    async def _slowly(self, coming: asyncio.Future[Arrived | None]) -> None:
        await _giving_way(coming, self._slow, MOST_SLOW, SLOW, LONGEST_SECONDS)

    async def _unopened_yet(self, coming: asyncio.Future[Arrived | None]) -> None:
        await _giving_way(coming, self._unopened, MOST_UNOPENED, "streams wait for their first message")


class LargeArrivals:
    """Large messages (a recording, or a text and perhaps a sample) that arrive: they share the memory."""

    def __init__(self, memory: Pool, largest: int) -> None:
        self._memory = memory
        self._largest = largest
        self._unshared: deque[asyncio.Future[None]] = deque()

    async def recording(self, requests: AsyncIterator[Arrived], held: AsyncExitStack) -> Arrived | None:
        """Returns the message; none is read before there is memory. Raises MemoryShort, StreamIdle."""
        share = await held.enter_async_context(self._memory.upload(self._largest))
        async with share.arriving(LONGEST_LARGE_SECONDS):
            request = await anext(requests, None)
        share.shrink(COPIES * (request.size if request is not None else 0))
        return request

    async def text(self, requests: AsyncIterator[Arrived], held: AsyncExitStack) -> Arrived | None:
        """The message, for which there has to be memory if it does not come at once. Busy, StreamIdle."""
        request = await _next(requests, self._slowly)
        if request is not None and request.size > UNCOUNTED_BYTES:
            await held.enter_async_context(self._memory.upload(request.size))
        return request

    async def _slowly(self, coming: asyncio.Future[Arrived | None]) -> None:
        try:
            async with (
                self._memory.share(COPIES * self._largest, 0) as share,
                share.arriving(LONGEST_LARGE_SECONDS),
            ):
                await asyncio.wait((coming,))
        except MemoryShort:
            if coming.done():
                return
            await _giving_way(coming, self._unshared, MOST_UNSHARED, SLOW, LONGEST_LARGE_SECONDS)


async def _next(
    requests: AsyncIterator[Arrived], slowly: Callable[[asyncio.Future[Arrived | None]], Awaitable[None]]
) -> Arrived | None:
    """Returns the next message, or None; ``slowly`` waits for one that does not come at once."""
    coming = asyncio.ensure_future(anext(requests, None))
    try:
        if not await _at_once(coming):
            await slowly(coming)
        return coming.result()
    finally:
        coming.cancel()


async def _giving_way(
    coming: asyncio.Future[Arrived | None],
    others: deque[asyncio.Future[None]],
    most: int,
    many: str,
    longest_seconds: float | None = None,
) -> None:
    """Waits for a message beside others, of which the first gives way to one too many. Busy, StreamIdle."""
    gives_way: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    others.append(gives_way)
    if len(others) > most:
        others.popleft().set_result(None)
    try:
        await asyncio.wait((coming, gives_way), timeout=longest_seconds, return_when=asyncio.FIRST_COMPLETED)
    finally:
        if gives_way in others:
            others.remove(gives_way)
    if coming.done():
        return
    if gives_way.done():
        raise _busy(many)
    raise StreamIdle(f"the message has not come within {longest_seconds:g} s; send it with the call")


async def _at_once(coming: asyncio.Future[Arrived | None]) -> bool:
    """Tells if it comes within the first wait in which the loop was not kept busy by others."""
    clock = asyncio.get_running_loop().time
    while True:
        began = clock()
        await asyncio.wait((coming,), timeout=AT_ONCE_SECONDS)
        if coming.done() or clock() - began <= AT_ONCE_SECONDS + PUNCTUAL_SECONDS:
            return coming.done()


def _busy(what: str) -> Busy:
    return Busy(f"too many {what}; call again, and send the message at once", retry_after_seconds=1.0)
