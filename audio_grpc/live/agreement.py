"""Finds the certain words of successive hypotheses: LocalAgreement-2.

Words that two hypotheses in succession agree on are stable, and are never taken back: "Low-Latency
Sequence-to-Sequence Speech Recognition and Translation by Partial Hypothesis Selection", Liu et al. 2020,
https://arxiv.org/abs/2005.11185; for Whisper https://arxiv.org/abs/2307.14743.
"""

import re
from collections.abc import Sequence
from itertools import pairwise, takewhile

from audio_grpc.types import Segment, Word

_UNSPACED = "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u2e80-\u9fff\uf900-\ufaff\uff66-\uff9f"
"""Letters of languages that put no spaces between words: each counts as one."""
_WORD = re.compile(rf"\s*(?:[{_UNSPACED}]|[^\s{_UNSPACED}]+)")
_PUNCTUATION = re.compile(r"[\W_]+")


def split_words(text: str) -> list[str]:
    """The words of a text with their leading spaces: together, the text without trailing spaces."""
    return _WORD.findall(text)


class Agreement:
    """The part of an utterance's transcript that two hypotheses in a row agree on."""

    def __init__(self) -> None:
        self.stable: tuple[str, ...] = ()
        self._tail: list[str] = []

    def hear(self, text: str) -> tuple[str, str]:
        """The next hypothesis for the whole utterance so far: its stable text, and the rest of it.

        The last word of a hypothesis is never stable, as it may be half a word or the end of no sentence.
        """
        words = split_words(text)
        tail = words[continuation(self.stable, words) :]
        agreed = [
            a for a, _ in takewhile(lambda pair: pair[0] == pair[1], zip(tail[:-1], self._tail, strict=False))
        ]
        self.stable += tuple(agreed)
        self._tail = tail[len(agreed) :]
        return "".join(self.stable), "".join(self._tail)


def continuation(stable: Sequence[str], words: Sequence[str]) -> int:
    """Returns the number of ``words`` from the first on whose edit distance from ``stable`` is smallest."""
    if tuple(words[: len(stable)]) == tuple(stable):
        return len(stable)
    said = [_plain(word) for word in words]
    costs = list(range(len(said) + 1))
    for word in map(_plain, stable):
        row = [costs[0] + 1]
        for place, (diagonal, above) in enumerate(pairwise(costs)):
            row.append(min(diagonal + (word != said[place]), above + 1, row[-1] + 1))
        costs = row
    last = _plain(stable[-1])

    def badness(count: int) -> tuple[int, bool, int]:
        """Returns the cost of so many words; equal costs are ranked by the last word, then by the length."""
        return costs[count], not count or said[count - 1] != last, abs(count - len(stable))

    return min(range(len(costs)), key=badness)


def settled(stable: Sequence[str], words: Sequence[Word]) -> tuple[Word, ...]:
    """The final words of an utterance, beginning with what was called stable before."""
    text = "".join(word.text for word in words)
    if not stable or text == "".join(stable) or _starts_with(words, "".join(stable)):
        return tuple(words)
    whole = _regrouped(words)
    count = continuation(stable, [word.text for word in whole])
    return (*_timed(stable, whole, count), *whole[count:])


def evenly_timed(segment: Segment) -> list[Word]:
    """The words of a segment, for a model that does not say when each was spoken."""
    texts = split_words(segment.text)
    step = (segment.end - segment.start) / max(len(texts), 1)
    return [
        Word(text, segment.start + place * step, segment.start + (place + 1) * step, 1.0)
        for place, text in enumerate(texts)
    ]


def _starts_with(words: Sequence[Word], text: str) -> bool:
    """Tells if ``text`` is made of whole words, from the first on."""
    said = ""
    for word in words:
        said += word.text
        if len(said) >= len(text):
            break
    return said == text


def _regrouped(words: Sequence[Word]) -> list[Word]:
    """Cuts the text into words as :func:`split_words` does; the words of models may be others."""
    owners = [word for word in words for _ in word.text]
    regrouped, place = [], 0
    for text in split_words("".join(word.text for word in words)):
        parts = owners[place : place + len(text)]
        probability = min(part.probability for part in parts)
        regrouped.append(Word(text, parts[0].start, parts[-1].end, probability))
        place += len(text)
    return regrouped


def _timed(stable: Sequence[str], whole: Sequence[Word], count: int) -> list[Word]:
    """Stable words, with the times of the first ``count`` words that were heard in their place."""
    heard = whole[:count]
    if len(heard) == len(stable):
        return [
            Word(text, word.start, word.end, word.probability)
            for text, word in zip(stable, heard, strict=True)
        ]
    start = whole[0].start if whole else 0.0
    end = heard[-1].end if heard else start
    probability = min((word.probability for word in heard), default=0.0)
    step = (end - start) / len(stable)
    return [
        Word(text, start + place * step, min(start + (place + 1) * step, end), probability)
        for place, text in enumerate(stable)
    ]


def _plain(word: str) -> str:
    """Returns the word without case and punctuation, unless there is nothing else."""
    return _PUNCTUATION.sub("", word).casefold() or word.strip()
