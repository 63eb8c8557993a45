"""The messages of live speech, JSON in text frames, both ways.

The caller sends ``start`` first, and then, in any order, the others; ``end`` is the last:

    {"type": "start", "model": "tts-1", "voice": "alloy", "response_format": "pcm", "max_wait": 0.5}
    {"type": "text", "text": "Hello"}          a token, a sentence, a chapter
    {"type": "flush"}                          speak what there is without waiting for more
    {"type": "cancel"}                         drop what is not yet spoken; what comes next will be
    {"type": "end"}                            the text is complete

It is answered with these, each ``audio`` followed by a binary frame with the bytes that it tells of:

    {"type": "started", "model": "hibari", "voice": "heart", "media_type": "audio/pcm", "sample_rate": 24000,
     "ignored_fields": []}
    {"type": "audio", "text_start": 0, "text_end": 13, "offset": 0.0, "seconds": 0.85}
    {"type": "cancelled", "spoken_end": 13, "begun_end": 26, "dropped_end": 26, "offset": 0.85}
    {"type": "finished", "usage": {...}}       and close code 1000
    {"type": "error", "error": {...}}          and close code 4000 + the HTTP status of such an error

Characters are Unicode code points, counted over all of the text; an end is after the last. Times are in
seconds from the start of the audio. A stream without ``finished`` was cut.
"""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, model_validator

from audio_gateway.dialects.openai.speech import PCM_RATE_HERTZ
from audio_gateway.shapes import without_nulls
from audio_gateway.sockets import read_message
from audio_gateway.speech import Format, usage
from audio_grpc.client import Encoding, LiveSpeechOptions, SpeechCancelled, SpokenAudio
from audio_grpc.v1.text_to_speech_pb2 import SynthesisFinished, SynthesisStarted


class _LiveMessage(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid")

    _without_nulls = model_validator(mode="before")(without_nulls)


class StartMessage(_LiveMessage):
    """Options of the speech; the fields are those of POST /v1/audio/speech."""

    type: Literal["start"]
    model: str = ""
    voice: str = ""
    language: str = ""
    instructions: str | None = None
    response_format: Format = "pcm"
    speed: float | None = Field(None, ge=0.25, le=4.0)
    sample_rate: int | None = Field(None, ge=8000, le=48000)
    max_wait: float | None = Field(None, ge=0.0, le=10.0)
    """Seconds without more text after which an incomplete piece is spoken; half a second if left out."""

    def options(self) -> LiveSpeechOptions:
        """Returns the options for a call of the service."""
        default_rate = PCM_RATE_HERTZ if self.response_format == "pcm" else None
        return {
            "model": self.model,
            "voice": self.voice,
            "language_code": self.language,
            "instructions": self.instructions,
            "encoding": Encoding(self.response_format),
            "speed": self.speed,
            "sample_rate_hertz": self.sample_rate or default_rate,
            "max_wait": self.max_wait,
        }


class TextMessage(_LiveMessage):
    """The text goes on."""

    type: Literal["text"]
    text: str


class FlushMessage(_LiveMessage):
    """Speak the text so far, which is complete."""

    type: Literal["flush"]


class CancelMessage(_LiveMessage):
    """Drop what is not yet spoken."""

    type: Literal["cancel"]


class EndMessage(_LiveMessage):
    """End the text."""

    type: Literal["end"]


Message = StartMessage | TextMessage | FlushMessage | CancelMessage | EndMessage
_MESSAGE: TypeAdapter[Message] = TypeAdapter(Annotated[Message, Field(discriminator="type")])


def read(text: str) -> Message:
    """A message of the caller. ApiError with status 400 for what is none."""
    return read_message(_MESSAGE, text)


def started(event: SynthesisStarted) -> dict[str, Any]:
    """Returns the message that the stream has a place on the model."""
    return {
        "type": "started",
        "model": event.model,
        "voice": event.voice,
        "media_type": event.format.media_type,
        "sample_rate": event.format.sample_rate_hertz,
        "ignored_fields": list(event.ignored_fields),
    }


def audio(event: SpokenAudio) -> dict[str, Any]:
    """Returns the message that describes the next binary frame."""
    return {
        "type": "audio",
        "text_start": event.text_start,
        "text_end": event.text_end,
        "offset": event.offset_seconds,
        "seconds": event.seconds,
    }


def cancelled(event: SpeechCancelled) -> dict[str, Any]:
    """Returns the message that tells how much of cancelled speech was sent."""
    return {
        "type": "cancelled",
        "spoken_end": event.spoken_end,
        "begun_end": event.begun_end,
        "dropped_end": event.dropped_end,
        "offset": event.offset_seconds,
    }


def finished(event: SynthesisFinished) -> dict[str, Any]:
    """Returns the message that all was spoken."""
    return {"type": "finished", "usage": usage(event.usage)}
