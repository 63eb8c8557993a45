"""Tells a backend that waits for something outside the process that its caller has left.

A generator is closed between two results. One that waits long for the next, on a network, holds its thread
and its place until then, unless it is woken.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from threading import Lock

Interrupt = Callable[[], object]


class Leaving:
    """Records that the caller of one generator has left, and interrupts the generator's waiting."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._left = False
        self._interrupt: Interrupt | None = None

    def leave(self) -> None:
        """The caller leaves. In any thread."""
        with self._lock:
            self._left = True
            interrupt = self._interrupt
        if interrupt is not None:
            interrupt()

    @contextmanager
    def interrupting(self, interrupt: Interrupt) -> Iterator[None]:
        """Have ``interrupt`` called, in whatever thread, if the caller leaves meanwhile or has left."""
        with self._lock:
            self._interrupt = interrupt
            left = self._left
        try:
            if left:
                interrupt()
            yield
        finally:
            with self._lock:
                self._interrupt = None


_leaving: ContextVar[Leaving] = ContextVar("_leaving")


def notice(leaving: Leaving) -> None:
    """Have the generators that run in this context notice that their caller leaves."""
    _leaving.set(leaving)


@contextmanager
def interrupted_by_leaving(interrupt: Interrupt) -> Iterator[None]:
    """Have ``interrupt`` called if the caller of the generator that runs in this thread leaves meanwhile.

    It is called in another thread, and must not wait. It may come when the waiting is just over.
    """
    leaving = _leaving.get(None)
    if leaving is None:  # nobody called: the model is being loaded, say
        yield
        return
    with leaving.interrupting(interrupt):
        yield
