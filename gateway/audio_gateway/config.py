"""The gateway's settings: command line over AUDIO_GATEWAY_* over [gateway] of audio-grpc.toml over these."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from annotated_types import Ge, Gt, Le
from pydantic import Field, ValidationError
from pydantic_settings import (
    BaseSettings,
    InitSettingsSource,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)

from audio_grpc.errors import ConfigurationError
from audio_grpc.settings_file import DEFAULT_FILE, problems, tables

PREFIX = "AUDIO_GATEWAY_"
TABLE = "gateway"


class GatewaySettings(BaseSettings):
    """All settings. Unknown names are refused, wherever they come from."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, extra="forbid", frozen=True)

    host: str = "127.0.0.1"
    """Address to listen on."""
    port: Annotated[int, Ge(0), Le(65535)] = 8081
    """Port to listen on; 0 takes any free one."""
    server: str = "127.0.0.1:50051"
    """The gRPC service: itself, or a proxy in front of its replicas."""
    server_tls_ca: Path | None = None
    """PEM file of the authorities to trust; with it the gateway speaks TLS to the service."""
    server_tls_certificate: Path | None = None
    """PEM file of the gateway's own certificate, for a service that asks for one (mutual TLS)."""
    server_tls_key: Path | None = None
    """PEM file of its private key."""
    allow_open: bool = False
    """True to listen where others can reach the gateway, which has neither TLS nor keys of its own."""
    origins: tuple[str, ...] = ()
    """The origins of pages that may open WebSockets and send anything, beside its own and this machine's,
    such as https://app.example.com; "*" allows all. `audio-grpc up` sets it to Envoy's ``cors_origins``.
    """
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    """The least severe lines that are written."""
    log_format: Literal["text", "json"] = "text"
    """Lines for people, or a JSON object each for programs."""
    otlp_endpoint: Annotated[str, Field(pattern="^https?://.")] | None = None
    """The OTLP/HTTP address of a collector of traces, such as http://127.0.0.1:4318/v1/traces."""
    shutdown_grace_seconds: Annotated[int, Ge(0)] = 30
    """The seconds for which running requests may go on after SIGTERM or Ctrl-C."""
    max_file_bytes: Annotated[int, Gt(0)] = 25 << 20
    """Largest recording of one request; other bodies may have 1 MiB, long texts 12 MiB."""
    max_body_bytes_in_flight: Annotated[int, Gt(0)] = 128 << 20
    """The most that the bodies of all requests may hold that cannot be passed on piece by piece; beyond it,
    large ones get 429.
    """
    max_idle_seconds: Annotated[float, Gt(0)] = 60.0
    """The longest silence of a body, or of a WebSocket that has not asked the service for anything yet.

    Realtime transcription may be silent for as long as the socket answers pings, which come thrice in that
    time; after half of it, the next sound opens another stream to the service.
    """
    max_send_seconds: Annotated[float, Gt(0)] = 30.0
    """The seconds for which the caller of a WebSocket may leave its messages unread."""

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


def load(file: Path | None = None, **given: Any) -> GatewaySettings:
    """The settings, from the file's table [gateway] up to what is ``given``; None counts as not given.

    ConfigurationError says which name is wrong, and how.
    """
    _refuse_unknown_variables()
    from_file = _table(file)

    class WithFile(GatewaySettings):
        @classmethod
        def settings_customise_sources(
            cls, settings_cls: type[BaseSettings], *args: Any, **sources: Any
        ) -> tuple[PydanticBaseSettingsSource, ...]:
            above = super().settings_customise_sources(settings_cls, *args, **sources)
            return *above, InitSettingsSource(settings_cls, dict(from_file))

    try:
        return WithFile(**{name: value for name, value in given.items() if value is not None})
    except ValidationError as error:
        raise ConfigurationError(problems(error, GatewaySettings.model_fields)) from error


def _table(file: Path | None) -> Mapping[str, Any]:
    table: Any = tables(file).get(TABLE, {})
    if not isinstance(table, dict):
        raise ConfigurationError(
            f"{file or DEFAULT_FILE}: {TABLE} is no table; write its settings below [{TABLE}]"
        )
    return table


def _refuse_unknown_variables() -> None:
    known = {PREFIX + name.upper() for name in GatewaySettings.model_fields}
    for variable in os.environ:
        if variable.startswith(PREFIX) and variable not in known:
            raise ConfigurationError(f"{variable} is no setting; there are: {', '.join(sorted(known))}")
