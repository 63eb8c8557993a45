"""The resources that servers and gateways hold, before and after."""

import asyncio
import time
from dataclasses import dataclass, field

import psutil

from audio_grpc.client import AsyncClient, ServiceError
from tests.supervisor.stack import RunningStack

ROLES = {"server": "serve", "gateway": "audio-gateway", "envoy": "envoy"}
EVERY_SECONDS = 0.25
SETTLE_SECONDS = 90.0
MORE_THREADS, MORE_DESCRIPTORS = 6, 30
"""The threads and descriptors of the pools of asyncio and gRPC, made when they are first needed."""
MORE_MEGABYTES = 450.0
"""The megabytes of heaps that were larger for a while, by large messages and blocks of recordings: about 290
after two minutes, and after ten.
"""


@dataclass(frozen=True)
class State:
    """The resources of the machine that one process takes."""

    megabytes: float
    threads: int
    descriptors: int

    @classmethod
    def of(cls, process: psutil.Process) -> "State":
        """The present one; NoSuchProcess."""
        with process.oneshot():
            return cls(process.memory_info().rss / 1e6, process.num_threads(), process.num_fds())

    def at_least(self, other: "State") -> "State":
        """The larger of each."""
        return State(
            max(self.megabytes, other.megabytes),
            max(self.threads, other.threads),
            max(self.descriptors, other.descriptors),
        )

    def is_back(self, base: "State") -> bool:
        """Tells if it takes no more than ``base`` and the slack above."""
        return (
            self.megabytes <= base.megabytes + MORE_MEGABYTES
            and self.threads <= base.threads + MORE_THREADS
            and self.descriptors <= base.descriptors + MORE_DESCRIPTORS
        )

    def __str__(self) -> str:
        return f"{self.megabytes:.0f} MB, {self.threads} threads, {self.descriptors} descriptors"


def largest(stack: RunningStack) -> dict[str, State]:
    """The largest state of the processes of each role."""
    found: dict[str, State] = {}
    for role, word in ROLES.items():
        for process in stack.running(word):
            try:
                state = State.of(process)
            except psutil.NoSuchProcess:
                continue
            found[role] = found.get(role, state).at_least(state)
    return found


@dataclass
class Watch:
    """The peaks of each role while a load runs."""

    stack: RunningStack
    peaks: dict[str, State] = field(default_factory=dict)

    async def run(self, stop: asyncio.Event) -> None:
        """Looks until ``stop`` is set."""
        while not stop.is_set():
            for role, state in (await asyncio.to_thread(largest, self.stack)).items():
                self.peaks[role] = self.peaks.get(role, state).at_least(state)
            await asyncio.sleep(EVERY_SECONDS)


async def settled(
    stack: RunningStack, base: dict[str, State], key: str
) -> tuple[dict[str, State], list[str]]:
    """The states once all is as in ``base`` or a while has passed, and what is not back."""
    until = time.monotonic() + SETTLE_SECONDS
    while True:
        now = await asyncio.to_thread(largest, stack)
        wrong = [
            f"{role}: {state}, before: {base[role]}"
            for role, state in now.items()
            if not state.is_back(base[role])
        ]
        wrong += await _busy(stack, key)
        if not wrong or time.monotonic() > until:
            return now, wrong
        await asyncio.sleep(1.0)


async def _busy(stack: RunningStack, key: str) -> list[str]:
    """Models that have calls still, by whichever replica answers."""
    try:
        async with AsyncClient(stack.address, api_key=key) as client:
            models = await client.list_models()
    except ServiceError as error:
        return [f"models cannot be listed: {error}"]
    return [
        f"{one.name}: {one.running} running, {one.queued} queued"
        for one in models
        if one.running or one.queued
    ]
