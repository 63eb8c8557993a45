"""A model that is in memory."""

import asyncio
from typing import Generic, TypeVar

from audio_grpc.backends.base import ModelBroken, ModelSpec, Synthesizer, Transcriber
from audio_grpc.errors import SpeechError
from audio_grpc.runtime.blame import Outcome
from audio_grpc.runtime.memory import give_back
from audio_grpc.runtime.priority_semaphore import PrioritySemaphore
from audio_grpc.runtime.speed import Speed
from audio_grpc.runtime.worker import Worker

Backend = TypeVar("Backend", bound=Synthesizer | Transcriber)

FAILURES_IN_A_ROW = 3
"""The number of failing inputs in a row, none of them good in between, that is blamed on the model."""


class Loaded(Generic[Backend]):
    """A model in memory, its threads, and how many calls are using it."""

    def __init__(self, name: str, spec: ModelSpec, backend: Backend, expected_speed: float = 0.0) -> None:
        self.backend = backend
        self._threads = threads = max(spec.sizes.threads, backend.info.threads)
        self._speed = Speed(expected_speed / threads)
        self.worker = Worker(name, threads=threads, read_ahead=spec.read_ahead, speed=self._speed)
        self.turns = PrioritySemaphore(threads)
        self.users = 0
        self._failed: set[object] = set()
        self._unused = asyncio.Event()
        self._unused.set()

    @property
    def speed(self) -> float:
        """Seconds of sound in a second, of all threads together."""
        return self._speed.value * self._threads

    def enter(self) -> None:
        """Count a call in."""
        self.users += 1
        self._unused.clear()

    def leave(self) -> None:
        """Count a call out."""
        self.users -= 1
        if not self.users:
            self._unused.set()

    def is_broken_by(self, outcome: Outcome) -> bool:
        """Tells if the model needs to be loaded again, after a call that ended so.

        A call that was refused or left, or that was too much for the memory, says nothing of the model,
        neither good nor bad. An input that fails again and again is one failure: nothing can be made of it.
        """
        error = outcome.error
        if error is None:
            self._failed.clear()
        elif isinstance(error, ModelBroken):
            return True
        elif not isinstance(error, SpeechError | GeneratorExit | MemoryError):
            self._failed.add(object() if outcome.input is None else outcome.input)
        return len(self._failed) >= FAILURES_IN_A_ROW

    async def retire(self) -> None:
        """Give the memory back once the last call has ended."""
        await self._unused.wait()
        await self.worker.close()
        await asyncio.to_thread(self.backend.close)
        await asyncio.to_thread(give_back)
