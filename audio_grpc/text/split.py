"""Splitting a text into the pieces that a model speaks one after another."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain

from audio_grpc.errors import InvalidRequest
from audio_grpc.text import graphemes
from audio_grpc.text.breaks import CLAUSE, FIRST_PIECE_SIZE, WORD, cut, first_piece_end
from audio_grpc.text.sentences import hidden_sentence_ends, paragraph_ends, sentence_ends
from audio_grpc.types import Strategy

SMALLEST_TARGET_SIZE = 10
LARGEST_TARGET_SIZE = 1000
DEFAULT_TARGET_SIZES = {
    Strategy.SENTENCE: 200,
    Strategy.PARAGRAPH: 400,
    Strategy.FIXED: 150,
    Strategy.WORD: 100,
}

_WINDOW = 1200
"""Characters of a text that are searched for sentences at a time; at least four of the longest pieces."""
_MARGIN = 64
"""Characters before a window's edge where a sentence's end depends on what follows the edge."""


def split(
    text: str,
    *,
    strategy: Strategy = Strategy.SENTENCE,
    target_size: int | None = None,
    language_code: str = "en",
    max_size: int = 400,
) -> Iterator[str]:
    """The pieces of ``text`` in order, each found when it is asked for; joined, they are ``text``.

    Sizes are in characters (code points). ``target_size`` is 10 to 1000; None is the strategy's
    default. No piece is longer than ``max_size``, whatever the target. White space belongs to the
    piece before it and counts for FIXED only; no piece is nothing but white space, unless all of
    ``text`` is. No piece ends inside a character as readers see it (see ``graphemes``).

    - SENTENCE (200): sentences, short neighbours joined up to the target size. One longer than the
      longest piece is broken after a clause, else a word, else a character.
    - PARAGRAPH (400): the same with paragraphs, which blank lines divide; one longer than the longest
      piece is split into sentences.
    - WORD (100): as many words as fit; in scripts without spaces every character is one.
    - FIXED (150): the target size exactly, or a little less where it would cut a character in two.

    So that sound starts early, the first piece is the first sentence alone, or a clause that begins
    it (``first_piece_end``), except for FIXED. ``language_code`` is BCP-47 and tells which
    abbreviations end no sentence.

    Raises InvalidRequest (``splitting.target_size``) at once when the size is out of range.
    """
    target = DEFAULT_TARGET_SIZES[strategy] if target_size is None else target_size
    require_target_size(target)
    splitter = _Splitter(text, language_code, min(target, max_size), max_size)
    return splitter.pieces(strategy)


def require_target_size(size: int) -> None:
    """Raises InvalidRequest (``splitting.target_size``) for a size that is out of range."""
    if not SMALLEST_TARGET_SIZE <= size <= LARGEST_TARGET_SIZE:
        raise InvalidRequest(
            f"splitting.target_size is {size}; it must be from {SMALLEST_TARGET_SIZE} to "
            f"{LARGEST_TARGET_SIZE} characters.",
            field="splitting.target_size",
        )


@dataclass(frozen=True, slots=True)
class _Splitter:
    """One text and its sizes; every method yields the offsets after its pieces, lazily."""

    text: str
    language_code: str
    target: int
    longest: int

    def pieces(self, strategy: Strategy) -> Iterator[str]:
        start = 0
        for end in self._ends(strategy):
            yield self.text[start:end]
            start = end

    def _ends(self, strategy: Strategy) -> Iterator[int]:
        text = self.text
        start = graphemes.skip_space(text, 0)
        if not text or start == len(text):
            return iter([len(text)] if text else [])
        if strategy is Strategy.FIXED:
            return self._fixed()
        first = first_piece_end(text, start, next(self._sentences(start, len(text))))
        if strategy is Strategy.WORD:
            if self._size(start, first) > self.target:
                first = cut(text, start, min(self.target, FIRST_PIECE_SIZE), self.longest, WORD)
            return chain([first], self._words(first))
        units = (
            self._paragraphs(first) if strategy is Strategy.PARAGRAPH else self._sentences(first, len(text))
        )
        return chain([first], self._joined(first, units))

    def _joined(self, start: int, ends: Iterator[int]) -> Iterator[int]:
        """Yields the ends of neighbours joined as long as they fit into the target size."""
        last = start
        for end in ends:
            if last > start and self._size(start, end) > self.target:
                yield last
                start = last
            last = end
        if last > start:
            yield last

    def _paragraphs(self, start: int) -> Iterator[int]:
        for end in chain(paragraph_ends(self.text, start), [len(self.text)]):
            if self._size(start, end) > self.longest:
                yield from self._sentences(start, end)
            elif end > start:
                yield end
            start = end

    def _sentences(self, start: int, stop: int) -> Iterator[int]:
        window = max(_WINDOW, 4 * self.longest)
        while start < stop:
            edge = min(start + window, stop)
            ends = self._certain_sentence_ends(start, edge, stop)
            for end in ends:
                yield from self._divided(start, end)
                start = end
            if not ends:  # The sentence is longer than the window: begin it, then look further.
                for end in self._divided(start, edge):
                    start = graphemes.skip_space(self.text, end)
                    yield start
                    if edge - start <= self.longest:
                        break

    def _certain_sentence_ends(self, start: int, edge: int, stop: int) -> list[int]:
        text = self.text
        found = [start + end for end in sentence_ends(text[start:edge], self.language_code)]
        if edge < stop:
            found = [end for end in found if self._size(start, end) <= edge - start - _MARGIN]
        return [graphemes.skip_space(text, end) for end in found]

    def _divided(self, start: int, end: int) -> Iterator[int]:
        """A sentence whole, or in parts if it is longer than the longest piece."""
        if self._size(start, end) <= self.longest:
            yield end
            return
        hidden = hidden_sentence_ends(self.text[start:end], self.language_code)
        for part in [start + offset for offset in hidden]:
            while self._size(start, part) > self.longest:
                start = cut(self.text, start, self.target, self.longest, CLAUSE, WORD)
                yield start
            yield part
            start = part

    def _words(self, start: int) -> Iterator[int]:
        stop = graphemes.content_end(self.text, start, len(self.text))
        while stop - start > self.target:
            start = cut(self.text, start, self.target, self.longest, WORD)
            yield start
        if start < len(self.text):
            yield len(self.text)

    def _fixed(self) -> Iterator[int]:
        text, end = self.text, 0
        stop = graphemes.content_end(text, 0, len(text))
        while end < stop:
            start, end = end, graphemes.cut(text, end, self.target)
            if text[start:end].isspace():  # It goes with what follows it.
                end = graphemes.cut(text, graphemes.skip_space(text, start), self.target)
            yield end if end < stop else len(text)

    def _size(self, start: int, end: int) -> int:
        """Characters without the white space at the end."""
        return graphemes.content_end(self.text, start, end) - start
