"""The order of the live streams of a model, which all need it again and again."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager


class PrioritySemaphore:
    """A limit of turns at once. Urgent ones come first, others in the order in which they were asked for.

    Whoever has waited for long finds more to do at once, and asks less often: work that is not urgent thins
    out by itself when there is too much of it.
    """

    def __init__(self, at_once: int) -> None:
        self._free = at_once
        self._waiting: dict[asyncio.Future[None], Callable[[], bool]] = {}

    @asynccontextmanager
    async def turn(self, is_urgent: Callable[[], bool]) -> AsyncIterator[None]:
        """Wait for a turn; whether it is urgent is asked whenever one is free, so it may become so."""
        if self._free:
            self._free -= 1
        else:
            await self._wait(is_urgent)
        try:
            yield
        finally:
            self._pass_on()

    async def _wait(self, is_urgent: Callable[[], bool]) -> None:
        mine = asyncio.get_running_loop().create_future()
        self._waiting[mine] = is_urgent
        try:
            await mine
        except asyncio.CancelledError:
            if mine.done() and not mine.cancelled():
                self._pass_on()
            raise
        finally:
            self._waiting.pop(mine, None)

    def _pass_on(self) -> None:
        """The turn goes to somebody who waits (and has not just been cancelled), or is free."""
        waiting = [one for one in self._waiting if not one.done()]
        if not waiting:
            self._free += 1
            return
        urgent = (one for one in waiting if self._waiting[one]())
        following = next(urgent, waiting[0])
        del self._waiting[following]
        following.set_result(None)
