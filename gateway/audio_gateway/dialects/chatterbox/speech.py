"""Speech as Chatterbox's clients ask for it."""

from base64 import b64encode
from collections.abc import AsyncGenerator
from typing import Annotated, Literal

from pydantic import ConfigDict, Field, field_validator

from audio_gateway import sse
from audio_gateway.answers import Answer
from audio_gateway.dialects.chatterbox.errors import translate
from audio_gateway.shapes import Body
from audio_gateway.speech import SAMPLE_BYTES, Format, ignored, streamed, usage, whole
from audio_grpc.client import AsyncClient, Encoding, JobOptions, SpeechOptions, Strategy
from audio_grpc.v1.text_to_speech_pb2 import SpeakerSample

Quality = Literal["fast", "balanced", "high"]
PRESETS: dict[Quality, tuple[Strategy, int]] = {
    "fast": (Strategy.WORD, 100),
    "balanced": (Strategy.SENTENCE, 200),
    "high": (Strategy.PARAGRAPH, 300),
}


class SpokenText(Body):
    """A text to say, and how, whether its caller waits for it or not. Numbers may be written as text."""

    model_config = ConfigDict(strict=False, allow_inf_nan=False)

    input: Annotated[str, Field(min_length=1, description="The text.")]
    model: str = Field("", description="Name or alias of a model; the server's first if left out.")
    voice: str = Field("", description="Name, alias or id; the default voice if left out.")
    response_format: Format = "wav"
    speed: float | None = Field(None, ge=0.25, le=4.0, description="Pace; 1.0 is the voice's own.")
    exaggeration: float | None = Field(None, ge=0.25, le=2.0, description="How strong emotions are.")
    cfg_weight: float | None = Field(None, ge=0.0, le=1.0, description="How closely to keep the pace.")
    temperature: float | None = Field(None, ge=0.05, le=5.0, description="Variation of the delivery.")
    streaming_chunk_size: int | None = Field(
        None, ge=50, le=500, description="Characters in a piece of the text; 200 by default."
    )
    streaming_strategy: Literal["sentence", "paragraph", "fixed", "word"] | None = Field(
        None, description="Where to cut the text into pieces; sentence by default."
    )
    streaming_quality: Quality = Field(
        "balanced",
        description="A preset: fast is word and 100, balanced sentence and 200, high paragraph and 300.",
    )

    @field_validator("input")
    @classmethod
    def _is_said(cls, text: str) -> str:
        if not text.strip():
            raise ValueError("there is nothing to say; send a text")
        return text

    def manner(self) -> JobOptions:
        """Returns the options of the speech for a call of the service."""
        strategy, size = PRESETS[self.streaming_quality]
        return {
            "model": self.model,
            "voice": self.voice,
            "encoding": Encoding(self.response_format),
            "speed": self.speed,
            "exaggeration": self.exaggeration,
            "cfg_weight": self.cfg_weight,
            "temperature": self.temperature,
            "strategy": Strategy(self.streaming_strategy) if self.streaming_strategy else strategy,
            "target_size": self.streaming_chunk_size or size,
        }


class ChatterboxSpeechRequest(SpokenText):
    """A text and options to speak it with. Fields that are not listed are ignored.

    What the model has no use for is named in the header x-ignored-fields of the answer.
    """

    stream_format: Literal["audio", "sse"] = Field(
        "audio", description="sse: events, with bare 16-bit samples."
    )
    stream: bool = Field(
        True, description="False: send the audio whole, with its length, once all of it is made."
    )
    streaming_buffer_size: int = Field(
        3, ge=1, le=10, description="How many chunks of sound to make ahead of the caller."
    )

    def options(self, sample: bytes = b"") -> SpeechOptions:
        """Returns all options for a call of the service, with the voice of a sample if there is one."""
        options: SpeechOptions = {
            **self.manner(),
            "read_ahead": self.streaming_buffer_size,
            "sample": SpeakerSample(audio=sample) if sample else None,
            "timeout": None,
        }
        if self.is_events:
            options["encoding"] = Encoding.PCM_S16LE
        return options

    @property
    def is_events(self) -> bool:
        """True if server-sent events were asked for."""
        return self.stream_format == "sse"


class SpeechForm(ChatterboxSpeechRequest):
    """A request for speech as a form."""


def answer(request: ChatterboxSpeechRequest, service: AsyncClient, sample: bytes = b"") -> Answer:
    """Returns the speech in the form that was asked for."""
    options = request.options(sample)
    if request.is_events:
        return sse.stream(_events(service, request.input, options), translate)
    send = streamed if request.stream else whole
    return send(service, request.input, options)


async def _events(service: AsyncClient, text: str, options: SpeechOptions) -> AsyncGenerator[sse.Event, None]:
    async with service.synthesize(text, **options) as speech:
        started = await speech.start()
        yield sse.head(ignored(started.ignored_fields))
        yield {
            "type": "speech.audio.info",
            "sample_rate": started.format.sample_rate_hertz,
            "channels": started.format.channel_count,
            "bits_per_sample": 8 * SAMPLE_BYTES,
        }
        async for data in speech:
            yield {"type": "speech.audio.delta", "audio": b64encode(data).decode()}
        yield {"type": "speech.audio.done", "usage": usage(speech.finished.usage)}
