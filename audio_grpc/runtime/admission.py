"""Admission of calls to a model: those that run, those that wait, and those that are refused."""

import asyncio
import time
from collections import deque

from audio_grpc.errors import QueueFull

SHORTEST_RETRY, LONGEST_RETRY = 0.1, 60.0


class Admission:
    """A bounded number of places, and a bounded queue in front of them, first come first served."""

    def __init__(self, model: str, *, places: int, queue: int, setting: str = "concurrency or queue") -> None:
        self.model = model
        self._setting = setting
        self.places = places
        self.queue = queue
        self.running = 0
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._left = asyncio.Event()
        self._typical_seconds = 1.0

    @property
    def waiting(self) -> int:
        """The number of those who wait for a slot."""
        return len(self._waiting)

    def resize(self, places: int) -> None:
        """Has another number of places; calls that have one keep it."""
        self.places = places
        self._let_in()

    async def enter(self) -> "Slot":
        """Wait for a slot. QueueFull at once if too many wait; a cancelled wait leaves the queue."""
        if self._is_full and self.waiting >= self.queue:
            raise QueueFull(
                f"{self.running} calls are running on model {self.model!r} and {self.waiting} are waiting, "
                f"which is as many as it takes; retry later, or raise its {self._setting}",
                retry_after_seconds=self._retry_after(),
            )
        if self._is_full:
            await self._wait()
        else:
            self.running += 1
        return Slot(self)

    async def enter_behind(self) -> "Slot":
        """Wait, however long, for a slot that nobody misses: nobody else waits, and another one stays free.

        Of a model with one slot it is that one.
        """
        while self.waiting or (self.running and self.running + 1 >= self.places):
            self._left.clear()
            await self._left.wait()
        self.running += 1
        return Slot(self)

    def leave(self, seconds: float) -> None:
        """Free a slot that was used for so long."""
        self.running -= 1
        self._typical_seconds += (seconds - self._typical_seconds) / 8
        self._let_in()

    @property
    def _is_full(self) -> bool:
        return self.running >= self.places or bool(self._waiting)

    async def _wait(self) -> None:
        mine = asyncio.get_running_loop().create_future()
        self._waiting.append(mine)
        try:
            await mine
        except asyncio.CancelledError:
            if mine in self._waiting:
                self._waiting.remove(mine)
            elif not mine.cancelled():  # let in at the same moment
                self.running -= 1
            self._let_in()
            raise

    def _let_in(self) -> None:
        """Gives what is free to those who wait, and then to the background."""
        while self._waiting and self.running < self.places:
            following = self._waiting.popleft()
            if not following.done():
                following.set_result(None)
                self.running += 1
        self._left.set()

    def _retry_after(self) -> float:
        """Estimates the seconds until the calls in front of a new one have ended."""
        rounds = (self.waiting + 1) / self.places
        return min(max(rounds * self._typical_seconds, SHORTEST_RETRY), LONGEST_RETRY)


class Slot:
    """A slot that was taken; leaving it twice counts once."""

    def __init__(self, admission: Admission) -> None:
        self._admission: Admission | None = admission
        self._since = time.monotonic()

    def leave(self) -> None:
        """Free the slot."""
        if self._admission is not None:
            self._admission.leave(time.monotonic() - self._since)
            self._admission = None
