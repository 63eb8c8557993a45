"""The fields of OpenAI's multipart requests."""

import json
from collections.abc import Mapping
from typing import Any, Literal, Self, TypeVar

from google.protobuf.duration_pb2 import Duration
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from audio_gateway.dialects.openai.languages import expected
from audio_gateway.errors import ApiError
from audio_gateway.multipart import Fields
from audio_gateway.problems import from_validation
from audio_grpc.client import Task, UploadOptions
from audio_grpc.v1.speech_to_text_pb2 import VoiceActivityParameters

LISTS = ("include", "timestamp_granularities", "keywords", "languages")
NESTED = "chunking_strategy["
SPEAKERS: tuple[str, ...] = ("known_speaker_names", "known_speaker_references")


Form = TypeVar("Form", bound=BaseModel)


class ServerVad(BaseModel):
    """Options for finding stretches of speech."""

    type: Literal["server_vad"]
    prefix_padding_ms: int = Field(300, ge=0, le=10_000)
    silence_duration_ms: int = Field(200, ge=0, le=10_000)
    threshold: float = Field(0.5, ge=0.0, le=1.0)


class TranslationForm(BaseModel):
    """A recording to hear, and how to write it down, in English.

    Fields that are not listed are ignored, and named in x-ignored-fields.
    """

    model_config = ConfigDict(extra="allow")

    model: str = Field(description="Name or alias of a model, such as whisper-1.")
    prompt: str | None = Field(None, description="Text that came before, or spellings to expect.")
    response_format: Literal["json", "text", "srt", "verbose_json", "vtt"] = "json"
    temperature: float | None = Field(None, ge=0.0, le=1.0)
    stream: bool = Field(False, description="Server-sent events, for json and text.")

    @property
    def ignored_fields(self) -> tuple[str, ...]:
        """Names of the fields that have no effect."""
        return tuple(self.model_extra or ())

    @property
    def granularities(self) -> tuple[str, ...]:
        """The parts that have times in verbose_json."""
        return ("segment",)

    @property
    def streamed_times(self) -> tuple[str, ...]:
        """The parts that have times in the events."""
        return ()

    @property
    def wants_logprobs(self) -> bool:
        """True if probabilities were asked for."""
        return False

    def options(self, task: Task) -> UploadOptions:
        """Returns the options for a call of the service."""
        return {
            "model": self.model,
            "task": task,
            "prompt": self.prompt,
            "temperature": self.temperature,
        }

    @model_validator(mode="after")
    def _streamed_as_events(self) -> Self:
        if self.stream and self.response_format not in ("json", "text"):
            raise ValueError(
                "stream: events come with response_format json or text; "
                "leave stream out, srt and vtt are sent as they are made anyway"
            )
        return self


class TranscriptForm(TranslationForm):
    """A recording to hear, and how to write it down."""

    response_format: Literal["json", "text", "srt", "verbose_json", "vtt", "diarized_json"] = "json"  # type: ignore[assignment]
    language: str | None = Field(None, description="ISO 639-1, such as en; detected if left out.")
    languages: list[str] = Field([], description="Those that may be spoken; one of them is detected.")
    include: list[Literal["logprobs"]] = []
    timestamp_granularities: list[Literal["word", "segment"]] = []
    chunking_strategy: Literal["auto"] | ServerVad | None = Field(
        None, description="auto, or the voice detector's parameters as a JSON object."
    )
    keywords: list[str] = Field([], description="Words to favour.")

    @property
    def ignored_fields(self) -> tuple[str, ...]:
        """Names of the fields that have no effect; times come with verbose_json, or with events."""
        has_times = self.response_format == "verbose_json" or self.stream
        without_times = self.timestamp_granularities and not has_times
        return (*super().ignored_fields, *(("timestamp_granularities",) if without_times else ()))

    @property
    def granularities(self) -> tuple[str, ...]:
        """The parts that have times in verbose_json."""
        return tuple(self.timestamp_granularities) or ("segment",)

    @property
    def streamed_times(self) -> tuple[str, ...]:
        """The parts that have times in the events; none unless they were asked for."""
        return tuple(self.timestamp_granularities)

    @property
    def wants_logprobs(self) -> bool:
        """True if probabilities were asked for."""
        return "logprobs" in self.include

    def options(self, task: Task) -> UploadOptions:
        """Returns the options for a call of the service."""
        language, languages = expected(self.language, self.languages)
        options: UploadOptions = {
            **super().options(task),
            "language_code": language,
            "language_codes": languages,
            "hotwords": self.keywords,
            "word_timestamps": self._wants_words,
        }
        if self.chunking_strategy is not None:
            options["voice_activity_detection"] = True
        if isinstance(self.chunking_strategy, ServerVad):
            options["voice_activity_parameters"] = _parameters(self.chunking_strategy)
        return options

    @property
    def _wants_words(self) -> bool:
        has_times = "timestamp_granularities" not in self.ignored_fields
        return self.wants_logprobs or (has_times and "word" in self.granularities)

    @field_validator("chunking_strategy", mode="before")
    @classmethod
    def _from_json(cls, value: Any) -> Any:
        return json.loads(value) if isinstance(value, str) and value.lstrip().startswith("{") else value

    @model_validator(mode="after")
    def _possible(self) -> Self:
        if self.response_format == "diarized_json":
            raise ValueError("response_format: no configured model can tell speakers apart; choose another")
        if self.include and self.response_format != "json":
            raise ValueError("include: logprobs come with response_format json")
        return self


class VoiceForm(BaseModel):
    """A new voice: its name, consent and transcript. Fields that are not listed are ignored."""

    name: str
    type: Literal["audio_sample"] = "audio_sample"
    consent: str = Field("", description="Where the speaker's agreement is recorded.")
    transcript: str = Field("", description="What the sample says; some models need it.")
    language: str = Field("", description="BCP-47 code of what the sample says.")


def _parameters(vad: ServerVad) -> VoiceActivityParameters:
    padding, silence = Duration(), Duration()
    padding.FromMilliseconds(vad.prefix_padding_ms)
    silence.FromMilliseconds(vad.silence_duration_ms)
    return VoiceActivityParameters(threshold=vad.threshold, min_silence=silence, padding=padding)


def read_transcript_form(fields: Fields) -> TranscriptForm:
    """Reads the form. Raises ApiError with status 400 for impossible values."""
    for name in SPEAKERS:
        if _values(fields, name):
            raise ApiError(400, "no configured model can tell speakers apart; leave it out", param=name)
    lists = {name: values for name in LISTS if (values := _values(fields, name))}
    nested = {
        name.removeprefix(NESTED).removesuffix("]"): values[-1]
        for name, values in fields.items()
        if name.startswith(NESTED) and values[-1]
    }
    chunking = {"chunking_strategy": nested} if nested else {}
    brackets = {f"{name}[]" for name in LISTS}
    scalars = {
        name: value
        for name, value in _scalars(fields).items()
        if name not in brackets and not name.startswith(NESTED)
    }
    return _validated(TranscriptForm, {**scalars, **lists, **chunking})


def read_translation_form(fields: Fields) -> TranslationForm:
    """Reads the form. Raises ApiError with status 400 for impossible values."""
    return _validated(TranslationForm, _scalars(fields))


def read_voice_form(fields: Fields) -> VoiceForm:
    """Reads the form. Raises ApiError with status 400 for impossible values."""
    return _validated(VoiceForm, _scalars(fields))


def _values(fields: Fields, name: str) -> list[str]:
    """Returns an array's values, with or without brackets: OpenAI's clients send ``name[]``, people ``name``.

    Empty ones count as left out.
    """
    return [value for value in (*fields.get(f"{name}[]", []), *fields.get(name, [])) if value]


def _scalars(fields: Fields) -> dict[str, Any]:
    """The last value of each field; an empty one counts as left out, save for the model."""
    last = {name: values[-1] for name, values in fields.items() if name not in LISTS}
    return {name: value for name, value in last.items() if value or name == "model"}


def _validated(kind: type[Form], values: Mapping[str, Any]) -> Form:
    try:
        return kind.model_validate(values)
    except ValidationError as error:
        raise from_validation(error.errors()) from error
