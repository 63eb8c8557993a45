"""Finds the places to cut text between characters as readers see them (grapheme clusters)."""

import re
import unicodedata

LONGEST = 32
"""A cluster of more code points than this is an attack, not a character, and may be cut."""

_SPACE = re.compile(r"\s*")
_ZERO_WIDTH_JOINER = "\u200d"
_VIRAMA = 9  # the canonical combining class that binds two Indic consonants
# Characters that continue a cluster without being marks: joiners, emoji skin tones and tags,
# halfwidth kana voicing, and the vowels and finals of Hangul.
_EXTENDER = re.compile(
    "[\u200c\u200d\U0001f3fb-\U0001f3ff\U000e0020-\U000e007f\uff9e\uff9f\u1160-\u11ff\ud7b0-\ud7fb]"
)


def is_boundary(text: str, index: int, start: int = 0) -> bool:
    """Tells if a cluster ends before ``text[index]``; one does end before ``text[start]``.

    A short form of Unicode's rules (UAX #29, extended clusters) that needs no tables beyond the
    standard library's: it keeps together marks, joined emoji, skin tones, flags, Hangul, Indic
    conjuncts, line ends and surrogate pairs, and it joins a little more than the standard does.
    """
    if not 0 < index < len(text):
        return True
    before, after = text[index - 1], text[index]
    if before in "\r\n" or after.isspace():
        return before + after != "\r\n"
    if before < "\u0300" and after < "\u0300":
        return True
    if _EXTENDER.match(after) or unicodedata.category(after)[0] == "M":
        return False
    if before == _ZERO_WIDTH_JOINER or unicodedata.combining(before) == _VIRAMA:
        return False
    if _is_flag_letter(before) and _is_flag_letter(after):
        return _flag_letters(text, start, index) % 2 == 0
    return not (_is_high_surrogate(before) and _is_low_surrogate(after))


def cut(text: str, start: int, size: int) -> int:
    """The last cluster end in ``text[start : start + size]``; at least one cluster is kept whole.

    The result is more than ``size`` away only where the first cluster is longer than that, and then
    at most ``LONGEST``.
    """
    end = start + size
    if end >= len(text):
        return len(text)
    for index in range(end, max(start, end - LONGEST), -1):
        if is_boundary(text, index, start):
            return index
    for index in range(end + 1, start + LONGEST):
        if is_boundary(text, index, start):
            return index
    return max(end, min(start + LONGEST, len(text)))


def skip_space(text: str, index: int) -> int:
    """The end of the white space around ``index``."""
    match = _SPACE.match(text, index)
    end = match.end() if match else index
    # A mark that stands on a space keeps it.
    return end - 1 if text[end - 1 : end].isspace() and not is_boundary(text, end) else end


def content_end(text: str, start: int, end: int) -> int:
    """The end of ``text[start:end]`` without its trailing white space."""
    return start + len(text[start:end].rstrip())


def _flag_letters(text: str, start: int, end: int) -> int:
    index = end
    while index > start and _is_flag_letter(text[index - 1]):
        index -= 1
    return end - index


def _is_flag_letter(character: str) -> bool:
    return "\U0001f1e6" <= character <= "\U0001f1ff"


def _is_high_surrogate(character: str) -> bool:
    return "\ud800" <= character <= "\udbff"


def _is_low_surrogate(character: str) -> bool:
    return "\udc00" <= character <= "\udfff"
