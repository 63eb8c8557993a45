"""Uploads that are arriving, and hold memory for which others wait."""

import asyncio
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

SLOW_SECONDS = 15.0
"""An upload that takes longer gives way to those who wait."""


@dataclass(eq=False)
class ArrivingUpload:
    """An upload that is arriving. ``limit`` is around its arrival, and ends it."""

    limit: asyncio.Timeout
    since: float = field(default_factory=time.monotonic)
    gave_way: bool = False


class Arriving:
    """The uploads that arrive for one pool. While others wait, the slowest ends if it has taken too long."""

    def __init__(self, is_waited_for: Callable[[], bool]) -> None:
        self._is_waited_for = is_waited_for
        self._uploads: dict[ArrivingUpload, None] = {}
        self._timer: asyncio.TimerHandle | None = None

    @contextmanager
    def among(self, upload: ArrivingUpload) -> Iterator[None]:
        """Counts the upload among them until it has arrived."""
        self._uploads[upload] = None
        self.review()
        try:
            yield
        finally:
            self._uploads.pop(upload, None)
            self.review()

    def review(self) -> None:
        """Schedules the end of the slowest upload; called when uploads or those who wait have changed."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._uploads and self._is_waited_for():
            slowest = next(iter(self._uploads))
            left = slowest.since + SLOW_SECONDS - time.monotonic()
            self._timer = asyncio.get_running_loop().call_later(left, self._end, slowest)

    def _end(self, slowest: ArrivingUpload) -> None:
        self._timer = None
        self._uploads.pop(slowest, None)
        if not slowest.limit.expired():
            slowest.gave_way = True
            slowest.limit.reschedule(asyncio.get_running_loop().time())
