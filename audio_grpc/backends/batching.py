"""Joining what different calls want of a model at the same moment into one batch.

Callers are threads, and one of those that wait runs the batch for all of its members, so there is no
thread to start, to stop or to leave behind.
"""

import threading
import time
from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Generic, TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


@dataclass(eq=False)
class _Entry(Generic[Item, Result]):
    """An item of one caller, and its place for the results."""

    key: Hashable
    item: Item
    size: int
    since: float = field(default_factory=time.monotonic)
    results: list[Result] = field(default_factory=list)
    error: BaseException | None = None
    is_done: bool = False


class Batcher(Generic[Item, Result]):
    """Runs items of equal ``key`` together.

    ``run`` takes a key and items, and returns a result for each. A batch starts when a worker is free (at
    most ``workers`` batches run at the same time) and it is full, or nobody who takes part could still add
    to it, or its first member has waited for ``wait_seconds``.
    """

    def __init__(
        self,
        run: Callable[[Hashable, list[Item]], list[Result]],
        *,
        size: int,
        wait_seconds: float,
        workers: int = 1,
    ) -> None:
        self._run = run
        self._size = size
        self._wait_seconds = wait_seconds
        self._workers = workers
        # The condition guards what follows, and tells that any of it changed.
        self._changed = threading.Condition()
        self._waiting: list[_Entry[Item, Result]] = []
        self._busy = 0
        """Threads that take part and neither wait nor are in a batch: they may come soon."""
        self._running = 0

    @contextmanager
    def taking_part(self) -> Iterator[None]:
        """Marks a thread that may submit items; while it is in here, others wait a moment for them."""
        with self._changed:
            self._busy += 1
        try:
            yield
        finally:
            with self._changed:
                self._busy -= 1
                self._changed.notify_all()

    def submit(self, key: Hashable, item: Item, size: int = 1) -> Result:
        """The result for ``item``, which counts as ``size`` items; to be called by threads that take part.

        Raises what ``run`` raises for the item alone: members of a batch do not suffer for each other.
        """
        entry: _Entry[Item, Result] = _Entry(key, item, size)
        with self._changed:
            self._busy -= 1
            self._waiting.append(entry)
            self._changed.notify_all()
            while not entry.is_done:
                batch = self._due()
                if entry in batch:
                    self._lead(batch)
                else:
                    self._changed.wait(self._patience() if not batch else None)
        if entry.error is not None:
            raise entry.error
        return entry.results[0]

    def _due(self) -> list[_Entry[Item, Result]]:
        """The batch that is to start now, which is the one with the oldest member; none if none is."""
        if self._running >= self._workers:
            return []
        overdue = time.monotonic() - self._wait_seconds
        for first in self._waiting:
            batch, is_full = self._joined(first)
            if batch[0] is first and (is_full or not self._busy or first.since <= overdue):
                return batch
        return []

    def _joined(self, first: _Entry[Item, Result]) -> tuple[list[_Entry[Item, Result]], bool]:
        """Returns entries with the key of ``first``, as many as fit, and if the batch is full."""
        batch: list[_Entry[Item, Result]] = []
        count = 0
        for entry in self._waiting:
            if entry.key == first.key:
                if batch and count + entry.size > self._size:
                    return batch, True
                batch.append(entry)
                count += entry.size
        return batch, count >= self._size

    def _patience(self) -> float | None:
        """Returns the seconds that the first entry may still wait; None to wait until something changes."""
        if self._running >= self._workers or not self._waiting:
            return None
        return max(self._waiting[0].since + self._wait_seconds - time.monotonic(), 0.0)

    def _lead(self, batch: list[_Entry[Item, Result]]) -> None:
        """Run the batch for all of its members, without holding the lock."""
        self._waiting = [entry for entry in self._waiting if entry not in batch]
        self._running += 1
        self._changed.notify_all()
        self._changed.release()
        try:
            self._fulfil(batch)
        finally:
            self._changed.acquire()
            self._running -= 1
            # They are busy from now on, not from when they wake up: what they submit next may be joined.
            self._busy += len(batch)
            for entry in batch:
                entry.is_done = True
            self._changed.notify_all()

    def _fulfil(self, batch: list[_Entry[Item, Result]]) -> None:
        try:
            results = self._run(batch[0].key, [entry.item for entry in batch])
            for entry, result in zip(batch, results, strict=True):
                entry.results = [result]
        except BaseException as error:  # whatever it is, each member gets its own
            if len(batch) == 1:
                batch[0].error = error
            else:
                for entry in batch:
                    self._fulfil([entry])
