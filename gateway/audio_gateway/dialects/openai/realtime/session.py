"""Options of a session, and the service's options made of them."""

from typing import Annotated, Any, Literal, Self

from google.protobuf.duration_pb2 import Duration
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from audio_gateway.dialects.openai.languages import expected
from audio_gateway.shapes import without_nulls
from audio_grpc.client import ListenOptions
from audio_grpc.openai_names import leaves_turns_to_callers
from audio_grpc.v1.speech_to_text_pb2 import (
    SAMPLE_FORMAT_ALAW,
    SAMPLE_FORMAT_MULAW,
    SAMPLE_FORMAT_S16LE,
    Endpointing,
)

SILENCES_MS = {"low": 1500, "medium": 500, "auto": 500, "high": 250}
"""The milliseconds of silence that end a turn, by eagerness."""
LOGPROBS = "item.input_audio_transcription.logprobs"
RATES_HERTZ = {"audio/pcm": 24000, "audio/pcmu": 8000, "audio/pcma": 8000}
SAMPLE_FORMATS = {
    "audio/pcm": SAMPLE_FORMAT_S16LE,
    "audio/pcmu": SAMPLE_FORMAT_MULAW,
    "audio/pcma": SAMPLE_FORMAT_ALAW,
}


class _Shape(BaseModel):
    """Fields that are not listed are ignored, as OpenAI's grow in number."""

    model_config = ConfigDict(strict=True, frozen=True, extra="ignore")


class _Given(_Shape):
    """Fields that are null count as left out, too."""

    _without_nulls = model_validator(mode="before")(without_nulls)


class FormatConfig(_Given):
    """Format of samples: 16-bit little-endian, or G.711, which is always at 8 kHz."""

    type: Literal["audio/pcm", "audio/pcmu", "audio/pcma"] = "audio/pcm"
    rate: Literal[24000, 8000] | None = None

    @model_validator(mode="after")
    def _possible(self) -> Self:
        if self.rate not in (None, self.rate_hertz):
            raise ValueError(f"{self.type} comes at {self.rate_hertz} Hz; leave rate out, or resample")
        return self

    @property
    def rate_hertz(self) -> int:
        """Samples a second."""
        return RATES_HERTZ[self.type]

    @property
    def sample_bytes(self) -> int:
        """The bytes of one sample."""
        return 2 if self.type == "audio/pcm" else 1


class Transcription(_Given):
    """The model that transcribes, and hints for it."""

    model: str | None = None
    language: str | None = None
    languages: Annotated[list[Annotated[str, Field(max_length=64)]], Field(max_length=32)] = []
    prompt: str | None = None
    keywords: list[str] = []


class TurnDetection(_Given):
    """The rules for where utterances start and stop.

    The models do not tell by its meaning whether a sentence is complete (``semantic_vad``). Who asks for that
    says by ``eagerness`` how long to wait, and nothing else.
    """

    type: Literal["server_vad", "semantic_vad"] = "server_vad"
    threshold: Annotated[float, Field(ge=0.05, le=0.95)] = 0.5
    prefix_padding_ms: Annotated[int, Field(ge=0, le=1000)] = 300
    silence_duration_ms: Annotated[int, Field(ge=100, le=5000)] = 500
    eagerness: Literal["low", "medium", "high", "auto"] | None = None

    @property
    def silence_ms(self) -> int:
        """The time in which nobody speaks where an utterance stops."""
        return self.silence_duration_ms if self.eagerness is None else SILENCES_MS[self.eagerness]


def _default(value: Any) -> Any:
    return {} if value is None else value


class InputConfig(_Shape):
    """Options of sound; ``turn_detection`` null: the caller commits, as callers of live models do."""

    format: Annotated[FormatConfig, BeforeValidator(_default)] = FormatConfig()
    transcription: Annotated[Transcription, BeforeValidator(_default)] = Transcription()
    noise_reduction: dict[str, Any] | None = None
    """Accepted, and ignored: the models listen through noise by themselves."""
    turn_detection: TurnDetection | None = TurnDetection()

    @property
    def vad(self) -> TurnDetection | None:
        """The way turns are detected; None if the caller commits."""
        is_told = "turn_detection" in self.model_fields_set
        if not is_told and leaves_turns_to_callers(self.transcription.model or ""):
            return None
        return self.turn_detection


class AudioConfig(_Given):
    """Options of the input; there is no output."""

    input: InputConfig = InputConfig()


class SessionConfig(_Given):
    """Options of a session; ``include`` may ask for probabilities."""

    type: Literal["transcription"] = "transcription"
    audio: AudioConfig = AudioConfig()
    include: list[Literal["item.input_audio_transcription.logprobs"]] | None = None

    @property
    def input(self) -> InputConfig:
        """The options of the input: all that can be set."""
        return self.audio.input

    @property
    def is_manual(self) -> bool:
        """True if only the caller ends utterances."""
        return self.input.vad is None

    @property
    def bytes_per_second(self) -> int:
        """The bytes of a second of sound."""
        return self.input.format.rate_hertz * self.input.format.sample_bytes

    def updated(self, update: "SessionConfig") -> "SessionConfig":
        """Returns the session with each field that the update has in the place of its own."""
        given = {name: getattr(update.input, name) for name in update.input.model_fields_set}
        include = update.include if "include" in update.model_fields_set else self.include
        return SessionConfig(audio=AudioConfig(input=self.input.model_copy(update=given)), include=include)

    def described(self) -> dict[str, Any]:
        """Returns all options in effect, for the caller."""
        vad = self.input.vad
        described = self.model_dump()
        described["audio"]["input"]["turn_detection"] = vad and vad.model_dump(exclude_none=True)
        return described

    def options(self) -> ListenOptions:
        """Returns the options for a call of the service."""
        transcription = self.input.transcription
        language, languages = expected(transcription.language, transcription.languages)
        return {
            "sample_format": SAMPLE_FORMATS[self.input.format.type],
            "model": transcription.model or "",
            "language_code": language,
            "language_codes": languages,
            "prompt": transcription.prompt,
            "hotwords": transcription.keywords,
            "interim_results": True,
            "endpointing": _endpointing(self.input.vad),
        }


def _endpointing(vad: TurnDetection | None) -> Endpointing:
    if vad is None:
        return Endpointing(manual=True)
    padding, silence = Duration(), Duration()
    padding.FromMilliseconds(vad.prefix_padding_ms)
    silence.FromMilliseconds(vad.silence_ms)
    return Endpointing(threshold=vad.threshold, padding=padding, silence=silence)


BETA_FIELDS = {
    "input_audio_format": "format",
    "input_audio_transcription": "transcription",
    "input_audio_noise_reduction": "noise_reduction",
    "turn_detection": "turn_detection",
}
BETA_FORMATS = {"pcm16": "audio/pcm", "g711_ulaw": "audio/pcmu", "g711_alaw": "audio/pcma"}


def from_beta(session: Any) -> Any:
    """The names of today for those of the Realtime API's beta, which some clients still use."""
    if not isinstance(session, dict):
        return session
    given = {today: session[beta] for beta, today in BETA_FIELDS.items() if beta in session}
    if isinstance(given.get("format"), str):
        given["format"] = {"type": BETA_FORMATS.get(given["format"], given["format"])}
    return {"audio": {"input": given}, **{name: session[name] for name in ("include",) if name in session}}


BetaSession = Annotated[SessionConfig, BeforeValidator(from_beta)]
