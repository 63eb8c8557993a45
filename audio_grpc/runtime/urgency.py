"""Chooses the call that has its turn first on a model's threads: the one that is due first.

A call is due when it asks, so calls take turns in the order of their asking. One whose listener has sound in
hand is due later: just so early that the next sound is there before he has heard it all. So the first sound
of a new call comes before what nobody needs yet, and a listener who is about to run dry comes before a new
call. What is due stays due, whoever comes later: nobody waits for ever.
"""

import math
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from heapq import heapify, heappop, heappush
from itertools import count
from typing import Any, Generic, TypeVar

T = TypeVar("T")
BACKGROUND_SECONDS = 2.0
"""The seconds by which work is due later that nobody waits for, each time."""


@dataclass(frozen=True)
class Given:
    """The seconds of sound that a step of the model gave to a listener."""

    seconds: float


def given(seconds: float) -> Any:
    """Returns a mark that a generator yields where all sound of a step was handed over, before the next step.

    It is of any type, as no reader gets it.
    """
    return Given(seconds)


def turn_due(now: float, dry_at: float | None = None, step_seconds: float = 0.0) -> float:
    """Returns when a call is due that asks for a turn now.

    ``dry_at`` is when its listener has heard all that he was given; None: nothing yet, or nobody listens. The
    turn has to come two steps earlier: its own, and one that is under way on the thread that it will get.
    """
    return now if dry_at is None else max(now, dry_at - 2 * step_seconds)


class PlaybackBuffer:
    """A listener who plays sound as it comes, of one call or of several, one after the other."""

    def __init__(self) -> None:
        self.dry_at: float | None = None

    def hear(self, seconds: float, now: float) -> None:
        """Adds sound, which he plays after what he has."""
        self.dry_at = max(self.dry_at or now, now) + seconds

    def in_hand(self) -> float:
        """Returns how many seconds of sound he has not heard yet; if he ran dry, since when, below zero."""
        return 0.0 if self.dry_at is None else self.dry_at - time.monotonic()


class Urgency:
    """The time at which a call is due for its next turn.

    With a listener the due time moves with each :class:`Given`, without one with each result. Work in the
    background is due later by ``delay_seconds``.
    """

    def __init__(
        self,
        listener: PlaybackBuffer | None = None,
        delay_seconds: float = 0.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._listener = listener
        self._delay_seconds = delay_seconds
        self._clock = clock
        self._began = now = clock()
        self._spent = 0.0
        self.due = turn_due(now, listener.dry_at if listener else None) + delay_seconds

    def begin_turn(self) -> None:
        """Starts to count the time of a step: it has a thread from now on."""
        self._began = self._clock()

    def count_result(self) -> None:
        """Counts a result that was handed over; it may be the last one of the turn."""
        now = self._spend()
        if self._listener is None:
            self.due = turn_due(now) + self._delay_seconds

    def count_given(self, given: Given) -> float:
        """Counts what a step has given; returns how many seconds it had a thread, in however many turns."""
        now = self._spend()
        step_seconds, self._spent = self._spent, 0.0
        if self._listener is not None:
            self._listener.hear(given.seconds, now)
            self.due = turn_due(now, self._listener.dry_at, step_seconds)
        return step_seconds

    def give_way(self) -> None:
        """Puts it behind those that are due by now."""
        self.due = max(self.due, turn_due(self._spend()) + self._delay_seconds)

    def _spend(self) -> float:
        """Adds the time since it was last looked at; returns what time it is."""
        now = self._clock()
        self._spent += now - self._began
        self._began = now
        return now


class DueQueue(Generic[T]):
    """A queue for the threads of a model, in the order of due times, and of coming."""

    def __init__(self) -> None:
        self._waiting: list[tuple[float, int, T]] = []
        self._numbers = count()
        self._changed = threading.Condition()

    def put(self, item: T, due: float) -> None:
        """Adds one that waits."""
        with self._changed:
            heappush(self._waiting, (due, next(self._numbers), item))
            self._changed.notify()

    def take(self) -> T:
        """Waits for the one that is due first, and takes it."""
        with self._changed:
            while not self._waiting:
                self._changed.wait()
            return heappop(self._waiting)[2]

    def hasten(self, item: T) -> None:
        """Has it come first, if it waits."""
        with self._changed:
            for place, (_, number, waiting) in enumerate(self._waiting):
                if waiting is item:
                    self._waiting[place] = (-math.inf, number, item)
                    heapify(self._waiting)
                    break

    def has_before(self, due: float) -> bool:
        """Tells if something waits that is due earlier."""
        with self._changed:
            return bool(self._waiting) and self._waiting[0][0] < due
