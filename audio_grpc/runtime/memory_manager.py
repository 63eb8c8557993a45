"""Keeps memory free, by unloading models that nobody is using."""

import asyncio
import logging
from collections.abc import Callable
from typing import Protocol

from audio_grpc.backends.base import ModelSpec
from audio_grpc.runtime.budget import Budget
from audio_grpc.runtime.memory import Footprint, Memory, device_number, give_back, settle

CHECK_SECONDS = 5.0

log = logging.getLogger(__name__)


class Evictable(Protocol):
    """A model as a user of memory."""

    @property
    def name(self) -> str:
        """The name of the model in log lines."""

    @property
    def spec(self) -> ModelSpec:
        """The settings of the model, with its device."""

    @property
    def footprint(self) -> Footprint:
        """The bytes of memory that it takes, or took when it was last loaded."""

    @property
    def work_bytes(self) -> int:
        """The memory that one call takes while it is at work."""

    @property
    def idle_since(self) -> float | None:
        """The end of its last call, on ``time.monotonic``; None if it must stay, or is not in memory."""

    async def evict(self) -> None:
        """Unloads the model now."""


class MemoryManager:
    """The memory that the models share.

    While less than ``min_free_bytes`` of the host (or ``min_free_device_bytes`` of a GPU) can be had, the
    model that has been idle for longest is unloaded: every ``check_seconds``, and before another is loaded,
    which needs what it took last time as well. 0 turns that off. If it does not help, a model is loaded
    nevertheless: what can be had is an estimate, and an error in loading says more.
    """

    def __init__(
        self,
        memory: Memory,
        *,
        min_free_bytes: int = 0,
        min_free_device_bytes: int = 0,
        check_seconds: float = CHECK_SECONDS,
    ) -> None:
        self._memory = memory
        self.budget = Budget(lambda: memory.free(None), self._largest_work)
        self._min_free_bytes = min_free_bytes
        self._min_free_device_bytes = min_free_device_bytes
        self._check_seconds = check_seconds
        self._models: list[Evictable] = []
        # One loading at a time: the next one would take the room that was made for this one, and what each
        # takes could not be told.
        self._turn = asyncio.Lock()

    def add(self, model: Evictable) -> None:
        """Have a model share the memory."""
        self._models.append(model)

    async def load(self, model: Evictable, load: Callable[[], None]) -> Footprint:
        """Make room, and call ``load`` on a thread; what that has taken. Raises what ``load`` raises."""
        async with self._turn:
            device = device_number(model.spec.device)
            await self._make_room(None, model)
            if device is not None:
                await self._make_room(device, model)
            # What goes while a model comes would make it look smaller than it is.
            await asyncio.to_thread(settle)
            before = await self._taken(device)
            await asyncio.to_thread(load)
            after = await self._taken(device)
        host, on_device = (_growth(*pair) for pair in zip(before, after, strict=True))
        self.budget.lessen(host or 0)
        return Footprint(host, 0 if device is None else on_device)

    async def keep(self) -> None:
        """Look after the memory until cancelled."""
        while True:
            await asyncio.sleep(self._check_seconds)
            async with self._turn:
                for device in {None, *(device_number(one.spec.device) for one in self._models)}:
                    await self._make_room(device)

    async def clear(self) -> list[str]:
        """Unload every model that is idle, and give back what nobody uses any more; the models' names."""
        async with self._turn:
            idle = [model for model in self._models if model.idle_since is not None]
            for model in idle:
                await model.evict()
            await asyncio.to_thread(give_back)
        return [model.name for model in idle]

    async def measure(self) -> tuple[int | None, dict[int | None, int | None]]:
        """Returns the bytes that this process uses, and those free on the host (None) and each GPU."""
        devices = {None, *(device_number(one.spec.device) for one in self._models)}
        free = {device: await asyncio.to_thread(self._memory.free, device) for device in devices}
        return self._memory.used(), free

    async def _make_room(self, device: int | None, model: Evictable | None = None) -> None:
        least = self._min_free_bytes if device is None else self._min_free_device_bytes
        if not least:
            return
        if model is not None:
            least += (model.footprint.host if device is None else model.footprint.device) or 0
        where = "memory" if device is None else f"memory on GPU {device}"
        while (idle := self._longest_idle(device)) or model:
            free = await asyncio.to_thread(self._memory.free, device)
            if free is None or free >= least:
                return
            if idle is None:
                log.warning("%.0f MB of %s are free, and no model is idle that could go", free / 1e6, where)
                return
            log.info("%.0f MB of %s are free; unloading idle model %s", free / 1e6, where, idle.name)
            await idle.evict()

    def _largest_work(self) -> int:
        return max((model.work_bytes for model in self._models), default=0)

    def _longest_idle(self, device: int | None) -> Evictable | None:
        idle = [
            (since, number)
            for number, model in enumerate(self._models)
            if (since := model.idle_since) is not None
            and (device is None or device_number(model.spec.device) == device)
        ]
        return self._models[min(idle)[1]] if idle else None

    async def _taken(self, device: int | None) -> tuple[int | None, int | None]:
        """A measure of what is in use of the host's memory, and of the GPU's, that grows with it."""
        used = self._memory.used()
        free = None if device is None else await asyncio.to_thread(self._memory.free, device)
        return used, None if free is None else -free


def _growth(before: int | None, after: int | None) -> int | None:
    return None if before is None or after is None else max(after - before, 0)
