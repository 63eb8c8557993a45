"""One loading of a model, and those who wait for it."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from typing import Generic

from audio_grpc.backends.progress import listening
from audio_grpc.runtime.loaded import Backend, Loaded


@dataclass(frozen=True)
class Progress:
    """The part that is done, 0 to 1, and the current step; None and empty if the backend does not tell."""

    done: float | None = None
    step: str = ""


class Loading(Generic[Backend]):
    """Goes on whoever leaves: a caller must not take it from the others."""

    def __init__(self, name: str, load: Callable[[], Awaitable[Loaded[Backend]]]) -> None:
        self.progress = Progress()
        self._loop = asyncio.get_running_loop()
        self._moved = self._loop.create_future()
        self._task = asyncio.create_task(self._run(load), name=f"load {name}")
        self._task.add_done_callback(_retrieve)

    async def finished(self) -> Loaded[Backend]:
        """The model in memory. Raises ModelLoadFailed."""
        return await asyncio.shield(self._task)

    async def ended(self) -> None:
        """Wait for the end, good or bad."""
        await asyncio.wait([self._task])

    async def moves(self) -> AsyncIterator[Progress]:
        """The progress now, and whenever there is more, until the end; not each step for whoever is slow."""
        while not self._task.done():
            moved = self._moved
            yield self.progress
            await asyncio.wait((self._task, moved), return_when=asyncio.FIRST_COMPLETED)

    async def _run(self, load: Callable[[], Awaitable[Loaded[Backend]]]) -> Loaded[Backend]:
        with listening(self._report):
            return await load()

    def _report(self, done: float, step: str) -> None:
        """Passes the progress on from the backend's thread."""
        self._loop.call_soon_threadsafe(self._move, Progress(done, step))

    def _move(self, progress: Progress) -> None:
        self.progress = progress
        self._moved.set_result(None)
        self._moved = self._loop.create_future()


def _retrieve(task: asyncio.Task[Loaded[Backend]]) -> None:
    """Marks the task's error as seen: there may be nobody left to look at it."""
    if not task.cancelled():
        task.exception()
