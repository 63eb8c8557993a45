"""Finds the places to break a sentence that is too long to be spoken in one piece."""

import re
from collections.abc import Iterator
from itertools import islice

from audio_grpc.text import graphemes

FIRST_PIECE_SIZE = 80
"""Characters: a first sentence longer than this is begun with a clause of it."""
_SHORTEST_CLAUSE = 20

_CJK = "\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
_CJK_CLOSING = "、。，．：；！？…」』）】》〉〕”’"
_CJK_OPENING = "「『（【《〈〔“‘"
# Small kana, repetition and length marks belong to the character before them.
_CJK_TRAILING = "ぁぃぅぇぉっゃゅょゎゕゖァィゥェォッャュョヮヵヶー々ゝゞヽヾ・\u3099\u309a"
_UNBROKEN = "\u00a0\u2007\u202f"

# Inside numbers, times and addresses nothing follows the mark, or a digit does.
CLAUSE = re.compile(
    rf"""
    [,;:…،؛][”’»)\]"']*(?=\s|[{_CJK}])
    | [，、；：]+[{_CJK_CLOSING}]*(?!\d)
    | [—⸺]+(?!\d)
    | (?<=\s)[–-]{{1,2}}(?=\s+\D)
    """,
    re.VERBOSE,
)
"""The end of a clause, punctuation included."""

WORD = re.compile(
    rf"(?<=\S)(?=[{_UNBROKEN}]*[^\S{_UNBROKEN}])"
    rf"|(?<=[{_CJK}{_CJK_CLOSING}])(?=[{_CJK}{_CJK_OPENING}])(?![{_CJK_TRAILING}])"
)
"""The end of a word; every character of scripts without spaces is one."""

_PAIRS = ('"“”„‟', "«»", "()（）", "[]", "「」", "『』")


def cut(text: str, start: int, target: int, longest: int, *kinds: re.Pattern[str]) -> int:
    """The end of a piece of ``text`` from ``start``, where more than ``target`` characters follow.

    Of the first of ``kinds`` that occurs at all: the last break that makes a piece of at most
    ``target`` characters, else the next one up to ``longest``. Where none occurs, the piece is cut
    between two characters. White space belongs to the piece before it and is not counted.
    """
    for kind in kinds:
        fitting = list(_breaks(kind, text, start, target))
        found = fitting[-1:] or [*islice(_breaks(kind, text, start, longest), 1)]
        if found:
            return graphemes.skip_space(text, found[0])
    return graphemes.skip_space(text, graphemes.cut(text, start, longest))


def first_piece_end(text: str, start: int, end: int) -> int:
    """The end of the piece that sounds first: the sentence ``text[start:end]``, or a clause that begins it.

    A clause ends after 20 to 80 characters, and inside no quotation or bracket; a sentence without
    such a clause stays whole.
    """
    if graphemes.content_end(text, start, end) - start <= FIRST_PIECE_SIZE:
        return end
    clauses = list(clause_ends(text, start))
    return graphemes.skip_space(text, clauses[-1]) if clauses else end


def clause_ends(text: str, start: int) -> Iterator[int]:
    """Yields the ends of clauses of 20 to 80 characters, each a possible first piece from ``start``."""
    for clause in _breaks(CLAUSE, text, start, FIRST_PIECE_SIZE):
        if _is_balanced(text[start:clause]):
            yield clause


def _breaks(kind: re.Pattern[str], text: str, start: int, size: int) -> Iterator[int]:
    least = _SHORTEST_CLAUSE if kind is CLAUSE else 1
    # Two characters more, because the patterns look ahead.
    for match in kind.finditer(text, start + 1, start + size + 2):
        if least <= match.end() - start <= size and graphemes.is_boundary(text, match.end(), start):
            yield match.end()


def _is_balanced(text: str) -> bool:
    return all(sum(map(text.count, pair)) % 2 == 0 for pair in _PAIRS)
