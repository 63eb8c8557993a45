"""The one settings object: command line over environment over audio-grpc.toml over these defaults."""

import ipaddress
import os
from collections.abc import Mapping
from dataclasses import fields, replace
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from annotated_types import Ge, Gt, Le
from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)
from pydantic_settings import (
    BaseSettings,
    InitSettingsSource,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)

from audio_grpc import openai_names
from audio_grpc.addresses import ANY_ADDRESS, target
from audio_grpc.backends.base import ModelSpec
from audio_grpc.errors import ConfigurationError
from audio_grpc.pipelines import DEFAULT_PIPELINES, LOCAL_LLM_PORT, PipelineSpec, with_defaults
from audio_grpc.settings_file import (
    API_KEY_VARIABLE,
    DEFAULT_HOST,
    DEFAULT_PORT,
    PREFIX,
    problems,
    tables,
)

GATEWAY_PREFIX = "AUDIO_GATEWAY_"
# What the models are that come with the package. One of the same name in the configuration inherits
# what it leaves out.
DEFAULT_SYNTHESIZERS: Mapping[str, Mapping[str, Any]] = {
    "hibari": {
        "backend": "hibari",
        "resident": True,
    }
}
DEFAULT_TRANSCRIBERS: Mapping[str, Mapping[str, Any]] = {
    "whisper-base": {
        "backend": "faster-whisper",
        "resident": True,
    }
}


def _ip_address(value: str) -> str:
    try:
        return str(ipaddress.ip_address(value))
    except ValueError as error:
        raise ValueError(f"{value!r} is no IP address, such as 127.0.0.1, 0.0.0.0 or ::") from error


def _host_and_port(value: str) -> str:
    host, _, port = value.rpartition(":")
    if not host or not port.isdecimal() or not 0 < int(port) < 1 << 16:
        raise ValueError(f"{value!r} is not HOST:PORT, such as 127.0.0.1:50051")
    return value


Port = Annotated[int, Gt(0), Le(65535)]
HostAndPort = Annotated[str, AfterValidator(_host_and_port)]


class EnvoySettings(BaseModel):
    """Settings of the sidecar; envoy.yaml has the rest."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    host: Annotated[str, AfterValidator(_ip_address)] = "127.0.0.1"
    """Address that callers come to."""
    port: Port = 8080
    """Port that callers come to, whatever they speak."""
    inside_port: Port = 8082
    """Port on the loopback that the gateway calls the servers through."""
    admin_port: Port = 9901
    """Port on the loopback for metrics and for draining."""
    servers: tuple[HostAndPort, ...] = ()
    """Replicas of the server; empty for the one that these settings describe."""
    gateway: HostAndPort = "127.0.0.1:8081"
    """The address that the gateway listens at; if this is not said, the one that its own settings say."""
    tls_certificate: Path | None = None
    """Certificate chain in PEM, for TLS on the public port."""
    tls_key: Path | None = None
    """The private key in PEM."""
    tls_client_ca: Path | None = None
    """Certificates in PEM, one of which must have signed the certificate of every caller (mTLS)."""
    servers_tls_ca: Path | None = None
    """Authorities in PEM that signed the servers' certificates; None: the servers speak plain text."""
    servers_tls_certificate: Path | None = None
    """Envoy's own certificate in PEM, for servers that ask for one."""
    servers_tls_key: Path | None = None
    """The private key in PEM."""
    cors_origins: tuple[str, ...] = ()
    """Origins whose pages may call, such as https://app.example.com; "*" for any. Empty: this machine's.
    Pages of others are refused with 403, but for the gateway's own.
    """

    @model_validator(mode="after")
    def _tls_is_whole(self) -> Self:
        if (self.tls_certificate is None) != (self.tls_key is None):
            raise ValueError("tls_certificate and tls_key go together")
        if self.tls_client_ca and not self.tls_certificate:
            raise ValueError("tls_client_ca needs tls_certificate and tls_key")
        if (self.servers_tls_certificate is None) != (self.servers_tls_key is None):
            raise ValueError("servers_tls_certificate and servers_tls_key go together")
        if self.servers_tls_certificate and not self.servers_tls_ca:
            raise ValueError("servers_tls_certificate needs servers_tls_ca")
        return self


class LlmSettings(BaseModel):
    """The local language model."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    port: Port = LOCAL_LLM_PORT
    """Port on the loopback that it listens on."""
    path: Path | None = None
    """A GGUF file; None: the one that `make local-llm` installs."""
    context_tokens: Annotated[int, Gt(0)] = 8192
    """The size of the context, in tokens, that all conversations share."""
    parallel: Annotated[int, Gt(0)] = 2
    """The number of replies that it makes at the same time."""
    threads: Annotated[int, Ge(0)] = 0
    """The number of CPU threads; 0: half of the cores, since hearing and speaking need the others."""


class Settings(BaseSettings):
    """All settings. Unknown names are refused, wherever they come from."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, env_nested_delimiter="__", extra="forbid", frozen=True
    )

    host: str = DEFAULT_HOST
    """Address to listen on."""
    port: Annotated[int, Ge(0), Le(65535)] = DEFAULT_PORT
    """Port to listen on; 0 takes any free one."""
    keys_file: Path | None = None
    """The API keys that are let in, as `audio-grpc keys` writes them; None: calls need no key."""
    tls_certificate: Path | None = None
    """PEM file of the server's certificate and those between it and its authority; None: plain text."""
    tls_key: Path | None = None
    """PEM file of its private key."""
    tls_client_ca: Path | None = None
    """PEM file of authorities; callers need a certificate of one of them. None: they need none."""
    allow_open: bool = False
    """True to listen where others can reach the server, with neither keys nor TLS."""
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    """The least severe lines that are written."""
    log_format: Literal["text", "json"] = "text"
    """Lines for people, or a JSON object each for programs."""
    metrics_host: str = "127.0.0.1"
    """Address to serve metrics on."""
    metrics_port: Annotated[int, Ge(0), Le(65535)] | None = None
    """Port to serve metrics on, over HTTP; 0 takes any free one. None: nowhere."""
    otlp_endpoint: Annotated[str, Field(pattern="^https?://.")] | None = None
    """The OTLP/HTTP address of a collector of traces, such as http://127.0.0.1:4318/v1/traces; needs the
    extra ``[telemetry]``.
    """
    activity_previews: bool = True
    """True to show the first 100 characters of texts in activities (`audio-grpc status`, the dialects'
    status); logs and traces have no texts.
    """
    history: bool = False
    """True to keep requests in the database when they have ended."""
    history_audio: Literal["none", "speech", "all"] = "none"
    """The sound that is kept with requests: none, that which was made, or all, also that which was sent."""
    history_texts: bool = False
    """True to keep their whole texts; else only the beginnings, as far as ``activity_previews`` allows."""
    history_days: Annotated[float, Ge(0)] = 30.0
    """The days for which requests are kept; 0: until they are deleted."""
    max_history_audio_bytes: Annotated[int, Gt(0)] = 16 << 20
    """Largest sound of one request that is kept; of what is larger nothing is."""
    shutdown_grace_seconds: Annotated[float, Ge(0)] = 30.0
    """The seconds for which running calls may go on after SIGTERM or Ctrl-C."""
    drain_seconds: Annotated[float, Ge(0)] = 3.0
    """The seconds after SIGTERM in which calls are still accepted while health says NOT_SERVING, so that
    balancers notice; after Ctrl-C new calls are refused at once.
    """
    liveness_seconds: Annotated[float, Ge(0)] = 30.0
    """The seconds without an answer after which `audio-grpc up` kills and replaces a server, the gateway or
    Envoy; 0: never. A server that is busy, or loads a model, answers.
    """
    replicas: Annotated[int, Ge(1)] = 1
    """The number of servers of `audio-grpc up`, on ports from `port` on; what is chosen of the models is for
    a share of the cores and the memory.
    """
    max_text_characters: Annotated[int, Gt(0)] = 100_000
    """Longest text of one request."""
    max_idle_seconds: Annotated[float, Gt(0)] = 60.0
    """The seconds that a stream of live speech may hold its place without anything to do, and an upload its
    memory while nothing comes.
    """
    max_audio_bytes: Annotated[int, Gt(0)] = 64 << 20
    """Largest upload of one request."""
    max_audio_seconds: Annotated[float, Gt(0)] = 3600.0
    """Longest recording of one request, however small its file is."""
    voices_path: Path | None = None
    """Folder of the voices that were made from samples; several servers can share it. None: the user's."""
    max_voice_sample_bytes: Annotated[int, Gt(0)] = 10 << 20
    """Largest sample to make a voice of."""
    max_voices: Annotated[int, Gt(0)] = 1000
    """The most custom voices that a key may have; without keys, all callers together. Beyond:
    TOO_MANY_VOICES.
    """
    database_url: str | None = None
    """The database of jobs and history: a file, such as sqlite:////var/lib/audio-grpc/jobs.db, or
    postgresql://user@host/name for servers on several machines (needs the extra ``[postgresql]``). Such
    servers also tell of each other's activities. A server that starts brings its tables up to date; one of an
    earlier version does not use it any more. None: the user's own file.
    """
    results_url: str | None = None
    """Folder of the sound of jobs and of the history, or a URL that fsspec knows, such as s3://bucket/folder
    (needs the extra ``[fsspec]``); servers on one database share it. None: the user's."""
    max_job_characters: Annotated[int, Gt(0)] = 2_000_000
    """Longest text of one job."""
    max_waiting_jobs: Annotated[int, Gt(0)] = 100
    """The most jobs that have not ended that a key may have; without keys, all callers together. Beyond this
    and the next two: TOO_MANY_JOBS.
    """
    max_waiting_job_characters: Annotated[int, Gt(0)] = 20_000_000
    """The most characters of all the texts of a key's jobs that are not completed."""
    max_kept_jobs: Annotated[int, Gt(0)] = 10_000
    """The most jobs that a key may have, also those that have ended."""
    jobs_at_once: Annotated[int, Ge(0)] = 1
    """The number of jobs that this server runs at the same time; 0: it leaves them to others."""
    job_retention_days: Annotated[float, Ge(0)] = 30.0
    """The days for which a job and its sound are kept after it has ended; 0: until it is deleted."""
    job_lease_seconds: Annotated[float, Ge(1)] = 15.0
    """The seconds without a sign of life after which another server takes over a server's jobs."""
    max_upload_bytes_in_flight: Annotated[int, Gt(0)] = 512 << 20
    """Largest sum of the uploads that all calls hold at once; beyond it an upload is told to come later.

    A message that is still arriving counts only once it has: gRPC gives messages whole.
    """
    memory_limit_bytes: Annotated[int, Gt(0)] | None = None
    """The most of the machine's memory for this server; None: what the machine, or the container, has.

    Recordings wait for their turn, or are told to come later (MEMORY_SHORT), when they and the work on them
    would take more."""
    min_free_memory_bytes: Annotated[int, Ge(0)] = 256 << 20
    """The bytes that have to stay free (of the machine, or of the container): while less is, idle models that
    are not resident are unloaded, the longest idle first; 0: never.
    """
    min_free_device_memory_bytes: Annotated[int, Ge(0)] = 0
    """The bytes that have to stay free on each GPU with a model, as nvidia-smi tells them: while less is,
    idle models there that are not resident are unloaded; 0: never.
    """
    synthesizers: Mapping[str, ModelSpec] = Field(DEFAULT_SYNTHESIZERS, validate_default=True)
    """Text-to-speech models by name; the first is the default."""
    transcribers: Mapping[str, ModelSpec] = Field(DEFAULT_TRANSCRIBERS, validate_default=True)
    """Speech-to-text models by name; the first is the default."""
    pipelines: Mapping[str, PipelineSpec] = Field(default=DEFAULT_PIPELINES, validate_default=True)
    """Templates of conversations by name; the first is the default. Those of the package come last."""
    llm: LlmSettings = LlmSettings()
    """Settings of `audio-grpc llm`."""
    envoy: EnvoySettings = EnvoySettings()
    """The sidecar."""

    @field_validator("synthesizers", "transcribers", mode="before")
    @classmethod
    def _inherit(cls, models: Any, info: ValidationInfo) -> Any:
        defaults = DEFAULT_SYNTHESIZERS if info.field_name == "synthesizers" else DEFAULT_TRANSCRIBERS
        if not isinstance(models, Mapping):
            return models
        return {
            name: {**defaults.get(name, {}), **spec} if isinstance(spec, Mapping) else spec
            for name, spec in models.items()
        }

    @field_validator("pipelines", mode="before")
    @classmethod
    def _with_defaults(cls, pipelines: Any) -> Any:
        return with_defaults(pipelines) if isinstance(pipelines, Mapping) else pipelines

    @field_validator("synthesizers", "transcribers")
    @classmethod
    def _answer_to_openai(
        cls, models: Mapping[str, ModelSpec], info: ValidationInfo
    ) -> Mapping[str, ModelSpec]:
        assert info.field_name is not None, "it validates fields"
        if not models:
            return models
        default, spec = next(iter(models.items()))
        taken = {*models, *(alias for model in models.values() for alias in model.aliases)}
        free = (name for name in openai_names.LISTED[info.field_name] if name not in taken)
        return {**models, default: replace(spec, aliases=(*spec.aliases, *free))}

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Gives values set in code priority over the environment; :func:`load` adds the file below both."""
        return init_settings, env_settings


KNOWN = (*Settings.model_fields, *EnvoySettings.model_fields, *(one.name for one in fields(ModelSpec)))
"""Names of settings, for whoever has mistyped one."""


def load(file: Path | None = None, **given: Any) -> Settings:
    """The settings, from the file named (or ./audio-grpc.toml if there is one) up to what is ``given``.

    A ``given`` value of None counts as not given. ConfigurationError says which name is wrong, and how.
    """
    _refuse_unknown_variables()
    from_file = tables(file)
    from_file.pop("gateway", None)  # the gateway reads its table itself
    if gateway := gateway_address(file):
        from_file["envoy"] = {"gateway": gateway, **from_file.get("envoy", {})}

    class WithFile(Settings):
        @classmethod
        def settings_customise_sources(
            cls, settings_cls: type[BaseSettings], *args: Any, **sources: Any
        ) -> tuple[PydanticBaseSettingsSource, ...]:
            above = super().settings_customise_sources(settings_cls, *args, **sources)
            return *above, InitSettingsSource(settings_cls, from_file)

    try:
        return WithFile(**{name: value for name, value in given.items() if value is not None})
    except ValidationError as error:
        raise ConfigurationError(problems(error, KNOWN)) from error


def gateway_address(file: Path | None = None) -> str | None:
    """Reads where the gateway's own settings have it listen: HOST:PORT to call it by; None if not said."""
    table = tables(file).get("gateway")
    written = table if isinstance(table, dict) else {}  # if it is none, the gateway says so
    host, port = (
        os.environ.get(f"{GATEWAY_PREFIX}{name.upper()}") or written.get(name) for name in ("host", "port")
    )
    if not host and not port:
        return None
    usual_host, _, usual_port = EnvoySettings().gateway.rpartition(":")
    called = usual_host if host in (None, *ANY_ADDRESS) else host
    return target(called, port or usual_port)


def _refuse_unknown_variables() -> None:
    known = {PREFIX + name.upper() for name in Settings.model_fields}
    for variable in os.environ:
        if variable == API_KEY_VARIABLE:
            continue
        if variable.startswith(PREFIX) and variable.partition("__")[0] not in known:
            raise ConfigurationError(f"{variable} is no setting; there are: {', '.join(sorted(known))}")
