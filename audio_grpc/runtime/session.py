"""One call's stay on a model."""

from collections.abc import Callable, Generator
from functools import partial
from typing import Generic, TypeVar

from audio_grpc.runtime.blame import Outcome
from audio_grpc.runtime.priority_semaphore import PrioritySemaphore
from audio_grpc.runtime.urgency import BACKGROUND_SECONDS, PlaybackBuffer, Urgency
from audio_grpc.runtime.worker import OnEnd, ResultStream, Worker

B = TypeVar("B")
T = TypeVar("T")


class ModelSession(Generic[B]):
    """A slot on a loaded model, for as many generators as the call needs, one after the other.

    Between two of them the call holds its slot, but no thread. ``on_end`` is called once the call has left
    and the last generator is closed, with how that one ended, see :class:`ResultStream`. Those of a call
    in the ``background`` come after those that somebody waits for.
    """

    def __init__(
        self, backend: B, worker: Worker, turns: PrioritySemaphore, on_end: OnEnd, *, background: bool = False
    ) -> None:
        self.backend = backend
        self.turns = turns
        """The turns of calls that need the model again and again, to share it fairly."""
        self._worker = worker
        self._on_end = on_end
        self._delay_seconds = BACKGROUND_SECONDS if background else 0.0
        self._outcome = Outcome(GeneratorExit())  # without a generator, as if it was closed
        self._users = 1  # the call itself, and each generator until it is closed

    def start(
        self,
        generate: Callable[[B], Generator[T, None, None]],
        read_ahead: int | None = None,
        listener: PlaybackBuffer | None = None,
    ) -> ResultStream[T]:
        """Run a generator on the model's threads; whoever leaves before its end has to close the stream.

        For a ``listener`` the generator yields ``given`` after each step.
        """
        self._users += 1
        urgency = Urgency(listener, self._delay_seconds)
        return self._worker.start(partial(generate, self.backend), self._end, read_ahead, urgency)

    def leave(self) -> None:
        """The call, or one of its generators, needs the slot no more."""
        self._users -= 1
        if not self._users:
            self._on_end(self._outcome)

    def _end(self, outcome: Outcome) -> None:
        self._outcome = outcome
        self.leave()
