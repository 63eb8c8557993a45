"""Requests of one stage of a conversation to another, which reads them like those of a caller."""

import asyncio
from collections.abc import AsyncGenerator
from typing import Generic, TypeVar

R = TypeVar("R")


class Inbox(Generic[R]):
    """A stream of requests that is written on the event loop."""

    def __init__(self, size: int = 0) -> None:
        self._queue: asyncio.Queue[R | None] = asyncio.Queue(size)

    async def put(self, request: R) -> None:
        """Send one; waits while as many as it has room for are unread."""
        await self._queue.put(request)

    def send(self, request: R) -> None:
        """Sends a request to an inbox without a limit."""
        self._queue.put_nowait(request)

    async def end(self) -> None:
        """Ends the requests."""
        await self._queue.put(None)

    async def requests(self) -> AsyncGenerator[R, None]:
        """Yields the requests that were sent, until the end."""
        while (request := await self._queue.get()) is not None:
            yield request
