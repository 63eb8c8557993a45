"""The progress of a model's loading: from the backend, if it can tell, to those who wait."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

Report = Callable[[float, str], None]

_report: ContextVar[Report] = ContextVar("_report")


def report_progress(done: float, step: str) -> None:
    """Say in ``load`` how much of it is done, 0 to 1, and what comes now ("verifying").

    In the thread that ``load`` was called in; nothing happens if nobody listens.
    """
    if report := _report.get(None):
        report(done, step)


@contextmanager
def listening(report: Report) -> Iterator[None]:
    """Have ``report`` called, in whatever thread, for the progress of what is loaded in this context."""
    token = _report.set(report)
    try:
        yield
    finally:
        _report.reset(token)
