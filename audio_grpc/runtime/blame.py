"""Records the input that a model works on, to tell a model that fails from an input that always fails."""

from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import dataclass

Fingerprint = Callable[[], int]

_input: ContextVar[Fingerprint] = ContextVar("_input")


@dataclass(frozen=True)
class Outcome:
    """The end of a generator: with None if it came to its end, GeneratorExit if it was closed before."""

    error: BaseException | None = None
    input: int | None = None
    """A fingerprint of what the model was at work on; None: not known."""


def working_on(fingerprint: Fingerprint) -> None:
    """Blames this call's later failures on the input of this fingerprint."""
    _input.set(fingerprint)


def outcome(error: BaseException | None) -> Outcome:
    """Returns the outcome of this call."""
    blames = error is not None and not isinstance(error, GeneratorExit)
    fingerprint = _input.get(None) if blames else None
    return Outcome(error, None if fingerprint is None else fingerprint())
