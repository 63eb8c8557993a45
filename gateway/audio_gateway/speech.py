"""Speech as the body of an answer, in whatever dialect it was asked for."""

import io
import re
import wave
from collections.abc import Iterable, Mapping
from itertools import islice
from typing import Any, Literal

from audio_gateway.answers import Answer, AnswerHead
from audio_grpc.client import AsyncClient, Encoding, SpeechOptions
from audio_grpc.v1.text_to_speech_pb2 import SynthesisUsage

Format = Literal["mp3", "opus", "aac", "flac", "wav", "pcm", "mulaw", "alaw"]
SAMPLE_BYTES = 2
IGNORED_FIELDS_HEADER = "x-ignored-fields"
MAX_IGNORED = 20
NAMEABLE = re.compile(r"[A-Za-z0-9_.\[\]-]{1,64}")
"""The names that can stand in a header; callers may make names up."""


async def streamed(
    service: AsyncClient, text: str, options: SpeechOptions, unlisted: Iterable[str] = ()
) -> Answer:
    """Chunks as they are made; ``unlisted`` are fields of the request that nobody here knows."""
    async with service.synthesize(text, **options) as speech:
        started = await speech.start()
        yield AnswerHead(started.format.media_type, ignored([*started.ignored_fields, *unlisted]))
        async for data in speech:
            yield data


async def whole(
    service: AsyncClient, text: str, options: SpeechOptions, unlisted: Iterable[str] = ()
) -> Answer:
    """All of it, with its length; a WAV header then has its exact sizes."""
    is_wave = options["encoding"] is Encoding.WAV
    if is_wave:
        options["encoding"] = Encoding.PCM_S16LE
    async with service.synthesize(text, **options) as speech:
        started = await speech.start()
        data = b"".join([piece async for piece in speech])
    if is_wave:
        data = wave_file(data, started.format.sample_rate_hertz)
        started.format.media_type = "audio/wav"
    headers = {**ignored([*started.ignored_fields, *unlisted]), "content-length": str(len(data))}
    yield AnswerHead(started.format.media_type, headers)
    yield data


def wave_file(samples: bytes, sample_rate_hertz: int) -> bytes:
    """Bare mono samples of 16 bits as WAV, with its exact sizes."""
    file = io.BytesIO()
    with wave.open(file, "wb") as written:
        written.setparams((1, SAMPLE_BYTES, sample_rate_hertz, 0, "NONE", ""))
        written.writeframes(samples)
    return file.getvalue()


def ignored(fields: Iterable[str]) -> Mapping[str, str]:
    """A header that names fields of the request which have no effect, if there are any: at most 20."""
    nameable = (name for name in fields if NAMEABLE.fullmatch(name))
    named = ", ".join(islice(dict.fromkeys(nameable), MAX_IGNORED))
    return {IGNORED_FIELDS_HEADER: named} if named else {}


def usage(spoken: SynthesisUsage) -> dict[str, Any]:
    """Tokens of the model's own input alphabet, and characters and seconds beside them.

    The models make no audio tokens that could be counted, so ``output_tokens`` is 0.
    """
    return {
        "input_tokens": spoken.input_tokens,
        "output_tokens": 0,
        "total_tokens": spoken.input_tokens,
        "characters": spoken.characters,
        "seconds": spoken.audio_duration.ToMicroseconds() / 1e6,
    }
