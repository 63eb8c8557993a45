"""Pieces of a text that are found one by one, until somebody wants to know how many there are."""

from collections.abc import Iterable, Iterator

from audio_grpc.giving_way import give_way

_STEP = 50
"""The number of pieces after which other calls have their turn."""


class Pieces(Iterator[str]):
    """The pieces in their order."""

    def __init__(self, pieces: Iterable[str]) -> None:
        self._pieces = iter(pieces)

    def __next__(self) -> str:
        return next(self._pieces)

    def count(self) -> int:
        """Returns the number of pieces that are left; it cuts the whole rest of the text for that."""
        rest = []
        for piece in self._pieces:
            rest.append(piece)
            if len(rest) % _STEP == 0:
                give_way()
        self._pieces = iter(rest)
        return len(rest)
