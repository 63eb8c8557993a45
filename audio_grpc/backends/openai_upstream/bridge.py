"""Runs asynchronous generators of an event loop for synchronous code on a model's thread.

Waiting for a network can be broken off at any moment on an event loop, whatever it waits for (a name, a
connection, an answer); a blocked thread cannot be woken so.
"""

import asyncio
from collections.abc import AsyncGenerator, Coroutine, Generator
from concurrent.futures import CancelledError
from enum import Enum
from threading import Thread
from types import TracebackType
from typing import Any, Final, TypeVar

from audio_grpc.backends.leaving import interrupted_by_leaving

T = TypeVar("T")


class EndOfStream(Enum):
    """The mark that no next result comes."""

    END = "end"


END: Final = EndOfStream.END


class Bridge:
    """An event loop on a thread of its own."""

    def __init__(self, name: str) -> None:
        self.loop = asyncio.new_event_loop()
        self._thread = Thread(target=self.loop.run_forever, name=name, daemon=True)
        self._thread.start()

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """The result of ``work``, once the loop has done it."""
        return asyncio.run_coroutine_threadsafe(work, self.loop).result()

    def pull(self, source: AsyncGenerator[T, None]) -> "Pull[T]":
        """The results of ``source``, which runs on the loop while somebody waits for the next one."""
        return Pull(self, source)

    def close(self) -> None:
        """End the loop and its thread; everything that was pulled is closed before."""
        self.run(self.loop.shutdown_asyncgens())
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join()
        self.loop.close()


class Pull(Generator[T, None, None]):
    """A generator that can be closed without having been started, and that leaving interrupts."""

    def __init__(self, bridge: Bridge, source: AsyncGenerator[T, None]) -> None:
        self._bridge = bridge
        self._source = source
        # A step that was interrupted has to be out of the source before that can be closed.
        self._turn = asyncio.Lock()
        self._closed = False

    def send(self, value: None) -> T:
        """The next result. GeneratorExit if the caller has left."""
        if self._closed:
            raise StopIteration
        step = asyncio.run_coroutine_threadsafe(self._step(), self._bridge.loop)
        try:
            with interrupted_by_leaving(step.cancel):
                result = step.result()
        except CancelledError:
            self._close()
            raise GeneratorExit("the caller has left") from None
        if result is END:
            self._closed = True
            raise StopIteration
        return result

    def throw(
        self,
        kind: type[BaseException] | BaseException,
        value: BaseException | object = None,
        traceback: TracebackType | None = None,
    ) -> T:
        """Close the source, and raise what was thrown."""
        self._close()
        raise kind

    def _close(self) -> None:
        if not self._closed:
            self._closed = True
            self._bridge.run(self._end())

    async def _step(self) -> T | EndOfStream:
        async with self._turn:
            return await anext(self._source, END)

    async def _end(self) -> None:
        async with self._turn:
            await self._source.aclose()
