"""Options of a pipeline: a template, and changes to it."""

from typing import Annotated, Literal

from google.protobuf.duration_pb2 import Duration
from pydantic import Field

from audio_gateway.shapes import Body
from audio_gateway.speech import Format
from audio_grpc.client import ConverseOptions, Encoding, ListenOptions, LiveSpeechOptions, ThinkOptions
from audio_grpc.v1.speech_to_text_pb2 import Endpointing

RATE_HERTZ = 24000
MAX_CONTEXT_CHARACTERS = 100_000
MAX_MESSAGES = 1000

Name = Annotated[str, Field(max_length=256)]
Prompt = Annotated[str, Field(max_length=MAX_CONTEXT_CHARACTERS)]


class Stt(Body):
    """Options for transcribing the caller."""

    model: Name = ""
    language: Name = Field(default="", description="BCP-47; detected if left out.")


class Llm(Body):
    """Options of the language model."""

    model: Name = ""
    system_prompt: Prompt | None = None
    max_tokens: int | None = Field(default=None, ge=1, le=100_000)
    temperature: float | None = Field(default=None, ge=0.0, le=2.0)


class Tts(Body):
    """Options for speaking the replies."""

    model: Name = ""
    voice: Name = Field(default="", description="A voice, or a persona such as friendly.")
    speed: float | None = Field(default=None, ge=0.25, le=4.0)


class Vad(Body):
    """Options for finding the end of an utterance."""

    enabled: bool = True
    silence_threshold_ms: int = Field(500, ge=100, le=5000)


class Overrides(Body):
    """Options that replace the template's."""

    stt: Stt = Stt()
    llm: Llm = Llm()
    tts: Tts = Tts()
    vad: Vad | None = None


class PastMessage(Body):
    """An earlier message of the conversation."""

    role: Literal["user", "assistant"]
    content: Prompt


class PipelineOptions(Overrides):
    """A template, and what is to be different: at the top or below ``overrides``, which comes first."""

    template: Name = Field(default="", description="Name of a pipeline; the first if left out.")
    context: Prompt = Field(default="", description="What the language model should know.")
    history: list[PastMessage] = Field(default=[], max_length=MAX_MESSAGES)
    audio_format: Format = "mp3"
    sample_rate: int = Field(default=RATE_HERTZ, ge=8000, le=48000)
    overrides: Overrides | None = None

    def options(self) -> ConverseOptions:
        """Returns the options for a call of the service."""
        asked = self.overrides or self
        return {
            "template": self.template,
            "context": self.context,
            "history": [(message.role, message.content) for message in self.history],
            "thinking": _thinking(asked.llm),
            "speaking": self._speaking(asked.tts),
            "hearing": _hearing(asked),
        }

    def _speaking(self, tts: Tts) -> LiveSpeechOptions:
        return {
            "model": tts.model,
            "voice": tts.voice,
            "speed": tts.speed,
            "encoding": Encoding(self.audio_format),
            "sample_rate_hertz": self.sample_rate,
        }


def _thinking(llm: Llm) -> ThinkOptions:
    return {
        "model": llm.model,
        "system_prompt": llm.system_prompt,
        "max_tokens": llm.max_tokens,
        "temperature": llm.temperature,
    }


def _hearing(asked: Overrides) -> ListenOptions:
    hearing: ListenOptions = {"model": asked.stt.model, "language_code": asked.stt.language}
    if asked.vad is not None:
        silence = Duration()
        silence.FromMilliseconds(asked.vad.silence_threshold_ms)
        hearing["endpointing"] = Endpointing(manual=not asked.vad.enabled, silence=silence)
    return hearing
