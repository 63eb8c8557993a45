"""One configured model: loading, serving, replacing and unloading it."""

import asyncio
import logging
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Coroutine, Generator
from contextlib import asynccontextmanager
from contextvars import Context
from enum import Enum
from functools import partial
from typing import Any, Generic, TypeVar

from audio_grpc.backends.base import ModelSpec
from audio_grpc.backends.choosing import Expected
from audio_grpc.errors import ConfigurationError, ModelLoadFailed
from audio_grpc.runtime.admission import Admission
from audio_grpc.runtime.blame import Outcome
from audio_grpc.runtime.loaded import Backend, Loaded
from audio_grpc.runtime.loading import Loading, Progress
from audio_grpc.runtime.memory import Footprint
from audio_grpc.runtime.memory_manager import MemoryManager
from audio_grpc.runtime.session import ModelSession
from audio_grpc.runtime.urgency import PlaybackBuffer
from audio_grpc.runtime.worker import ResultStream

T = TypeVar("T")

FIRST_RETRY_SECONDS, LONGEST_RETRY_SECONDS = 1.0, 60.0

log = logging.getLogger(__name__)


class State(Enum):
    """The states of a model."""

    UNLOADED = "unloaded"
    LOADING = "loading"
    READY = "ready"
    FAILED = "failed"


class Model(Generic[Backend]):
    """A configured model, with its threads, places and loading."""

    def __init__(
        self,
        name: str,
        spec: ModelSpec,
        make: Callable[[ModelSpec], Backend],
        memory: MemoryManager,
        expected: Expected | None = None,
    ) -> None:
        self.name = name
        self.spec = spec
        _, places, queue = spec.sizes
        self.admission = Admission(name, places=places, queue=queue)
        self.live_admission = Admission(name, places=spec.live_streams, queue=0, setting="live_streams")
        self.load_error = ""
        self.reloads = 0
        self.footprint = Footprint()
        self._expected = expected
        self._make = make
        self._described = make(spec)
        self._loaded: Loaded[Backend] | None = None
        self._loading: Loading[Backend] | None = None
        self._last_used = 0.0
        self._crashed = False
        self._reloading: asyncio.Task[None] | None = None
        self._idle_timer: asyncio.TimerHandle | None = None
        self._retiring: set[asyncio.Task[None]] = set()
        self._memory = memory
        memory.add(self)

    @property
    def names(self) -> tuple[str, ...]:
        """The model's name and its aliases."""
        return (self.name, *self.spec.aliases)

    @property
    def state(self) -> State:
        """The state of the model."""
        if self._loaded is not None:
            return State.READY
        if self._loading is not None:
            return State.LOADING
        return State.FAILED if self.load_error else State.UNLOADED

    @property
    def backend(self) -> Backend:
        """The backend, to ask what it can do; not necessarily loaded."""
        return self._loaded.backend if self._loaded else self._described

    @property
    def progress(self) -> Progress:
        """The progress of loading."""
        return self._loading.progress if self._loading else Progress()

    @property
    def work_bytes(self) -> int:
        """The host's memory that one call takes while it is at work."""
        return self.backend.info.work_bytes

    @property
    def idle_since(self) -> float | None:
        """The end of its last call, on ``time.monotonic``; None if it must stay, or is not in memory."""
        # Whoever has a slot, even if only just, is about to use the model.
        in_use = self.admission.running or self.live_admission.running
        stays = self._loaded is None or self.spec.resident or in_use
        return None if stays else self._last_used

    @asynccontextmanager
    async def stream(
        self,
        generate: Callable[[Backend], Generator[T, None, None]],
        read_ahead: int | None = None,
        *,
        listener: PlaybackBuffer | None = None,
        background: bool = False,
    ) -> AsyncIterator[ResultStream[T]]:
        """Wait for a slot, load the model if need be, and run a generator on its threads.

        The slot is free again when the generator has been closed, which leaving the context causes.
        QueueFull, ModelLoadFailed, and ModelFailed or ModelCrashed for what the generator throws of its own.
        """
        async with self.session(background=background) as session:
            stream = session.start(generate, read_ahead, listener)
            try:
                yield stream
            finally:
                stream.close()

    @asynccontextmanager
    async def session(
        self, *, live: bool = False, background: bool = False
    ) -> AsyncIterator[ModelSession[Backend]]:
        """Wait for a slot and load the model if need be, for a call that runs several generators.

        The slot is free again when the context was left and they are closed. QueueFull, ModelLoadFailed.
        Those who listen ``live`` have places of their own, as they may stay for hours and work but a little.
        Work in the ``background`` waits for a slot that nobody misses.
        """
        admission = self.live_admission if live else self.admission
        slot = await (admission.enter_behind() if background else admission.enter())
        try:
            loaded = await self._use()
        except BaseException:
            slot.leave()
            self._watch_idleness()
            raise

        def end(outcome: Outcome) -> None:
            slot.leave()
            self._release(loaded, outcome)

        session = ModelSession(loaded.backend, loaded.worker, loaded.turns, on_end=end, background=background)
        try:
            # A live stream has less than a minute of sound in work at a time.
            async with self._memory.budget.work.share(0 if live else self.work_bytes):
                yield session
        finally:
            session.leave()

    async def load(self) -> Loaded[Backend]:
        """The model in memory; callers at the same moment share one loading. Raises ModelLoadFailed."""
        return self._loaded or await self._begin_loading().finished()

    async def load_with_progress(self) -> AsyncGenerator[None, None]:
        """Load the model, and come back whenever ``state`` or ``progress`` has changed. ModelLoadFailed."""
        if self._loaded is None:
            loading = self._begin_loading()
            async for _ in loading.moves():
                yield
            await loading.finished()
        yield

    async def unload(self) -> None:
        """Take the model out of memory, once the calls that are running on it have ended."""
        if self._reloading is not None:
            self._reloading.cancel()
        if self._loading is not None:
            await self._loading.ended()
        self._crashed = False
        self._take_out()
        if self._retiring:
            await asyncio.wait(self._retiring)

    async def evict(self) -> None:
        """Take the idle model out of memory."""
        if retiring := self._take_out():
            await retiring

    def _begin_loading(self) -> Loading[Backend]:
        if self._loading is None:
            self._loading = Loading(self.name, self._load)
        return self._loading

    async def _load(self) -> Loaded[Backend]:
        began = time.monotonic()
        try:
            backend = self._make(self.spec)
            self.footprint = await self._memory.load(self, partial(self._bring, backend))
        except Exception as error:
            self.load_error = str(error) or type(error).__name__
            known = isinstance(error, ConfigurationError)  # its text says all
            log.error("could not load model %s: %s", self.name, self.load_error, exc_info=not known)
            raise ModelLoadFailed(f"model {self.name!r} could not be loaded: {self.load_error}") from error
        finally:
            self._loading = None
        self.load_error = ""
        self.reloads += self._crashed
        self._crashed = False
        log.info("loaded model %s in %.1f s", self.name, time.monotonic() - began)
        self._loaded = Loaded(self.name, self.spec, backend, self._expected.speed if self._expected else 0.0)
        self._last_used = time.monotonic()
        self._watch_idleness()
        return self._loaded

    def _bring(self, backend: Backend) -> None:
        log.info("loading model %s", self.name)
        backend.load()

    async def _use(self) -> Loaded[Backend]:
        """Count a call in; raises ModelLoadFailed."""
        # What was taken out while the call was about to come in, must not be used any more.
        while (loaded := await self.load()) is not self._loaded:
            pass
        self._cancel_idle_timer()
        loaded.enter()
        return loaded

    def _release(self, loaded: Loaded[Backend], outcome: Outcome) -> None:
        """Count a call out, and replace the model if it has broken it."""
        self._last_used = time.monotonic()
        if self._expected is not None:
            self.admission.resize(self._expected.places(loaded.speed))
        broken = loaded.is_broken_by(outcome)
        loaded.leave()
        if broken and loaded is self._loaded:
            log.error("model %s crashed; it is loaded again", self.name, exc_info=outcome.error)
            self._replace()
        self._watch_idleness()

    def _replace(self) -> None:
        """Load the model again; calls that are running on the broken one go on there."""
        self._take_out()
        self._crashed = True
        self._reloading = self._start(self._reload(), "reload")

    async def _reload(self) -> None:
        """Loads the model until that succeeds, with ever longer pauses; calls meanwhile try as well."""
        pause = FIRST_RETRY_SECONDS
        while self._crashed:
            try:
                await self.load()
            except ModelLoadFailed:
                log.warning("trying to load model %s again in %g s", self.name, pause)
                await asyncio.sleep(pause)
                pause = min(2 * pause, LONGEST_RETRY_SECONDS)

    def _take_out(self) -> asyncio.Task[None] | None:
        """Have new calls load the model afresh, and what is in memory retired once it is unused."""
        self._cancel_idle_timer()
        loaded, self._loaded = self._loaded, None
        if loaded is None:
            return None
        task = self._start(self._retire(loaded), "unload")
        self._retiring.add(task)
        task.add_done_callback(self._retiring.discard)
        return task

    async def _retire(self, loaded: Loaded[Backend]) -> None:
        try:
            await loaded.retire()
        except Exception:  # a broken model may not even come to its end
            log.exception("could not close model %s", self.name)
        else:
            log.info("unloaded model %s", self.name)

    def _watch_idleness(self) -> None:
        self._cancel_idle_timer()
        after = self.spec.idle_unload_seconds
        if after is not None and self.idle_since is not None:
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
        self._take_out()

    def _start(self, work: Coroutine[Any, Any, None], what: str) -> asyncio.Task[None]:
        """Have something done that is no call's doing, even if one has set it off."""
        loop = asyncio.get_running_loop()
        return loop.create_task(work, name=f"{what} {self.name}", context=Context())
