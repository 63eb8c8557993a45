"""The one crossing from models, which are synchronous generators, to asyncio.

A model has a few threads and more calls than threads. A thread takes the call that is due first
(``urgency.py``), pulls results from its generator until the reader has enough in hand or another call is due
before it, and takes the next: so calls take turns result by result, and a reader that is slow (somebody
listening) holds no thread meanwhile.

Work that has no result for long gives way in between (``giving_way.py``): its thread waits in the queue, and
another takes its place until it is its turn again. So there are as many threads at work as before.
"""

import asyncio
import logging
import math
import threading
from collections.abc import AsyncIterator, Callable, Generator
from contextvars import copy_context
from itertools import count
from typing import Any, Generic, TypeVar

from audio_grpc.backends.base import ModelBroken
from audio_grpc.backends.leaving import Leaving, notice
from audio_grpc.errors import MemoryShort, ModelCrashed, ModelFailed, SpeechError
from audio_grpc.giving_way import on_give_way
from audio_grpc.runtime.blame import Outcome, outcome
from audio_grpc.runtime.speed import Speed
from audio_grpc.runtime.urgency import DueQueue, Given, Urgency

T = TypeVar("T")
Generate = Callable[[], Generator[T, None, None]]
OnEnd = Callable[[Outcome], None]

MEMORY_RETRY_SECONDS = 5.0

log = logging.getLogger(__name__)


class ResultStream(AsyncIterator[list[T]], Generic[T]):
    """One call's generator as an async iterator of its results: at each step all that are ready.

    ``close`` stops the generator at its next result, on a model thread; ``on_end`` is called on the
    event loop once the generator is finished with. The reader gets what it threw after the results before
    it: as it is if it is one of our errors, else as ModelCrashed (for ModelBroken), MemoryShort (for
    MemoryError) or ModelFailed.
    """

    def __init__(
        self,
        model: str,
        generate: Generate[T],
        *,
        read_ahead: int,
        urgency: Urgency,
        speed: Speed,
        ready: "Queue",
        let_others: Callable[[float], None],
        on_end: OnEnd,
    ) -> None:
        self._model = model
        self._generate = generate
        self._read_ahead = read_ahead
        self._urgency = urgency
        self._speed = speed
        self._ready = ready
        self._on_end = on_end
        self._loop = asyncio.get_running_loop()
        # What is logged on the model's thread belongs to the call, too.
        self._context = copy_context()
        # A generator that waits for a network is not to go on doing so when nobody wants what comes.
        self._leaving = Leaving()
        self._context.run(notice, self._leaving)
        self._let_others = let_others
        self._context.run(on_give_way, self._give_way)
        self._generator: Generator[T, None, None] | None = None
        # The lock guards what both sides touch: everything below.
        self._lock = threading.Lock()
        self._results: list[T] = []
        self._reader: asyncio.Future[None] | None = None
        self._parked = False
        self._closed = self._hastened = False
        self._ended = False
        self._error: BaseException | None = None
        self.wait_for_turn()

    def wait_for_turn(self) -> None:
        """Wait for a thread."""
        with self._lock:
            self._wait_for_turn()

    def _wait_for_turn(self) -> None:
        self._ready.put(self, -math.inf if self._hastened else self._urgency.due)

    # On the event loop.

    async def __anext__(self) -> list[T]:
        while True:
            with self._lock:
                if self._results:
                    results, self._results = self._results, []
                    self._unpark()
                    return results
                if self._ended:
                    break
                self._reader = reader = self._loop.create_future()
            await reader
        error, self._error = self._error, None
        if error is None or isinstance(error, SpeechError):
            raise error or StopAsyncIteration
        raise self._for_caller(error) from error

    def _for_caller(self, error: BaseException) -> SpeechError:
        if isinstance(error, MemoryError):
            return MemoryShort(
                "the server has too little memory for this call now; retry later, or send less at once",
                retry_after_seconds=MEMORY_RETRY_SECONDS,
            )
        if isinstance(error, ModelBroken):
            return ModelCrashed(
                f"model {self._model!r} crashed while serving this call, and is loaded again; try the call "
                "again, and see the server's log for the details"
            )
        return ModelFailed(
            f"model {self._model!r} broke with {type(error).__name__} while serving this call; "
            "the server's log has the details"
        )

    def close(self) -> None:
        """Have the generator closed; what was not read is dropped, and nothing is waited for any more."""
        with self._lock:
            self._closed = True
            self._results.clear()
            self._hasten()
            self._unpark()
        self._leaving.leave()

    def hasten(self) -> None:
        """Have its turn come first, since all that is left to do is to come to an end."""
        with self._lock:
            self._hasten()

    def _hasten(self) -> None:
        self._hastened = True
        self._ready.hasten(self)

    def _unpark(self) -> None:
        if self._parked:
            self._parked = False
            self._wait_for_turn()

    # On a model thread.

    def take_turn(self) -> bool:
        """Pull results; whether the call wants another turn once those had theirs that are due before it."""
        return self._context.run(self._pull)

    def _pull(self) -> bool:
        self._urgency.begin_turn()
        try:
            if not self._closed and self._generator is None:
                self._generator = self._generate()
            while not self._closed and self._generator is not None:
                result = next(self._generator)
                if isinstance(result, Given):
                    self._speed.count(result.seconds, self._urgency.count_given(result))
                elif self._deliver(result):
                    return False
                if self._ready.has_before(self._urgency.due):
                    return True
            if self._generator is not None:
                self._generator.close()
            self._end(GeneratorExit())
        except StopIteration:
            self._end(None)
        except BaseException as error:  # whatever a model throws belongs to its caller
            self._end(error)
        return False

    def _give_way(self) -> None:
        self._require_caller()
        self._urgency.give_way()
        self._let_others(self._urgency.due)
        self._urgency.begin_turn()
        self._require_caller()

    def _require_caller(self) -> None:
        if self._closed:
            raise GeneratorExit("the caller has left")

    def _deliver(self, result: T) -> bool:
        """Hand over a result; whether the reader has enough for now and the call is parked."""
        self._urgency.count_result()
        with self._lock:
            if not self._closed:
                self._results.append(result)
                self._wake_reader()
                self._parked = len(self._results) >= self._read_ahead
            return self._parked

    def _end(self, error: BaseException | None) -> None:
        # A generator keeps its frame, and an error its traceback, alive: let go of both.
        self._generator = None
        with self._lock:
            self._ended = True
            self._error = None if self._closed else error
            self._wake_reader()
        if self._closed and not isinstance(error, GeneratorExit | None):
            log.warning("a generator failed while it was being closed", exc_info=error)
        self._call_soon(self._on_end, outcome(error))

    def _wake_reader(self) -> None:
        reader, self._reader = self._reader, None
        if reader is not None:
            self._call_soon(_resolve, reader)

    def _call_soon(self, function: Callable[..., None], *args: Any) -> None:
        try:
            self._loop.call_soon_threadsafe(function, *args)
        except RuntimeError:  # the event loop is gone, and with it everybody who could care
            log.debug("a result came after the event loop had closed")


def _resolve(reader: asyncio.Future[None]) -> None:
    if not reader.done():
        reader.set_result(None)


class ResumeSignal:
    """A pause of a call that gave way and waits for its turn."""

    def __init__(self) -> None:
        self._came = threading.Event()

    def wait(self) -> None:
        """Waits until it has come."""
        self._came.wait()

    def come(self) -> None:
        """Lets the call go on, on its own thread."""
        self._came.set()


Queue = DueQueue[ResultStream[Any] | ResumeSignal | None]


class Worker:
    """The threads of one loaded model: so many at work at the same time."""

    def __init__(self, name: str, *, threads: int, read_ahead: int, speed: Speed | None = None) -> None:
        self._name = name
        self._speed = speed or Speed()
        self._read_ahead = read_ahead
        self._ready: Queue = DueQueue()
        self._at_work = threads
        self._numbers = count()
        self._threads: set[threading.Thread] = set()
        for _ in range(threads):
            self._start_thread()

    def start(
        self,
        generate: Generate[T],
        on_end: OnEnd,
        read_ahead: int | None = None,
        urgency: Urgency | None = None,
    ) -> ResultStream[T]:
        """Begin a call; ``generate`` makes its generator, on a model thread.

        ``read_ahead`` is how far that may be ahead of its reader, if less than usual.
        """
        return ResultStream(
            self._name,
            generate,
            read_ahead=self._read_ahead if read_ahead is None else min(read_ahead, self._read_ahead),
            urgency=urgency or Urgency(),
            speed=self._speed,
            ready=self._ready,
            let_others=self._let_others,
            on_end=on_end,
        )

    async def close(self) -> None:
        """End the threads; every stream must have ended before."""
        for _ in range(self._at_work):
            self._ready.put(None, math.inf)
        for thread in list(self._threads):
            await asyncio.to_thread(thread.join)

    def _start_thread(self) -> None:
        thread = threading.Thread(target=self._work, name=f"{self._name}-{next(self._numbers)}", daemon=True)
        self._threads.add(thread)
        thread.start()

    def _work(self) -> None:
        while (taken := self._ready.take()) is not None:
            if isinstance(taken, ResumeSignal):  # its thread goes on in place of this one
                taken.come()
                break
            if taken.take_turn():
                taken.wait_for_turn()
            del taken  # or it would live until the next call
        self._threads.discard(threading.current_thread())

    def _let_others(self, due: float) -> None:
        """Wait for those that are due before, while another thread is at work in place of this one."""
        if self._ready.has_before(due):
            turn = ResumeSignal()
            self._ready.put(turn, due)
            self._start_thread()
            turn.wait()
