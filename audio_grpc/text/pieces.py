"""Pieces of a text that are found one by one, until somebody wants to know how many there are."""

from collections.abc import Iterable, Iterator


class Pieces(Iterator[str]):
    """The pieces in their order."""

    def __init__(self, pieces: Iterable[str]) -> None:
        self._pieces = iter(pieces)

    def __next__(self) -> str:
        return next(self._pieces)

    def count(self) -> int:
        """How many are left; finds them all."""
        rest = list(self._pieces)
        self._pieces = iter(rest)
        return len(rest)
