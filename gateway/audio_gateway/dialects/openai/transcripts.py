"""Transcripts in OpenAI's shapes: json, verbose_json, text, srt, vtt, and server-sent events."""

import math
from collections.abc import AsyncGenerator, AsyncIterator, Iterable, Mapping
from dataclasses import replace
from typing import Any

from audio_gateway import sse
from audio_gateway.answers import Answer, AnswerHead
from audio_gateway.dialects.openai.errors import PARAMS, translate
from audio_gateway.dialects.openai.forms import TranslationForm
from audio_gateway.speech import ignored
from audio_grpc.client import AsyncTranscript, Segment, Task, Word
from audio_grpc.client.subtitles import VTT_HEADER, srt_cue, vtt_cue
from audio_grpc.languages import language_name

UNDETERMINED = "und"
SMALLEST_PROBABILITY = 1e-10
"""The least probability that is reported: one rounded to 0 would have no logarithm."""

JSON = "application/json"
TEXT_TYPES = {
    "text": "text/plain; charset=utf-8",
    "srt": "application/x-subrip; charset=utf-8",
    "vtt": "text/vtt; charset=utf-8",
}


def answer(transcript: AsyncTranscript, form: TranslationForm, task: Task) -> Answer:
    """The transcript in the form that was asked for."""
    if form.stream:
        return sse.stream(_events(transcript, form), translate)
    if form.response_format in TEXT_TYPES:
        return _text(transcript, form)
    return _json(transcript, form, task)


async def _text(transcript: AsyncTranscript, asked: TranslationForm) -> Answer:
    """Line by line or cue by cue, as the segments come."""
    form = asked.response_format
    async with transcript:
        yield AnswerHead(TEXT_TYPES[form], await _headers(transcript, asked))
        if form == "vtt":
            yield VTT_HEADER.encode()
        number = 0
        async for segment in _trimmed(transcript):
            number += 1
            yield _written(segment, number, form).encode()
        if form == "text":
            yield b"\n"


def _written(segment: Segment, number: int, form: str) -> str:
    if form == "text":
        return segment.text
    return srt_cue(number, segment) if form == "srt" else vtt_cue(segment)


async def _json(transcript: AsyncTranscript, form: TranslationForm, task: Task) -> Answer:
    async with transcript:
        headers = await _headers(transcript, form)
        segments = [segment async for segment in _trimmed(transcript)]
    shape = _verbose if form.response_format == "verbose_json" else _brief
    body = sse.dumps(shape(transcript, segments, form, task))
    yield AnswerHead(JSON, {**headers, "content-length": str(len(body))})
    yield body


async def _headers(transcript: AsyncTranscript, form: TranslationForm) -> Mapping[str, str]:
    """Waits for the model's start; returns headers that name the fields without effect."""
    started = await transcript.start()
    return ignored([*(PARAMS.get(name, name) for name in started.ignored_fields), *form.ignored_fields])


def _brief(
    transcript: AsyncTranscript, segments: list[Segment], form: TranslationForm, task: Task
) -> dict[str, Any]:
    language = transcript.finished.language_code
    body: dict[str, Any] = {
        "text": _joined(segments),
        "languages": [{"code": language}] if language != UNDETERMINED else [],
        "usage": {"type": "duration", "seconds": _seconds(transcript)},
    }
    if form.wants_logprobs:
        body["logprobs"] = logprobs(word for segment in segments for word in segment.words)
    return body


def _verbose(
    transcript: AsyncTranscript, segments: list[Segment], form: TranslationForm, task: Task
) -> dict[str, Any]:
    body: dict[str, Any] = {
        "task": task.value,
        "language": language_name(transcript.finished.language_code),
        "duration": _seconds(transcript),
        "text": _joined(segments),
        "usage": {"type": "duration", "seconds": _seconds(transcript)},
    }
    if "segment" in form.granularities:
        body["segments"] = [_segment(number, segment) for number, segment in enumerate(segments)]
    if "word" in form.granularities:
        body["words"] = [_word(word) for segment in segments for word in segment.words]
    return body


async def _events(transcript: AsyncTranscript, form: TranslationForm) -> AsyncGenerator[sse.Event, None]:
    """A delta for each segment; together they are exactly the final text."""
    async with transcript:
        yield sse.head(await _headers(transcript, form))
        heard: list[Segment] = []
        async for segment in _trimmed(transcript):
            heard.append(segment)
            yield {
                "type": "transcript.text.delta",
                "delta": segment.text,
                **_with_logprobs([segment], form),
                **_with_times(segment, form),
            }
        tokens = transcript.finished.usage.output_tokens
        yield {
            "type": "transcript.text.done",
            "text": _joined(heard),
            **_with_logprobs(heard, form),
            "usage": {
                "type": "tokens",
                "input_tokens": 0,
                "output_tokens": tokens,
                "total_tokens": tokens,
                "seconds": _seconds(transcript),
            },
        }


def _with_logprobs(segments: list[Segment], form: TranslationForm) -> dict[str, Any]:
    if not form.wants_logprobs:
        return {}
    return {"logprobs": logprobs(word for segment in segments for word in segment.words)}


def _with_times(segment: Segment, form: TranslationForm) -> dict[str, Any]:
    """Seconds, which OpenAI's events have not; only for who asks."""
    asked = form.streamed_times
    times: dict[str, Any] = {"start": segment.start, "end": segment.end} if asked else {}
    if "word" in asked:
        times["words"] = [_word(word) for word in segment.words]
    return times


def logprobs(words: Iterable[Word]) -> list[dict[str, Any]]:
    """Returns the log probabilities of words: models give none for smaller parts."""
    return [
        {
            "token": word.text,
            "bytes": list(word.text.encode()),
            "logprob": math.log(max(word.probability, SMALLEST_PROBABILITY)),
        }
        for word in words
    ]


async def _trimmed(transcript: AsyncTranscript) -> AsyncIterator[Segment]:
    """The segments; the first that says something without its leading space."""
    begun = False
    async for segment in transcript:
        if not begun:
            segment = replace(segment, text=segment.text.lstrip())
            begun = bool(segment.text)
        yield segment


def _joined(segments: list[Segment]) -> str:
    return "".join(segment.text for segment in segments)


def _seconds(transcript: AsyncTranscript) -> float:
    return transcript.finished.usage.audio_duration.ToMicroseconds() / 1e6


def _segment(number: int, segment: Segment) -> dict[str, Any]:
    """Returns a segment with 0 for missing measures, since OpenAI's clients expect numbers."""
    return {
        "id": number,
        "seek": segment.seek,
        "start": segment.start,
        "end": segment.end,
        "text": segment.text,
        "tokens": list(segment.tokens),
        "temperature": segment.temperature or 0.0,
        "avg_logprob": segment.avg_logprob or 0.0,
        "compression_ratio": segment.compression_ratio or 0.0,
        "no_speech_prob": segment.no_speech_prob or 0.0,
    }


def _word(word: Word) -> dict[str, Any]:
    return {"word": word.text.strip(), "start": word.start, "end": word.end}
