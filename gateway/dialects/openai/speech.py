"""POST /v1/audio/speech."""

import io
import wave
from base64 import b64encode
from collections.abc import AsyncGenerator
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from audio_grpc.client import AsyncClient, AsyncSpeech, Encoding, SpeechOptions
from audio_grpc.v1.text_to_speech_pb2 import SynthesisStarted, SynthesisUsage
from gateway import sse
from gateway.dialects.openai.errors import translate
from gateway.exchange import Answer, Head

Format = Literal["mp3", "opus", "aac", "flac", "wav", "pcm"]
PCM_RATE_HERTZ = 24000
SAMPLE_BYTES = 2
MAX_INPUT_CHARACTERS = 4096
IGNORED_FIELDS_HEADER = "x-ignored-fields"


class VoiceId(BaseModel):
    """A custom voice."""

    model_config = ConfigDict(strict=True)

    id: str


class SpeechRequest(BaseModel):
    """What to say, and how. Fields that are not listed are ignored."""

    model_config = ConfigDict(strict=True)

    model: str = Field(description="Name or alias of a model, such as tts-1.")
    input: Annotated[str, Field(min_length=1, max_length=MAX_INPUT_CHARACTERS, description="The text.")]
    voice: str | VoiceId = Field("", description="Name, alias or id; the model's first if left out.")
    instructions: str | None = Field(None, description="How to speak, for models that take instructions.")
    response_format: Format = "mp3"
    speed: float | None = Field(None, ge=0.25, le=4.0, description="Pace; 1.0 is the voice's own.")
    stream_format: Literal["audio", "sse"] = "audio"
    sample_rate: int | None = Field(
        None, ge=8000, le=48000, description="Hertz. By default the model's own; for pcm 24000."
    )
    stream: bool = Field(
        True, description="False: send the audio whole, with its length, once all of it is made."
    )

    def options(self) -> SpeechOptions:
        """The same as the service takes it."""
        default_rate = PCM_RATE_HERTZ if self.response_format == "pcm" else None
        return {
            "model": self.model,
            "voice": self.voice.id if isinstance(self.voice, VoiceId) else self.voice,
            "instructions": self.instructions,
            "encoding": Encoding(self.response_format),
            "speed": self.speed,
            "sample_rate_hertz": self.sample_rate or default_rate,
        }


def answer(request: SpeechRequest, service: AsyncClient) -> Answer:
    """The speech in the form that was asked for."""
    if request.stream_format == "sse":
        return sse.stream(_events(request, service), translate)
    return _audio(request, service) if request.stream else _whole(request, service)


async def _audio(request: SpeechRequest, service: AsyncClient) -> Answer:
    """Chunks as they are made."""
    async with service.synthesize(request.input, **request.options()) as speech:
        started = await speech.start()
        yield _head(started)
        async for data in speech:
            yield data


async def _whole(request: SpeechRequest, service: AsyncClient) -> Answer:
    """All of it, with its length; a WAV header then has its exact sizes."""
    options = request.options()
    is_wave = options["encoding"] is Encoding.WAV
    if is_wave:
        options["encoding"] = Encoding.PCM_S16LE
    async with service.synthesize(request.input, **options) as speech:
        started = await speech.start()
        data = b"".join([piece async for piece in speech])
    if is_wave:
        data = _wave(data, started.format.sample_rate_hertz)
        started.format.media_type = "audio/wav"
    yield _head(started, {"content-length": str(len(data))})
    yield data


def _wave(samples: bytes, sample_rate_hertz: int) -> bytes:
    file = io.BytesIO()
    with wave.open(file, "wb") as written:
        written.setparams((1, SAMPLE_BYTES, sample_rate_hertz, 0, "NONE", ""))
        written.writeframes(samples)
    return file.getvalue()


def _head(started: SynthesisStarted, headers: dict[str, str] | None = None) -> Head:
    ignored = {IGNORED_FIELDS_HEADER: ", ".join(started.ignored_fields)} if started.ignored_fields else {}
    return Head(started.format.media_type, {**ignored, **(headers or {})})


async def _events(request: SpeechRequest, service: AsyncClient) -> AsyncGenerator[dict[str, Any], None]:
    speech: AsyncSpeech
    async with service.synthesize(request.input, **request.options()) as speech:
        async for data in speech:
            yield {"type": "speech.audio.delta", "audio": b64encode(data).decode()}
        yield {"type": "speech.audio.done", "usage": usage(speech.finished.usage)}


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
