"""A bound on the memory of messages that are arriving.

gRPC has one limit on the size of messages for all methods of a server, which has to be that of uploads; it
tells nobody how large a message is before it is here. So few of the small ones may take their time, and the
others take a share of the memory meanwhile.
"""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import AsyncExitStack
from typing import Any

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

Read = Callable[[], Awaitable[Arrived | None]]
"""Reads the next message of a call; None if there is no other one."""
Slowly = Callable[[asyncio.Future[None]], Coroutine[Any, Any, None]]
"""Waits for a message that takes its time, which has come once the future is done."""


class Arrivals:
    """Small messages that arrive at one server, and streams that wait for their first message."""

    def __init__(self) -> None:
        self._slow: deque[asyncio.Future[None]] = deque()
        """The messages that arrive slowly: the first ends when there are too many."""
        self._unopened: deque[asyncio.Future[None]] = deque()
        """The streams that wait for their first message: the first ends when there are too many."""
        self._open = 0

    async def first(self, read: Read) -> Arrived | None:
        """The first message; None if there is none. Busy, StreamIdle."""
        return await _next(read, self._slowly)

    async def each(self, read: Read) -> AsyncIterator[Arrived]:
        """All messages of a stream. Busy, StreamIdle."""
        request = await self.first(read)
        if request is not None and self._open >= MOST_OPEN:
            raise _busy("streams are open")
        self._open += 1
        try:
            while request is not None:
                yield request
                request = await read()
        finally:
            self._open -= 1

    async def opened(self, read: Read) -> AsyncIterator[Arrived]:
        """All messages of a stream that may be large. Busy if too many wait for their first one."""
        request = await _next(read, self._unopened_yet)
        while request is not None:
            yield request
            request = await read()

    async def _slowly(self, came: asyncio.Future[None]) -> None:
        await _giving_way(came, self._slow, MOST_SLOW, SLOW, LONGEST_SECONDS)

    async def _unopened_yet(self, came: asyncio.Future[None]) -> None:
        await _giving_way(came, self._unopened, MOST_UNOPENED, "streams wait for their first message")


class LargeArrivals:
    """Large messages (a recording, or a text and perhaps a sample) that arrive: they share the memory."""

    def __init__(self, memory: Pool, largest: int) -> None:
        self._memory = memory
        self._largest = largest
        self._unshared: deque[asyncio.Future[None]] = deque()

    async def recording(self, read: Read, held: AsyncExitStack) -> Arrived | None:
        """Returns the message; none is read before there is memory. Raises MemoryShort, StreamIdle."""
        share = await held.enter_async_context(self._memory.upload(self._largest))
        async with share.arriving(LONGEST_LARGE_SECONDS):
            request = await read()
        share.shrink(COPIES * (request.size if request is not None else 0))
        return request

    async def text(self, read: Read, held: AsyncExitStack) -> Arrived | None:
        """The message, for which there has to be memory if it does not come at once. Busy, StreamIdle."""
        request = await _next(read, self._slowly)
        if request is not None and request.size > UNCOUNTED_BYTES:
            await held.enter_async_context(self._memory.upload(request.size))
        return request

    async def _slowly(self, came: asyncio.Future[None]) -> None:
        try:
            async with (
                self._memory.share(COPIES * self._largest, 0) as share,
                share.arriving(LONGEST_LARGE_SECONDS),
            ):
                await asyncio.wait((came,))
        except MemoryShort:
            if came.done():
                return
            await _giving_way(came, self._unshared, MOST_UNSHARED, SLOW, LONGEST_LARGE_SECONDS)


async def _next(read: Read, slowly: Slowly) -> Arrived | None:
    """Returns the next message, or None; one that does not come at once is waited for beside ``slowly``.

    Its errors end the wait. Most messages come at once, and cost a timer.
    """
    loop = asyncio.get_running_loop()
    came = loop.create_future()
    try:
        async with asyncio.TaskGroup() as beside:
            late = loop.call_later(
                AT_ONCE_SECONDS, lambda began: beside.create_task(_late(came, began, slowly)), loop.time()
            )
            try:
                return await read()
            finally:
                late.cancel()
                came.set_result(None)
    except BaseExceptionGroup as ended:
        raise ended.exceptions[0] from None


async def _late(came: asyncio.Future[None], began: float, slowly: Slowly) -> None:
    """Has ``slowly`` wait for a message, unless it comes while the loop was kept busy by others."""
    clock = asyncio.get_running_loop().time
    while clock() - began > AT_ONCE_SECONDS + PUNCTUAL_SECONDS and not came.done():
        began = clock()
        await asyncio.wait((came,), timeout=AT_ONCE_SECONDS)
    if not came.done():
        await slowly(came)


async def _giving_way(
    came: asyncio.Future[None],
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
        await asyncio.wait((came, gives_way), timeout=longest_seconds, return_when=asyncio.FIRST_COMPLETED)
    finally:
        if gives_way in others:
            others.remove(gives_way)
    if came.done():
        return
    if gives_way.done():
        raise _busy(many)
    raise StreamIdle(f"the message has not come within {longest_seconds:g} s; send it with the call")


def _busy(what: str) -> Busy:
    return Busy(f"too many {what}; call again, and send the message at once", retry_after_seconds=1.0)
