"""A provider's transcripts: https://platform.openai.com/docs/api-reference/audio/createTranscription."""

from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any

import httpx2
from pydantic import ValidationError

from audio_grpc.backends.base import TranscriptUsage
from audio_grpc.backends.openai_upstream import quirks
from audio_grpc.backends.openai_upstream.endpoint import Endpoint
from audio_grpc.backends.openai_upstream.events import EVENT_STREAM, events
from audio_grpc.backends.openai_upstream.failure import failure
from audio_grpc.backends.openai_upstream.options import TranscriptUpstream
from audio_grpc.backends.openai_upstream.verbose import Answer, Usage, segments
from audio_grpc.languages import NAMES, known_language
from audio_grpc.text import encodable
from audio_grpc.types import Language, Segment, Task, TranscriptionOptions

PATHS = {Task.TRANSCRIBE: "/audio/transcriptions", Task.TRANSLATE: "/audio/translations"}
DELTA, DONE = "transcript.text.delta", "transcript.text.done"
JSON = "application/json"
MAX_ANSWER_BYTES = 32 << 20
MIN_CHARACTERS, MAX_CHARACTERS_A_SECOND = 10_000, 100
"""The most characters of any transcript, and those that each second of sound adds."""


@dataclass(frozen=True)
class WaveFile:
    """A recording to transcribe: a WAV file, and its length in seconds."""

    data: bytes
    seconds: float


async def transcript(
    endpoint: Endpoint[TranscriptUpstream],
    recording: WaveFile,
    options: TranscriptionOptions,
    usage: TranscriptUsage,
) -> AsyncGenerator[Language | Segment, None]:
    """The language, and then segments as they come. ``usage`` is told what the provider states."""
    form = request_form(endpoint.options, options)
    accept = EVENT_STREAM if "stream" in form else JSON
    # The name is ours: what callers call their files stays here.
    file = ("audio.wav", recording.data, "audio/wav")
    async with endpoint.post(PATHS[options.task], accept=accept, data=form, files={"file": file}) as response:
        kind = response.headers.get("content-type", "").partition(";")[0].strip().lower()
        if kind == EVENT_STREAM and "stream" in form:
            heard = _from_events(endpoint, response, recording, options, usage)
        elif kind == JSON:  # also of those that know nothing of streams, such as whisper-1
            heard = _from_json(response, recording, options, usage)
        else:
            raise failure(f"answered with {kind or 'no content type'}, not with a transcript")
        async with aclosing(heard):
            async for one in heard:
                yield one


def request_form(upstream: TranscriptUpstream, options: TranscriptionOptions) -> dict[str, Any]:
    """The fields beside the file. Times are worth more than an early beginning, to who asks for them."""
    translates = options.task is Task.TRANSLATE
    form: dict[str, Any] = {"model": upstream.model}
    if options.prompt:
        form["prompt"] = options.prompt
    if options.temperature is not None:
        form["temperature"] = str(options.temperature)
    if options.language_code and not translates:
        asked = options.language_code
        form["language"] = known_language(asked, NAMES) or asked.partition("-")[0].lower()
    wants_words = options.word_timestamps and not translates
    if upstream.streaming and not translates and not (wants_words and upstream.verbose_json):
        return {**form, "response_format": "json", "stream": "true"}
    if not upstream.verbose_json:
        return {**form, "response_format": "json"}
    if wants_words:
        form["timestamp_granularities[]"] = ["word", "segment"]
    return {**form, "response_format": "verbose_json"}


async def _from_json(
    response: httpx2.Response, recording: WaveFile, options: TranscriptionOptions, usage: TranscriptUsage
) -> AsyncGenerator[Language | Segment, None]:
    body = bytearray()
    async for data in response.aiter_bytes():
        body += data
        if len(body) > MAX_ANSWER_BYTES:
            raise failure(f"sent a transcript of more than {MAX_ANSWER_BYTES >> 20} MiB")
    try:
        answer = Answer.model_validate_json(body)
    except ValidationError as error:
        raise failure(f"sent a transcript that cannot be read ({error.error_count()} fields)") from error
    usage.output_tokens = answer.usage.output_tokens
    # Of a translation it names the language that was written.
    language = "" if options.task is Task.TRANSLATE else answer.language
    yield _language(options, language)
    for segment in segments(answer, recording.seconds):
        yield segment


async def _from_events(
    endpoint: Endpoint[TranscriptUpstream],
    response: httpx2.Response,
    recording: WaveFile,
    options: TranscriptionOptions,
    usage: TranscriptUsage,
) -> AsyncGenerator[Language | Segment, None]:
    """A segment for each delta. All that is known of its times is that they are within the recording."""
    begun = False
    said = 0
    most = MIN_CHARACTERS + MAX_CHARACTERS_A_SECOND * recording.seconds
    async with aclosing(events(endpoint, response, DONE)) as sent:
        async for event in sent:
            if not begun:
                yield _language(options, "")
                begun = True
            text = ""
            if event["type"] == DELTA:
                text = _text(event.get("delta"))
            elif event["type"] == DONE:
                text = "" if said else _text(event.get("text"))
                usage.output_tokens = _usage(event.get("usage")).output_tokens
            if text:
                # As every model here begins; parts of a long recording are joined by it.
                text = text if said or text[0].isspace() else f" {text}"
                said += len(text)
                if said > most:
                    raise failure(f"sent more than {most:.0f} characters for a short recording")
                yield Segment(0.0, recording.seconds, text)


def _language(options: TranscriptionOptions, told: str) -> Language:
    """Returns the caller's language, else the provider's."""
    return Language(options.language_code or quirks.language_code(told))


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise failure("sent an event without its text")
    return encodable(value)


def _usage(value: object) -> Usage:
    try:
        return Usage.model_validate(value or {})
    except ValidationError:
        return Usage()
