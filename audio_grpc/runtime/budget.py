"""The memory that recordings and the work on them may take: what is free beside the models and all else.

A recording is in memory more than once while it arrives: as it comes from the network, as a message, and as
the bytes of its sound. Nobody knows how large it is before it has come, so it is counted as the largest until
then. A call waits before any of it is read, so whoever waits takes nothing. Callers take turns, and a
recording that comes slowly gives way to those who wait for its memory.
"""

import asyncio
import logging
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from contextvars import ContextVar

from audio_grpc.errors import MemoryShort, StreamIdle
from audio_grpc.runtime.arriving import Arriving, ArrivingUpload

COPIES = 3
"""The copies of a recording that its arrival takes."""
HEADROOM_BYTES = 352 << 20
"""The bytes for all else meanwhile: small calls, speech, the gateway, and what passes through Envoy."""
MOST_WAITING = 64
MOST_WAITING_OF_ONE = 32
"""Calls of a caller who has a key."""
LONGEST_WAIT_SECONDS = 240.0
RETRY_SECONDS = 5.0

taker: ContextVar[str] = ContextVar("taker", default="")
"""The id of the key whose call it is; empty without one."""

log = logging.getLogger(__name__)


class Share:
    """The part of the memory that one call has."""

    def __init__(self, pool: "Pool", size: int) -> None:
        self.size = size
        self._pool = pool

    def shrink(self, size: int) -> None:
        """Gives back the bytes beyond ``size``."""
        if size < self.size:
            self._pool.give_back(self.size - size)
            self.size = size

    @asynccontextmanager
    async def arriving(self, longest_seconds: float | None) -> AsyncIterator[None]:
        """The time in which the recording comes. Raises StreamIdle if it takes too long.

        Raises MemoryShort if it comes slowly while others wait.
        """
        limit = asyncio.timeout(longest_seconds)
        upload = ArrivingUpload(limit)
        try:
            async with limit:
                with self._pool.arriving.among(upload):
                    yield
        except TimeoutError:
            if upload.gave_way:
                raise _short("others wait, and the recording came slowly") from None
            if not limit.expired():
                raise
            raise StreamIdle(
                f"the recording has not come within {longest_seconds:g} s; send it compressed (Opus, FLAC, "
                "MP3), or by TranscribeUpload"
            ) from None


class Pool:
    """One kind of shares of a budget: callers take turns, and each has its calls served as they came.

    The only share is always given.
    """

    def __init__(self, budget: "Budget", spare: Callable[[], int]) -> None:
        self.taken = 0
        self._budget = budget
        self._spare = spare
        self._waiting: dict[str, deque[tuple[int, asyncio.Future[None]]]] = {}
        """Waiting shares by caller, in the order in which they have their turns."""
        self.arriving = Arriving(is_waited_for=lambda: bool(self._waiting))

    @asynccontextmanager
    async def share(self, size: int, longest_wait_seconds: float | None = None) -> AsyncIterator[Share]:
        """Takes bytes once they are free; 0 at once. Raises MemoryShort if too many wait, or for too long."""
        if not size:
            yield Share(self, 0)
            return
        await self._take(size, longest_wait_seconds)
        share = Share(self, size)
        try:
            yield share
        finally:
            self.give_back(share.size)

    def upload(self, most: int) -> AbstractAsyncContextManager[Share]:
        """Takes as much as a recording of at most so many bytes needs while it arrives. MemoryShort."""
        return self.share(COPIES * most, LONGEST_WAIT_SECONDS)

    def give_back(self, size: int) -> None:
        """Gives so many bytes back."""
        self.taken -= size
        self._budget.changed()

    def serve(self) -> None:
        """Gives free bytes to those who wait."""
        while self._waiting:
            caller, calls = next(iter(self._waiting.items()))
            size, granted = calls[0]
            if not granted.done():
                if not self._fits(size):
                    break
                self.taken += size
                granted.set_result(None)
            calls.popleft()
            del self._waiting[caller]
            if calls:
                self._waiting[caller] = calls
        self.arriving.review()

    async def _take(self, size: int, longest_wait_seconds: float | None) -> None:
        if not self._waiting and self._fits(size):
            self.taken += size
            return
        caller = taker.get()
        self._require_place(caller, longest_wait_seconds)
        call = (size, asyncio.get_running_loop().create_future())
        self._waiting.setdefault(caller, deque()).append(call)
        self.arriving.review()
        try:
            async with asyncio.timeout(longest_wait_seconds):
                await call[1]
        except BaseException as error:
            if call[1].done() and not call[1].cancelled():
                self.give_back(size)
            else:
                self._forget(caller, call)
            if isinstance(error, TimeoutError):
                raise _short(f"no memory became free in {longest_wait_seconds:g} seconds") from None
            raise

    def _require_place(self, caller: str, longest_wait_seconds: float | None) -> None:
        """Raises MemoryShort for a call that is not to wait, and if too many wait already."""
        if longest_wait_seconds == 0:
            raise _short("no memory is free")
        if sum(map(len, self._waiting.values())) >= MOST_WAITING or (
            caller and len(self._waiting.get(caller, ())) >= MOST_WAITING_OF_ONE
        ):
            raise _short("too many calls wait for memory")

    def _forget(self, caller: str, call: tuple[int, asyncio.Future[None]]) -> None:
        """Have a call wait no more."""
        calls = self._waiting.get(caller, deque())
        if call in calls:
            calls.remove(call)
        if not calls:
            self._waiting.pop(caller, None)
        self._budget.changed()

    def _fits(self, size: int) -> bool:
        return self._budget.has(size + self._spare()) or not self.taken


class Budget:
    """Shares for uploads, and for the work on what was uploaded.

    ``free`` tells how much memory can be had now; None if nobody knows. What that is while no share is taken
    is what all of them may have, as it takes a while until one that is given can be seen there; less what
    models take that are loaded since then.
    """

    def __init__(self, free: Callable[[], int | None], largest_work: Callable[[], int] = lambda: 0) -> None:
        self._free = free
        self._capacity = 0
        # Uploads leave room for the work on one of them, or none could go on.
        self.uploads = Pool(self, spare=lambda: max(largest_work() - self.work.taken, 0))
        self.work = Pool(self, spare=lambda: 0)

    def has(self, size: int) -> bool:
        """Tells if so much is left."""
        taken = self.uploads.taken + self.work.taken
        if (free := self._free()) is None:
            return True
        free -= HEADROOM_BYTES
        if not taken:
            self._capacity = free
        # What others have taken since then counts, too.
        return taken + size <= self._capacity and size <= free

    def lessen(self, size: int) -> None:
        """Lowers the budget by the bytes that a model has taken."""
        self._capacity -= size

    def changed(self) -> None:
        """Serves those who wait, once a share was given back."""
        self.work.serve()
        self.uploads.serve()


def _short(why: str) -> MemoryShort:
    return MemoryShort(
        f"{why}, as the recordings in hand take what the server has; retry later, or give it more memory",
        retry_after_seconds=RETRY_SECONDS,
    )
