"""A provider's speech: https://platform.openai.com/docs/api-reference/audio/createSpeech."""

import base64
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any

import httpx2
import numpy as np

from audio_grpc.backends.openai_upstream import quirks
from audio_grpc.backends.openai_upstream.endpoint import Endpoint
from audio_grpc.backends.openai_upstream.events import EVENT_STREAM, events
from audio_grpc.backends.openai_upstream.failure import failure
from audio_grpc.backends.openai_upstream.options import SpeechUpstream
from audio_grpc.backends.openai_upstream.sound import decoder
from audio_grpc.types import Audio, Speech

PATH = "/audio/speech"
DELTA, DONE = "speech.audio.delta", "speech.audio.done"

Spoken = bytes | int
"""Bytes of audio, or how many tokens the text was."""


async def speech(
    endpoint: Endpoint[SpeechUpstream], request: dict[str, Any], max_seconds: float
) -> AsyncGenerator[Speech, None]:
    """Speak ``request``; Failure if there is no sound at all, or more than ``max_seconds``."""
    options = endpoint.options
    body = {**request, "model": options.model, "response_format": options.response_format}
    as_events = options.stream_format == "sse"
    if as_events:
        body["stream_format"] = "sse"
    read = _from_events if as_events else _from_bytes
    heard = _Heard(max_seconds)
    sound = decoder(options)
    input_tokens = 0
    accept = EVENT_STREAM if as_events else "*/*"
    async with endpoint.post(PATH, accept=accept, json=body) as response:
        async with aclosing(read(endpoint, response)) as pieces:
            async for piece in pieces:
                if isinstance(piece, int):
                    input_tokens = piece
                else:
                    for audio in sound.write(piece):
                        yield heard.more(audio)
        for audio in sound.finish():
            yield heard.more(audio)
    if not heard.seconds:
        raise failure("sent no sound", again=True)
    if input_tokens:
        yield Speech(Audio(np.zeros(0, np.float32), options.sample_rate_hertz), input_tokens)


class _Heard:
    """Counts the seconds of sound, and raises Failure for an answer that is too long."""

    def __init__(self, max_seconds: float) -> None:
        self.seconds = 0.0
        self._max_seconds = max_seconds

    def more(self, audio: Audio) -> Speech:
        self.seconds += audio.seconds
        if self.seconds > self._max_seconds:
            raise failure(f"sent more than {self._max_seconds:g} seconds of sound for a short text")
        return Speech(audio)


async def _from_bytes(
    endpoint: Endpoint[SpeechUpstream], response: httpx2.Response
) -> AsyncGenerator[Spoken, None]:
    """The body, if it is audio, and such that its end can be told from a cut."""
    kind = _media_type(response)
    if not quirks.is_audio(kind):
        raise failure(f"answered with {kind}, not with audio")
    if not {"content-length", "transfer-encoding"} & set(response.headers):
        raise failure("sends audio without its length, neither chunked; a part of it would look like all")
    start = b""
    begun = False
    async for data in response.aiter_bytes():
        if begun:
            yield data
            continue
        start += data
        if len(start) >= quirks.TELLING_BYTES:
            _require_format(endpoint.options, kind, start)
            begun = True
            yield start
    if not begun and start:
        yield start


def _require_format(options: SpeechUpstream, kind: str, start: bytes) -> None:
    asked, sent = options.response_format, quirks.recognised_format(kind, start)
    # Frames of MP3 are told from samples only with the help of the type, which may be wrong.
    if sent != asked and not (asked == "mp3" and sent == "pcm"):
        raise failure(f"sent {sent} when asked for {asked}; set response_format to what it can send")


async def _from_events(
    endpoint: Endpoint[SpeechUpstream], response: httpx2.Response
) -> AsyncGenerator[Spoken, None]:
    kind = _media_type(response)
    if kind != EVENT_STREAM:
        raise failure(f"answered with {kind}, not with events; set stream_format to audio")
    async with aclosing(events(endpoint, response, DONE)) as sent:
        async for event in sent:
            if event["type"] == DELTA:
                yield _audio(event.get("audio"))
            elif event["type"] == DONE:
                yield _input_tokens(event.get("usage"))


def _audio(encoded: object) -> bytes:
    if not isinstance(encoded, str):
        raise failure("sent an event without its audio")
    try:
        return base64.b64decode(encoded, validate=True)
    except ValueError as error:  # also for letters that ASCII does not have
        raise failure("sent an event whose audio is not base64") from error


def _input_tokens(usage: object) -> int:
    tokens = usage.get("input_tokens") if isinstance(usage, dict) else None
    return tokens if isinstance(tokens, int) and 0 <= tokens < 1 << 31 else 0


def _media_type(response: httpx2.Response) -> str:
    return response.headers.get("content-type", "").partition(";")[0].strip().lower()
