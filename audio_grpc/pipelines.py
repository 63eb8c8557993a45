"""Templates of conversations: the configuration's, and those that exist without any configuration."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from annotated_types import Ge, Gt, Le
from pydantic import BaseModel, ConfigDict, Field

LOCAL_LLM_PORT = 8083
LOCAL_LLM = f"http://127.0.0.1:{LOCAL_LLM_PORT}/v1"

Seconds = Annotated[float, Gt(0)]
Tokens = Annotated[int, Ge(1), Le(100_000)]


class _Spec(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class VadSpec(_Spec):
    """Settings for finding the end of an utterance."""

    enabled: bool = True
    """True if a silence ends an utterance; else only the caller does."""
    silence_threshold_ms: Annotated[int, Ge(100), Le(5000)] = 500
    """The length of that silence in milliseconds."""


class SttSpec(_Spec):
    """Settings for transcribing the caller."""

    model: str = ""
    """Name or alias of a transcriber; empty for the default."""
    language: str = ""
    """BCP-47 code; empty to have it detected."""
    streaming: bool = True
    """True to send hypotheses while the caller speaks."""
    vad: VadSpec = VadSpec()
    """The end of an utterance."""


class LlmSpec(_Spec):
    """Settings of the language model that replies: any endpoint with OpenAI's chat completions."""

    base_url: Annotated[str, Field(pattern="^https?://.")] = LOCAL_LLM
    """Up to and with the version, such as https://api.openai.com/v1."""
    key_env: str = ""
    """Name of the environment variable that holds the endpoint's key; empty: it needs none."""
    key_file: Path | None = None
    """A file that holds the key, read at each request; in place of ``key_env``."""
    model: str = ""
    """The endpoint's name for the model; empty for an endpoint that has only one."""
    system_prompt: str = "You are a helpful voice assistant. Answer in one or two short sentences."
    """What the model is told before the conversation."""
    max_tokens: Tokens = 100
    """The longest reply."""
    max_tokens_field: Literal["max_tokens", "max_completion_tokens"] = "max_tokens"
    """The endpoint's name for that field; OpenAI's newer models want the second."""
    temperature: Annotated[float, Ge(0), Le(2)] | None = None
    """The variation of replies; None: the endpoint's own."""
    history_tokens: Annotated[int, Ge(1)] = 1500
    """The most tokens of a conversation in one request, estimated at four characters a token."""
    connect_seconds: Seconds = 5.0
    """The seconds that connecting may take."""
    first_token_seconds: Seconds = 30.0
    """The seconds until the first token has to come."""
    idle_seconds: Seconds = 15.0
    """The longest pause between two tokens."""


class TtsSpec(_Spec):
    """Settings for speaking a reply."""

    model: str = ""
    """Name or alias of a synthesiser; empty for the default."""
    voice: str = ""
    """Name or alias of a voice, such as a persona; empty for the model's first."""
    streaming: bool = True
    """True to start speech before the reply is complete."""


class PipelineSpec(_Spec):
    """A template."""

    stt: SttSpec = SttSpec()
    llm: LlmSpec = LlmSpec()
    tts: TtsSpec = TtsSpec()


DEFAULT_PIPELINES: Mapping[str, Mapping[str, Mapping[str, Any]]] = {
    "voice-agent-fast": {},
    # Waits longer before it takes a pause for the end, says more, and remembers more.
    "voice-agent-premium": {
        "stt": {"vad": {"silence_threshold_ms": 800}},
        "llm": {"max_tokens": 400, "history_tokens": 3000},
    },
}


def with_defaults(configured: Mapping[str, Any]) -> dict[str, Any]:
    """The configured templates, which inherit from the default one of their name; then the others."""
    return {
        name: _merged(DEFAULT_PIPELINES.get(name, {}), configured.get(name, {}))
        for name in [*configured, *(name for name in DEFAULT_PIPELINES if name not in configured)]
    }


def _merged(below: Any, above: Any) -> Any:
    """Tables are merged, table by table; of anything else the one above counts."""
    if not isinstance(below, Mapping) or not isinstance(above, Mapping):
        return above
    return {**below, **{name: _merged(below.get(name, {}), value) for name, value in above.items()}}
