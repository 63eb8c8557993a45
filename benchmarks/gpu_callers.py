"""Callers that call again and again for a while, and the time that all of it may take."""

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")


class Budget:
    """The seconds that are left."""

    def __init__(self, seconds: float) -> None:
        self._ends = time.perf_counter() + seconds

    @property
    def left(self) -> float:
        return max(0.0, self._ends - time.perf_counter())

    def share(self, part: float) -> "Budget":
        """A part of what is left, from now on."""
        return Budget(self.left * part)


def keep_busy(callers: int, seconds: float, call: Callable[[float], T]) -> tuple[list[T], float]:
    """Results of all calls, and the seconds until the last of them had ended.

    Each caller begins its next call when one has ended, for so many seconds, and at least one. ``call`` is
    told when these are over, as time.perf_counter() has it.
    """
    began = time.perf_counter()
    ends = began + seconds

    def one_after_the_other(_: int) -> list[T]:
        results = [call(ends)]
        while time.perf_counter() < ends:
            results.append(call(ends))
        return results

    with ThreadPoolExecutor(callers) as pool:
        results = [result for each in pool.map(one_after_the_other, range(callers)) for result in each]
    return results, time.perf_counter() - began
