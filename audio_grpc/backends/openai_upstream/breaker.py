"""Stops requests to a provider after failures in a row, and while it says that it is busy.

https://martinfowler.com/bliki/CircuitBreaker.html
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager


class Breaker:
    """The circuit breaker of one provider. All its calls are on one event loop."""

    def __init__(self, *, failures_to_open: int, open_seconds: float) -> None:
        self._failures_to_open = failures_to_open
        self._open_seconds = open_seconds
        self._failures = 0
        self._open_until = self._busy_until = 0.0
        self._probing = False

    @property
    def is_open(self) -> bool:
        """Tells if it failed lately, and gets no requests for now."""
        tripped = self._failures >= self._failures_to_open
        return tripped and (self._probing or time.monotonic() < self._open_until)

    @property
    def busy_seconds(self) -> float:
        """The seconds for which it is still busy by its own account."""
        return max(0.0, self._busy_until - time.monotonic())

    @contextmanager
    def trying(self) -> Iterator[None]:
        """A call whose outcome is told meanwhile; after failures it is the only one at that moment."""
        probe = self._failures >= self._failures_to_open
        self._probing = probe or self._probing
        try:
            yield
        finally:
            if probe:
                self._probing = False

    def succeed(self) -> None:
        """Records that it has answered."""
        self._failures = 0

    def fail(self) -> None:
        """Records that it has failed."""
        self._failures += 1
        self._open_until = time.monotonic() + self._open_seconds

    def pause(self, seconds: float) -> None:
        """Records that it asked not to be called for so many seconds."""
        self._busy_until = time.monotonic() + seconds
