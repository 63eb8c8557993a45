"""A provider's transcript in one piece: json is text, verbose_json has segments and words with times."""

from collections.abc import Iterator
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from audio_grpc.types import Segment, Word

Seconds = Annotated[float, Field(ge=0, lt=1e6, allow_inf_nan=False)]
Measure = Annotated[float, Field(allow_inf_nan=False)] | None
UNSTATED_PROBABILITY = 1.0


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True)


class Usage(_Frozen):
    """The usage in tokens, or in seconds, which are known without it."""

    output_tokens: Annotated[int, Field(ge=0, lt=1 << 31)] | None = None


class TimedWord(_Frozen):
    """A word, without the punctuation around it."""

    word: str
    start: Seconds
    end: Seconds


class TimedSegment(_Frozen):
    """A segment as Whisper makes it."""

    text: str
    start: Seconds
    end: Seconds
    seek: int = 0
    tokens: tuple[int, ...] = ()
    temperature: Measure = None
    avg_logprob: Measure = None
    compression_ratio: Measure = None
    no_speech_prob: Measure = None


class Answer(_Frozen):
    """The provider's answer; in json it has the text alone."""

    text: str
    language: str = ""
    segments: tuple[TimedSegment, ...] | None = None
    words: tuple[TimedWord, ...] | None = None
    usage: Usage = Usage()


def segments(answer: Answer, seconds: float) -> Iterator[Segment]:
    """The segments, with their words; one for all of the text if there are none. It lasted ``seconds``."""
    timed = answer.segments or ()
    if not timed and answer.text.strip():
        timed = (TimedSegment(text=answer.text, start=0.0, end=seconds),)
    words = list(answer.words or ())
    for number, segment in enumerate(timed):
        is_last = number == len(timed) - 1
        count = len(words) if is_last else sum(_middle(word) < segment.end for word in words)
        mine, words = words[:count], words[count:]
        text = segment.text
        if not number and not text[:1].isspace():
            text = f" {text}"  # as every model here begins; parts of a long recording are joined by it
        yield Segment(
            segment.start,
            segment.end,
            text,
            words=tuple(_spelled(text, mine)),
            tokens=segment.tokens,
            avg_logprob=segment.avg_logprob,
            compression_ratio=segment.compression_ratio,
            no_speech_prob=segment.no_speech_prob,
            temperature=segment.temperature,
            seek=segment.seek,
        )


def _middle(word: TimedWord) -> float:
    return (word.start + word.end) / 2


def _spelled(text: str, words: list[TimedWord]) -> Iterator[Word]:
    """The words as ``text`` has them, with the spaces and punctuation before each; the last has the rest."""
    at = 0
    for number, word in enumerate(words):
        found = text.find(word.word.strip(), at)
        end = len(text) if number == len(words) - 1 else found + len(word.word.strip())
        spelled = text[at:end] if found >= 0 else f" {word.word.strip()}"
        at = end if found >= 0 else at
        yield Word(spelled, word.start, word.end, UNSTATED_PROBABILITY)
