"""Splitting a text that is still being written into pieces that can be spoken already."""

import re
from collections.abc import Iterator

from audio_grpc.text import graphemes
from audio_grpc.text.breaks import CLAUSE, WORD, clause_ends, cut
from audio_grpc.text.normalize import has_words
from audio_grpc.text.sentences import sentence_ends

_TERMINALS = ".!?…։؟۔।॥၊။‼⁇⁈⁉。！．？｡"
"""The sentence terminals of Unicode (UAX #29) in scripts that are in use."""
_CLOSERS = "”’」』）】》〉〕»›)\\]}\"'"
_POSSIBLE_END = re.compile(rf"[{_TERMINALS}]+[{_CLOSERS}]*|\n[^\S\n]*\n")
_ENDED = re.compile(rf"[{_TERMINALS}][{_CLOSERS}]*\s*\Z")
_WORD_WITH_SPACE = re.compile(r"\S+(?=\s)")
_CONTEXT = 24
"""Characters after a possible end that at most are needed to know whether it is one."""
_MARGIN = graphemes.LONGEST + 2
"""Characters after the target size that are needed to cut there."""


class IncrementalSplitter:
    """Takes a text as it comes, and gives the pieces of it that no further text could change.

    Joined, the pieces are the text, and they are the same however the text was cut into what is fed, as
    long as nothing is settled. A piece is a sentence; one that is longer than ``target_size`` characters is
    broken after a clause, else a word, else a character. So that sound starts early, the first piece, and
    the first after a flush, may be a clause of at least 20 characters. White space belongs to the piece
    before it. ``language_code`` is BCP-47 and tells which abbreviations end no sentence.

    A sentence is known to have ended once the word after it is complete: "Dr." ends none.
    """

    def __init__(self, *, language_code: str = "en", target_size: int = 200) -> None:
        self._language_code = language_code
        self._target = target_size
        self._text = ""
        self._complete = 0
        """The number of characters that no further text can change."""
        self._is_first = True
        self._scanned = 0
        """The place before which no possible end is one."""

    @property
    def has_text(self) -> bool:
        """Tells if there is text to speak that has not been given yet."""
        return has_words(self._text)

    def feed(self, text: str) -> None:
        """The text goes on with this."""
        self._text += text

    def flush(self) -> None:
        """The text so far is complete: all of it is given before more is fed."""
        self._complete = len(self._text)
        self._is_first = self._is_first or not self._text

    def settle(self) -> None:
        """Lets the text so far be given up to the last end of a sentence or clause, else of a word.

        Called when no text has come for a while.
        """
        self._complete = max((end for end in self._safe_ends() if has_words(self._text[:end])), default=0)

    def next(self) -> str | None:
        """Returns the next piece; None until more text comes."""
        end = self._piece_end()
        if end is None:
            return None
        piece, self._text = self._text[:end], self._text[end:]
        self._scanned = 0
        self._is_first = self._complete == end  # after a flush, sound has to start early again
        self._complete = max(0, self._complete - end)
        return piece

    def _piece_end(self) -> int | None:
        text = self._text[: self._complete] if self._complete else self._text
        start = graphemes.skip_space(text, 0)
        if start == len(text):
            return self._complete or None
        clause = next(clause_ends(text, start), len(text)) if self._is_first else len(text)
        for content in self._possible_ends(text, start, clause):
            end = graphemes.skip_space(text, content)
            context = self._context_end(text, end)
            if context is None:
                return None
            if end - start in sentence_ends(text[start:context], self._language_code):
                return end
            self._scanned = content
        if clause < len(text) and self._size(text, start, clause) <= self._target:
            return self._unless_open(text, graphemes.skip_space(text, clause))
        return self._long_piece_end(text, start)

    def _possible_ends(self, text: str, start: int, stop: int) -> Iterator[int]:
        """Yields the places where sentences may end, before ``stop`` and inside the target size."""
        for match in _POSSIBLE_END.finditer(text, max(start, self._scanned)):
            if match.end() > stop or self._size(text, start, match.end()) > self._target:
                break
            yield match.end()

    def _context_end(self, text: str, end: int) -> int | None:
        """The end of what decides whether a sentence has ended; None if that is not there yet."""
        for word in _WORD_WITH_SPACE.finditer(text, end, end + _CONTEXT):
            if has_words(word[0]):
                return word.end()
        if self._complete or len(text) >= end + _CONTEXT:
            return min(len(text), end + _CONTEXT)
        return None

    def _long_piece_end(self, text: str, start: int) -> int | None:
        """The end of a part of a sentence that is too long for one piece."""
        size = self._size(text, start, len(text))
        if self._complete and size <= self._target:
            return len(text)
        if not self._complete and size < self._target + _MARGIN:
            return None
        return self._unless_open(text, cut(text, start, self._target, self._target, CLAUSE, WORD))

    def _unless_open(self, text: str, end: int) -> int | None:
        """``end``, unless white space that belongs to the piece could still follow."""
        return end if self._complete or end < len(text) else None

    def _safe_ends(self) -> list[int]:
        """Returns the possible ends if no text follows: those of sentences and clauses, else of words."""
        text = self._text
        start = graphemes.skip_space(text, 0)
        ends = [start + end for end in sentence_ends(text[start:], self._language_code)[:-1]]
        ends += [match.end() for match in CLAUSE.finditer(text + " ") if match.end() <= len(text)]
        ends += [len(text)] if _ENDED.search(text) else []
        ends = ends or [match.end() for match in WORD.finditer(text)]
        return [graphemes.skip_space(text, end) for end in ends if graphemes.is_boundary(text, end)]

    @staticmethod
    def _size(text: str, start: int, end: int) -> int:
        """Characters without the white space at the end."""
        return graphemes.content_end(text, start, end) - start
