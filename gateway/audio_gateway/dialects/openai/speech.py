"""POST /v1/audio/speech."""

from base64 import b64encode
from collections.abc import AsyncGenerator
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from audio_gateway import sse
from audio_gateway.answers import Answer
from audio_gateway.dialects.openai.errors import translate
from audio_gateway.shapes import Body
from audio_gateway.speech import Format, ignored, streamed, usage, whole
from audio_grpc.client import AsyncClient, AsyncSpeech, Encoding, SpeechOptions

PCM_RATE_HERTZ = 24000
MAX_INPUT_CHARACTERS = 4096


class VoiceId(BaseModel):
    """A custom voice."""

    model_config = ConfigDict(strict=True)

    id: str


class SpeechRequest(Body):
    """A text to say, and how. Fields that are not listed are ignored, and named in x-ignored-fields."""

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
        """Returns the options for a call of the service."""
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
    """Returns the speech in the form that was asked for."""
    if request.stream_format == "sse":
        return sse.stream(_events(request, service), translate)
    send = streamed if request.stream else whole
    return send(service, request.input, request.options(), request.unlisted)


async def _events(request: SpeechRequest, service: AsyncClient) -> AsyncGenerator[sse.Event, None]:
    speech: AsyncSpeech
    async with service.synthesize(request.input, **request.options()) as speech:
        started = await speech.start()
        yield sse.head(ignored([*started.ignored_fields, *request.unlisted]))
        async for data in speech:
            yield {"type": "speech.audio.delta", "audio": b64encode(data).decode()}
        yield {"type": "speech.audio.done", "usage": usage(speech.finished.usage)}
