"""Chooses where Kokoro may stop within a sentence, so that sound comes early and goes on in time.

Pure functions of phonemes. A sentence is spoken in pieces only where somebody waits for its sound: the first
piece is short, and each one lasts until the next is made.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

from audio_grpc.backends.english import Phonemize

FIRST_SECONDS = 0.35
"""After so long a listener who has no sound is to hear some, if the sentence has a place to stop."""
PATIENCE = 3
"""A first piece may take so many times as long, rather than end where nobody would stop."""
IN_TIME_SHARE = 0.7
"""The next piece is planned to take this part of the time that the listener has sound for."""
SHORTEST_CLAUSE, SHORTEST_PHRASE = 5, 12
"""Phonemes of a piece that ends with a clause, and of another one."""
PHONEME_SECONDS = 0.045
"""Measured: the sound of a phoneme, where marks of stress and spaces count as well."""
EDGE_PHONEMES = 9
"""Measured: the silence around a sentence takes as long as so many."""

# Before other words, such as prepositions, people do not stop: heard again, words were lost there.
CONJUNCTIONS = (
    *("and", "but", "or", "nor", "because", "although", "though", "unless", "until", "while", "whereas"),
    *("if", "when", "where", "which", "who", "whether"),
)
_STRESS = str.maketrans("", "", "ˈˌ")
_CLAUSE_END = re.compile(r"[,;:—–…][”\")]? ")
_WORD = re.compile(r"\S+")


@dataclass(frozen=True)
class Pace:
    """The speed at which sound is made, and the one at which it is spoken."""

    factor: float
    """Seconds of work for a second of sound."""
    speed: float = 1.0
    """Of the voice; 1 is its own."""

    def phonemes(self, seconds: float) -> int:
        """Returns how many phonemes are made into sound in so many seconds of work, at most."""
        return int(seconds / self.factor * self.speed / PHONEME_SECONDS) - EDGE_PHONEMES


def conjunctions(phonemize: Phonemize) -> frozenset[str]:
    """Returns how conjunctions are said, without marks of stress."""
    return frozenset("".join(phonemize(word)).translate(_STRESS) for word in CONJUNCTIONS)


def piece_end(phonemes: str, in_hand: float, pace: Pace, joining: frozenset[str]) -> int:
    """Returns after how many ``phonemes`` of a sentence, or of what is left of one, its next piece ends.

    ``in_hand`` are the seconds of sound that the listener has not heard yet: 0 before the first, less if he
    has run dry. A sentence that can be made in that time stays whole, and so does one that has no place to
    stop. So do all once somebody has run dry, or if sound is made too slowly to be ahead of anybody: pieces
    take more work in all.
    """
    if in_hand < 0 or pace.factor >= IN_TIME_SHARE:
        return len(phonemes)
    seconds = IN_TIME_SHARE * in_hand if in_hand > 0 else FIRST_SECONDS
    fitting = pace.phonemes(seconds)
    if len(phonemes) <= fitting:
        return len(phonemes)
    stops = [stop for stop in _stops(phonemes, joining) if stop.end <= len(phonemes) - SHORTEST_CLAUSE]
    if early := [stop for stop in stops if stop.end <= fitting]:
        return max(early, key=lambda stop: stop.end * (1 + stop.is_clause)).end
    most = len(phonemes) if in_hand > 0 else pace.phonemes(PATIENCE * seconds)
    return next((stop.end for stop in stops if stop.end <= most), len(phonemes))


class _Stop(NamedTuple):
    end: int
    is_clause: bool
    """True where there is a mark; such a stop is taken before one that is up to twice as late."""


def _stops(phonemes: str, joining: frozenset[str]) -> Iterator[_Stop]:
    clauses = {match.end() for match in _CLAUSE_END.finditer(phonemes)}
    follows_joining = True
    for word in _WORD.finditer(phonemes):
        end, is_joining = word.start(), word.group().translate(_STRESS) in joining
        if end in clauses and end >= SHORTEST_CLAUSE:
            yield _Stop(end, is_clause=True)
        elif is_joining and not follows_joining and end >= SHORTEST_PHRASE:
            yield _Stop(end, is_clause=False)
        follows_joining = is_joining
