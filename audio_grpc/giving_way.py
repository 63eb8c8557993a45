"""Lets other calls have their turn during long work on a model's thread, before it has a result.

A call's turn ends with each result. What works on without one (decodes, listens to silence, counts) calls
:func:`give_way` between steps of bounded work: about a second of computing at most.
"""

from collections.abc import Callable
from contextvars import ContextVar

_give_way: ContextVar[Callable[[], None]] = ContextVar("_give_way")


def give_way() -> None:
    """Wait until the calls that are waiting for the thread had their turn; does nothing outside a call.

    GeneratorExit if the caller has left.
    """
    if (let_others := _give_way.get(None)) is not None:
        let_others()


def on_give_way(let_others: Callable[[], None]) -> None:
    """Have ``let_others`` called by the work that is done in this context."""
    _give_way.set(let_others)
