"""Turns faster-whisper's results into the types of this service."""

from collections.abc import Generator, Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from audio_grpc.backends.base import Transcript
from audio_grpc.backends.cuda import cuda_errors_break
from audio_grpc.backends.whisper_times import settled
from audio_grpc.types import Audio, Language, Segment, TranscriptionOptions, Word

if TYPE_CHECKING:
    from audio_grpc.backends.whisper_engine import Engine
    from audio_grpc.backends.whisper_model import Whisper
    from audio_grpc.backends.whisper_speech import Source

# Whisper's own codes are BCP-47, save one that was withdrawn in 2001.
TO_BCP47 = {"jw": "jv"}
FROM_BCP47 = {code: own for own, code in TO_BCP47.items()}
FASTEST_CHARACTERS_A_SECOND = 30
"""Twice as fast as people speak, in any language's letters."""
TAIL_SECONDS = 1.0
"""The seconds at a recording's end in which segments are checked that closely."""
LATENESS_SECONDS = 0.5
"""The seconds by which the model may put the start of a segment too late."""
SURE_LOG_PROB = -1.0
"""Below which Whisper itself would rather have another text, had it found one."""


def language(info: Any, *, detected: bool) -> Language:
    """The language of a recording; how sure it is, if it was detected."""
    return Language(
        TO_BCP47.get(info.language, info.language), info.language_probability if detected else None
    )


def draft(
    model: "Whisper", audio: Audio, options: TranscriptionOptions, language_code: str | None
) -> Transcript:
    """A quick guess at what is said, as one segment; ``language_code`` is Whisper's."""
    guess = model.draft(
        audio.samples,
        task=options.task.value,
        language=language_code,
        prompt=options.prompt,
        hotwords=", ".join(options.hotwords) or None,
    )
    segment = Segment(0.0, audio.seconds, guess.text, tokens=guess.tokens)
    return Transcript(language(guess, detected=language_code is None), (one for one in (segment,)))


def segments(
    found: Iterator[Any], model: "Whisper", engine: "Engine", *, with_words: bool, sentences_of: str | None
) -> Generator[Segment, None, None]:
    """The segments of a recording on its own clock, but for those that cannot be in it.

    If ``sentences_of`` is a language, they are cut where its sentences end.

    Of the last tenths of a second, which come again in a window of their own, Whisper may make a sentence:
    mostly that which it has just heard, once more or several times.
    """
    source = model.source
    while (segment := _next(found, engine)) is not None:
        if _fits(segment, source):
            for one in settled(_segment(segment), source, model.text_of, sentences_of):
                yield one if with_words else replace(one, words=())


def _next(found: Iterator[Any], engine: "Engine") -> Any:
    """A call whose reader is slow is not waited for: it takes part while it computes."""
    with cuda_errors_break(), engine.taking_part():
        return next(found, None)


def _fits(segment: Any, source: "Source") -> bool:
    """Tells if somebody could have said this in what is left, or although nobody seems to speak there."""
    left = source.seconds - segment.start
    if left > TAIL_SECONDS:
        if source.spans_of(segment.start, segment.end):
            return True
        left = segment.end - segment.start
    if segment.avg_logprob >= SURE_LOG_PROB:
        left += LATENESS_SECONDS
    return bool(len(segment.text.strip()) <= left * FASTEST_CHARACTERS_A_SECOND)


def _segment(segment: Any) -> Segment:
    return Segment(
        start=float(segment.start),
        end=float(segment.end),
        text=segment.text,
        words=tuple(
            Word(word.word, float(word.start), float(word.end), float(word.probability))
            for word in segment.words or ()
        ),
        tokens=tuple(segment.tokens),
        avg_logprob=segment.avg_logprob,
        compression_ratio=segment.compression_ratio,
        no_speech_prob=segment.no_speech_prob,
        temperature=segment.temperature,
        seek=segment.seek,
    )
