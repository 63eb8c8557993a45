"""The times of what Whisper has found: words are where somebody speaks, segments end at pauses.

Beside a pause, the alignment of words stretches them into it, and Whisper's own times of segments may be off
by all of it.
"""

from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import accumulate, pairwise
from typing import Any

from audio_grpc.backends.whisper_speech import Source
from audio_grpc.text.sentences import sentence_ends
from audio_grpc.types import Segment, Word

LONGEST_PAUSE_SECONDS = 2.0
"""The longest pause, in seconds, within a segment."""
SHORTEST_SENTENCE_SECONDS = 1.5
"""Shorter ones are joined with what follows."""
LONG_SECONDS = 8.0
"""The seconds of a segment from which on the end of a clause is enough to end it."""
CLAUSE_ENDS = (",", ";", ":", "\u2013", "\u2014", "\u3001", "\uff0c", "\uff1b", "\u060c")
LAG_SECONDS = 0.4
"""The time by which the last word before a pause may seem to end too early."""

Decode = Callable[[tuple[int, ...]], str]


def extend(window: list[dict[str, Any]], source: Source) -> None:
    """Let the last word before each pause end with the speech; segments and words as faster-whisper has them.

    From where the last of all ends, the library goes on: what is left of it would be heard once more. Where
    silence follows that was not filtered out, it is left as it is, since a window that begins with long
    silence makes the model invent things.
    """
    words = [word for segment in window for word in segment["words"]]
    for word, after in pairwise([*words, None]):
        spans = source.spans_of(word["start"], word["end"])
        goes_on = after and spans[-1:] == source.spans_of(after["start"], after["end"])[:1]
        if spans and after is None and not source.is_filtered and spans[-1] != source.speech[-1]:
            continue
        if spans and not goes_on and 0 < spans[-1].end - word["end"] <= LAG_SECONDS:
            word["end"] = round(spans[-1].end, 2)
    for segment in window:
        if segment["words"]:
            segment["end"] = segment["words"][-1]["end"]


def settled(segment: Segment, source: Source, decode: Decode, sentences_of: str | None) -> Iterator[Segment]:
    """Yields the segment on the recording's clock, in several where it goes on over pauses.

    ``decode`` makes text of tokens. ``sentences_of`` is the language at whose sentences a whole window is
    cut, too; None for what is none.
    """
    if not segment.words:
        spans = source.spans_of(segment.start, segment.end)
        start = max([segment.start, *(span.start for span in spans[:1])])
        end = min([segment.end, *(span.end for span in spans[-1:])])
        start, end = source.recorded(start, end)
        yield replace(segment, start=start, end=end)
        return
    words = [_placed(word, source) for word in segment.words]
    text = "".join(word.text for word in words)
    groups = _groups(words, None if sentences_of is None else sentence_ends(text, sentences_of))
    for group, tokens in zip(groups, _shares(segment.tokens, groups, decode), strict=True):
        text = segment.text if len(groups) == 1 else decode(tokens)
        yield replace(
            segment, text=text, start=group[0].start, end=group[-1].end, words=tuple(group), tokens=tokens
        )


def _placed(word: Word, source: Source) -> Word:
    """Moves the word to the last stretch of speech that it touches: its times are mostly too early."""
    start, end = word.start, word.end
    if spans := source.spans_of(start, end):
        start = max(start, spans[-1].start)
        end = max(start, min(end, spans[-1].end))
    start, end = source.recorded(start, end)
    return replace(word, start=start, end=end)


def _groups(words: list[Word], ends: list[int] | None) -> list[list[Word]]:
    groups = [words[:1]]
    characters = 0
    for before, word in pairwise(words):
        characters += len(before.text)
        is_pause = word.start - before.end >= LONGEST_PAUSE_SECONDS
        seconds = before.end - groups[-1][0].start
        following = characters + len(word.text) - len(word.text.lstrip())
        if is_pause or (ends is not None and _is_cut(before, following in ends, seconds)):
            groups.append([])
        groups[-1].append(word)
    return groups


def _is_cut(word: Word, ends_sentence: bool, seconds: float) -> bool:
    """Tells if a segment that has lasted for so long ends with that word."""
    if ends_sentence:
        return seconds >= SHORTEST_SENTENCE_SECONDS
    return seconds >= LONG_SECONDS and word.text.rstrip().endswith(CLAUSE_ENDS)


def _shares(tokens: tuple[int, ...], groups: list[list[Word]], decode: Decode) -> Iterator[tuple[int, ...]]:
    """The tokens of each group; together, all of them."""
    start = 0
    for characters in accumulate(sum(len(word.text) for word in group) for group in groups[:-1]):
        end = start
        while end < len(tokens) and len(decode(tokens[:end])) < characters:
            end += 1
        yield tokens[start:end]
        start = end
    yield tokens[start:]
