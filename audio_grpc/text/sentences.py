"""Finds the ends of sentences with sentencex (Wikimedia), and corrects its known mistakes.

sentencex never needs all of a text, drops characters from texts over 10 kB, and takes time in the
square of some paragraphs' length; so callers give it a window, and only its offsets are used.
"""

import re
from collections.abc import Iterator

from sentencex import get_sentence_boundaries

from audio_grpc.text.graphemes import content_end, is_boundary, skip_space
from audio_grpc.text.normalize import has_words

_CLOSERS = "”’」』）】》〉〕»›)\\]}"
_PARAGRAPH = re.compile(r"\n[^\S\n]*\n\s*")
_SURROGATE = re.compile("[\ud800-\udfff]")
_BLANK = re.compile(r"[^\S\n]")
_LETTER = re.compile(r"[^\W\d_]")
# A straight quote closes only where nothing else follows; otherwise it may open what comes next.
_CLOSING = re.compile(rf"[{_CLOSERS}\"']*(?=\s|\Z)|[{_CLOSERS}]*")
_HIDING = dict.fromkeys(map(ord, '"“”„‟«»‹›()（）[]「」『』【】《》'), " ")

# Each pair: the text before a boundary (white space included) and after it, where it is none.
_CONTINUATIONS = (
    # ASP.NET, example.Com
    (re.compile(r"\w\.\Z"), re.compile(r"[0-9A-Za-z\u00c0-\u02af\u0370-\u052f]")),
    # Apt. 5
    (
        re.compile(r"(?:\A|[\s(])(?:approx|apt|art|ch|eq|ex|nr|tab|vol)\.\s+\Z", re.IGNORECASE),
        re.compile(r"\d"),
    ),
    # 「行こう。」と彼は言った。
    (re.compile(r"[」』]\s*\Z"), re.compile("と|って|など|を|の")),
)
_TITLES = {"fr": re.compile(r"(?:\A|[\s('’])(?:M|Mme|Mlle)\.\s+\Z")}
# “Quoi !” écria-t-il; well... maybe; т.е. это
_BEFORE_LOWERCASE = re.compile(r"(?:[\"'“«”’」』»)\]]|\.\.|\w\.\w{1,2}\.)\s*\Z")
# — Стой! — сказал он.
_BEFORE_DASH = re.compile(r"[!?…\"“«”»][^\S\n]*\Z")
_DASH = re.compile(r"[—–-]+\s+")
_CONTEXT = 24


def sentence_ends(text: str, language_code: str = "en") -> list[int]:
    """The offset after each sentence of ``text``, white space included; the last is its length.

    ``language_code`` is BCP-47; an unknown one is read as English. Meant for windows of a few
    thousand characters at most. Where in doubt two sentences stay one: a pause too few is heard less
    than a pause inside a name. What has no letters ("1.", "...") is no sentence of its own.
    """
    language = _language(language_code)
    # sentencex fails on surrogates, and on wide white space before a full stop.
    readable = _BLANK.sub(" ", _SURROGATE.sub("\ufffd", text))
    found = get_sentence_boundaries(language, readable)
    contents = (content_end(text, 0, boundary["end_index"]) for boundary in found)
    return _joined(text, {_settled(text, content) for content in contents}, language)


def hidden_sentence_ends(text: str, language_code: str = "en") -> list[int]:
    """Like ``sentence_ends``, but inside quotations and brackets too, which are one sentence there."""
    bare = text.translate(_HIDING)
    contents = (content_end(bare, 0, end) for end in sentence_ends(bare, language_code))
    return _joined(text, {_settled(text, content) for content in contents}, _language(language_code))


def paragraph_ends(text: str, start: int = 0) -> Iterator[int]:
    """The offset after each blank line from ``start`` on, lazily."""
    return (skip_space(text, match.start()) for match in _PARAGRAPH.finditer(text, start))


def _language(code: str) -> str:
    letters = re.match("[A-Za-z]*", code)
    return letters[0].lower() if letters else ""


def _settled(text: str, content: int) -> int:
    """A sentence's end with the closing quotes, brackets and white space that follow its content."""
    closing = _CLOSING.match(text, content)
    return skip_space(text, closing.end() if closing else content)


def _joined(text: str, ends: set[int], language: str) -> list[int]:
    paragraphs = set(paragraph_ends(text))
    kept: list[int] = []
    start = last = 0
    has_letters = False
    for end in sorted(end for end in ends | paragraphs if end < len(text)):
        has_letters = has_letters or _LETTER.search(text, last, end) is not None
        last = end
        if not has_letters or not is_boundary(text, end, start):
            continue
        if end in paragraphs or not _continues(text, end, language):
            kept.append(end)
            start, has_letters = end, False
    if kept and not has_words(text[start:]):
        kept.pop()
    return [*kept, len(text)]


def _continues(text: str, end: int, language: str) -> bool:
    before, after = text[max(0, content_end(text, 0, end) - _CONTEXT) : end], text[end : end + _CONTEXT]
    if after[0].islower() and _BEFORE_LOWERCASE.search(before):
        return True
    dash = _DASH.match(after)
    if dash and after[dash.end() : dash.end() + 1].islower() and _BEFORE_DASH.search(before):
        return True
    if language in _TITLES and _TITLES[language].search(before):
        return True
    return any(left.search(before) and right.match(after) for left, right in _CONTINUATIONS)
