"""Options of a model that is served elsewhere. docs/guides/upstream.md has the table."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from annotated_types import Ge, Gt, MinLen
from pydantic import AfterValidator, ConfigDict

from audio_grpc.backends.base import OPENAI_VOICES, AtLeastOne, NotNegative

Seconds = Annotated[float, Gt(0)]


def _base_url(value: str) -> str:
    """Returns the URL without its last slash. Raises ValueError for one with a key, which would be logged."""
    scheme, _, rest = value.partition("://")
    if scheme not in ("http", "https") or not rest:
        raise ValueError("it is no URL, such as https://api.example.com/v1")
    if any(mark in rest for mark in "@?#"):
        raise ValueError("it has a password or a query; give the key as api_key_env or api_key_file")
    return value.rstrip("/")


@dataclass(frozen=True, kw_only=True)
class UpstreamOptions:
    """Options of one provider of the model."""

    __pydantic_config__ = ConfigDict(extra="forbid")

    base_url: Annotated[str, AfterValidator(_base_url)]
    """Up to the paths of the API, such as https://api.openai.com/v1."""
    model: str
    """The model's name there."""
    api_key_env: str | None = None
    """Environment variable that holds the key."""
    api_key_file: Path | None = None
    """File that holds the key, and nothing else. Without either, no key is sent."""
    connect_seconds: Seconds = 5.0
    """The seconds that connecting may take."""
    first_result_seconds: Seconds = 60.0
    """The seconds until the first sound or text has to come, or all of an answer in one piece."""
    idle_seconds: Seconds = 30.0
    """The seconds that each following piece may take."""
    retries: NotNegative = 1
    """The number of retries of a failed call, if a retry may help, before the next provider is asked."""
    failures_to_open: AtLeastOne = 5
    """The number of failures in a row after which it gets no requests."""
    open_seconds: Seconds = 30.0
    """The seconds until one call may then try again."""

    def key(self) -> str | None:
        """Returns the key, None if none is configured. Raises RuntimeError if it is missing."""
        if self.api_key_env is not None:
            key = os.environ.get(self.api_key_env, "")
            place = f"the environment variable {self.api_key_env}"
        elif self.api_key_file is not None:
            try:
                key = self.api_key_file.read_text().strip()
            except (OSError, UnicodeDecodeError) as error:
                raise RuntimeError(f"{self.api_key_file} cannot be read: {error}") from error
            place = str(self.api_key_file)
        else:
            return None
        if not (key and key.isascii() and key.isprintable()):
            raise RuntimeError(f"{place} holds no key for {self.base_url}; put it there")
        return key


@dataclass(frozen=True, kw_only=True)
class SpeechUpstream(UpstreamOptions):
    """Options of one provider of speech."""

    response_format: Literal["pcm", "wav", "mp3"] = "pcm"
    """The format to ask it for; pcm is 16-bit little-endian mono."""
    sample_rate_hertz: Annotated[int, Ge(8000), Gt(0)] = 24000
    """The rate of its pcm."""
    stream_format: Literal["audio", "sse"] = "audio"
    """Bare audio, or server-sent events, which say what was used and when the audio is whole."""


@dataclass(frozen=True, kw_only=True)
class TranscriptUpstream(UpstreamOptions):
    """Options of one provider of transcripts."""

    streaming: bool = False
    """True if it sends text while it transcribes (server-sent events); such text has no times."""
    verbose_json: bool = True
    """True if it can return segments and words with their times."""


@dataclass(frozen=True, kw_only=True)
class SpeakerOptions:
    """Options of a synthesiser."""

    __pydantic_config__ = ConfigDict(extra="forbid")

    upstreams: Annotated[tuple[SpeechUpstream, ...], MinLen(1)]
    """Providers, the one to ask first first."""
    voices: Annotated[tuple[str, ...], MinLen(1)] = OPENAI_VOICES
    """Names of its voices; the first is the default one."""
    any_voice: bool = False
    """True to pass on other names of voices as well."""
    honours: frozenset[Literal["speed", "instructions"]] = frozenset({"speed", "instructions"})
    """Options that have an effect there; others are not sent, and callers are told."""
    max_characters: AtLeastOne = 4096
    """The most characters of one request to a provider."""
    max_seconds_per_character: Seconds = 1.5
    """The longest plausible sound of a character; an answer longer than that plus ten seconds is ended."""


@dataclass(frozen=True, kw_only=True)
class ListenerOptions:
    """Options of a transcriber."""

    __pydantic_config__ = ConfigDict(extra="forbid")

    upstreams: Annotated[tuple[TranscriptUpstream, ...], MinLen(1)]
    """Providers, the one to ask first first."""
