"""The configured models: finding them by name, loading, serving and unloading them."""

import asyncio
import gc
import logging
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Generator, Iterable, Sequence
from contextlib import asynccontextmanager
from contextvars import Context
from enum import Enum
from functools import partial
from typing import Generic, TypeVar

from audio_grpc.backends.base import ModelSpec, Synthesizer, Transcriber
from audio_grpc.errors import ConfigurationError, ModelLoadFailed, ModelNotFound
from audio_grpc.runtime.admission import Admission
from audio_grpc.runtime.worker import Stream, Worker

Backend = TypeVar("Backend", bound=Synthesizer | Transcriber)
T = TypeVar("T")

log = logging.getLogger(__name__)


class State(Enum):
    """Where a model is in its life."""

    UNLOADED = "unloaded"
    LOADING = "loading"
    READY = "ready"
    FAILED = "failed"


class Loaded(Generic[Backend]):
    """A model in memory, its threads, and how many calls are using it."""

    def __init__(self, name: str, spec: ModelSpec, backend: Backend) -> None:
        self.backend = backend
        self.worker = Worker(name, threads=spec.threads, read_ahead=spec.read_ahead)
        self.users = 0
        self._unused = asyncio.Event()
        self._unused.set()

    def enter(self) -> None:
        """Count a call in."""
        self.users += 1
        self._unused.clear()

    def leave(self) -> None:
        """Count a call out."""
        self.users -= 1
        if not self.users:
            self._unused.set()

    async def retire(self) -> None:
        """Give the memory back once the last call has ended."""
        await self._unused.wait()
        await self.worker.close()
        await asyncio.to_thread(self.backend.close)
        gc.collect()


class Model(Generic[Backend]):
    """One configured model."""

    def __init__(self, name: str, spec: ModelSpec, make: Callable[[ModelSpec], Backend]) -> None:
        self.name = name
        self.spec = spec
        self.admission = Admission(name, places=spec.concurrency, queue=spec.queue)
        self.load_error = ""
        self._make = make
        self._described = make(spec)
        self._loaded: Loaded[Backend] | None = None
        self._loading: asyncio.Task[Loaded[Backend]] | None = None
        self._idle_timer: asyncio.TimerHandle | None = None
        self._unloading: set[asyncio.Task[None]] = set()

    @property
    def names(self) -> tuple[str, ...]:
        """Its name and its aliases."""
        return (self.name, *self.spec.aliases)

    @property
    def state(self) -> State:
        """Where the model is in its life."""
        if self._loaded is not None:
            return State.READY
        if self._loading is not None:
            return State.LOADING
        return State.FAILED if self.load_error else State.UNLOADED

    @property
    def backend(self) -> Backend:
        """The backend, to ask what it can do; not necessarily loaded."""
        return self._loaded.backend if self._loaded else self._described

    @asynccontextmanager
    async def stream(
        self, generate: Callable[[Backend], Generator[T, None, None]]
    ) -> AsyncIterator[Stream[T]]:
        """Wait for a place, load the model if need be, and run a generator on its threads.

        The place is free again when the generator has been closed, which leaving the context causes.
        QueueFull, ModelLoadFailed, and ModelFailed for what the generator throws of its own.
        """
        place = await self.admission.enter()
        try:
            loaded = await self.load()
        except BaseException:
            place.leave()
            raise
        self._use(loaded)

        def end() -> None:
            place.leave()
            self._release(loaded)

        stream = loaded.worker.start(partial(generate, loaded.backend), on_end=end)
        try:
            yield stream
        finally:
            stream.close()

    async def load(self) -> Loaded[Backend]:
        """The model in memory; callers at the same moment share one loading. ModelLoadFailed."""
        if self._loaded is not None:
            return self._loaded
        if self._loading is None:
            self._loading = asyncio.create_task(self._load(), name=f"load {self.name}")
            self._loading.add_done_callback(self._loading_done)
        # A caller who leaves must not take the loading from the others.
        return await asyncio.shield(self._loading)

    async def unload(self) -> None:
        """Take the model out of memory, once the calls that are running on it have ended."""
        if self._loading is not None:
            await asyncio.wait([self._loading])
        self._cancel_idle_timer()
        loaded, self._loaded = self._loaded, None
        if loaded is not None:
            await loaded.retire()
            log.info("unloaded model %s", self.name)

    async def _load(self) -> Loaded[Backend]:
        log.info("loading model %s", self.name)
        began = time.monotonic()
        backend = self._make(self.spec)
        try:
            await asyncio.to_thread(backend.load)
        except Exception as error:
            self.load_error = str(error) or type(error).__name__
            log.exception("could not load model %s", self.name)
            raise ModelLoadFailed(f"model {self.name!r} could not be loaded: {self.load_error}") from error
        self.load_error = ""
        log.info("loaded model %s in %.1f s", self.name, time.monotonic() - began)
        self._loaded = Loaded(self.name, self.spec, backend)
        self._watch_idleness()
        return self._loaded

    def _loading_done(self, task: asyncio.Task[Loaded[Backend]]) -> None:
        self._loading = None
        if not task.cancelled():
            task.exception()  # retrieved: nobody may be left to do so

    def _use(self, loaded: Loaded[Backend]) -> None:
        self._cancel_idle_timer()
        loaded.enter()

    def _release(self, loaded: Loaded[Backend]) -> None:
        loaded.leave()
        self._watch_idleness()

    def _watch_idleness(self) -> None:
        self._cancel_idle_timer()
        after = None if self.spec.resident else self.spec.idle_unload_seconds
        if after is not None and self._loaded is not None and not self._loaded.users:
            # In no call's context: what happens then is not the doing of the call that was the last.
            self._idle_timer = asyncio.get_running_loop().call_later(
                after, self._unload_idle, context=Context()
            )

    def _cancel_idle_timer(self) -> None:
        if self._idle_timer is not None:
            self._idle_timer.cancel()
            self._idle_timer = None

    def _unload_idle(self) -> None:
        log.info("model %s was idle for %g s", self.name, self.spec.idle_unload_seconds)
        task = asyncio.create_task(self.unload(), name=f"unload {self.name}")
        self._unloading.add(task)
        task.add_done_callback(self._unloading.discard)


AnyModel = Model[Synthesizer] | Model[Transcriber]


class Models:
    """Every configured model, by name and alias; the first of a kind is its default."""

    def __init__(
        self, synthesizers: Iterable[Model[Synthesizer]], transcribers: Iterable[Model[Transcriber]]
    ) -> None:
        self.synthesizers = list(synthesizers)
        self.transcribers = list(transcribers)
        taken = Counter(name for model in self.all for name in model.names)
        if twice := [name for name, count in taken.items() if count > 1]:
            raise ConfigurationError(f"more than one model answers to the name {twice[0]!r}")

    @property
    def all(self) -> list[AnyModel]:
        """Synthesisers first, each kind in the order of the configuration."""
        return [*self.synthesizers, *self.transcribers]

    def synthesizer(self, name: str) -> Model[Synthesizer]:
        """By name or alias; empty for the default. ModelNotFound."""
        return _find(self.synthesizers, "synthesiser", name, field="model")

    def transcriber(self, name: str) -> Model[Transcriber]:
        """By name or alias; empty for the default. ModelNotFound."""
        return _find(self.transcribers, "transcriber", name, field="model")

    def any(self, name: str) -> AnyModel:
        """Of either kind, by name or alias. ModelNotFound."""
        return _find(self.all, "model", name, field="name")

    async def close(self) -> None:
        """Unload every model."""
        await asyncio.gather(*(model.unload() for model in self.all))


M = TypeVar("M", bound=AnyModel)


def _find(models: Sequence[M], kind: str, name: str, field: str) -> M:
    if not name and field == "model" and models:
        return models[0]
    for model in models:
        if name in model.names:
            return model
    known = ", ".join(model.name for model in models) or "none"
    raise ModelNotFound(f"no {kind} is named {name!r}; there are: {known}", field=field)
