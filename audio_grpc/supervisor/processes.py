"""The processes that the supervisor runs, and their commands."""

import shutil
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from audio_grpc import envoy
from audio_grpc.config import Settings, gateway_address
from audio_grpc.envoy.render import LOOPBACK
from audio_grpc.errors import ConfigurationError
from audio_grpc.supervisor.liveness import http_probe, server_probe
from audio_grpc.supervisor.log import Log
from audio_grpc.supervisor.managed_process import LONGEST_PAUSE_OF_A_DOOR, ManagedProcess
from audio_grpc.supervisor.ports import KeptPort, require_ports


class Replica(ManagedProcess):
    """A server on a port of the loopback, which Envoy sends calls to."""

    def __init__(
        self, name: str, port: int, options: Sequence[str], log: Log, *, patience_seconds: float
    ) -> None:
        self.address = f"{LOOPBACK}:{port}"
        listen = ("--host", LOOPBACK, "--port", str(port))
        super().__init__(
            name,
            [script("audio-grpc"), "serve", *listen, *options],
            log,
            probe=server_probe(self.address),
            patience_seconds=patience_seconds,
        )


@dataclass(frozen=True)
class StackProcesses:
    """The processes; the spare replica has an address with Envoy too, but runs during a renewal only."""

    replicas: Sequence[Replica]
    spare: Replica
    spare_port: KeptPort
    gateway: ManagedProcess
    envoy: ManagedProcess
    llm: ManagedProcess | None = None
    """The local language model, if it is wanted."""


def prepare_processes(
    settings: Settings, envoy_file: Path, log: Log, config_file: Path | None = None, *, llm: bool = False
) -> StackProcesses:
    """The processes that ``settings`` ask for; writes Envoy's configuration. Raises ConfigurationError."""
    if settings.tls_certificate:
        raise ConfigurationError(
            "tls_certificate is of a server that callers reach; here they reach Envoy: move it, tls_key and "
            "tls_client_ca to the table [envoy]"
        )
    _require_one_gateway(settings, config_file)
    require_ports(settings, llm=llm)
    patience = settings.liveness_seconds
    common = _common_options(settings, config_file)
    keys = ("--keys-file", str(settings.keys_file)) if settings.keys_file else ()
    serve = [*common, *keys, "--replicas", str(settings.replicas)]
    replicas = [
        Replica(
            f"server-{number}",
            port,
            [*serve, *_metrics(settings, number - 1)],
            log,
            patience_seconds=patience,
        )
        for number, port in enumerate(_ports(settings), 1)
    ]
    spare_port = KeptPort()
    spare = Replica(
        *("spare", spare_port.number, [*serve, *_metrics(settings, settings.replicas)], log),
        patience_seconds=patience,
    )
    servers = tuple(replica.address for replica in (*replicas, spare))
    with_servers = settings.envoy.model_copy(update={"servers": servers})
    envoy_file.write_text(envoy.render(settings.model_copy(update={"envoy": with_servers})))
    return StackProcesses(
        replicas=replicas,
        spare=spare,
        spare_port=spare_port,
        gateway=ManagedProcess(
            "gateway",
            [*_gateway(settings), *common],
            log,
            probe=http_probe(settings.envoy.gateway, "/livez"),
            patience_seconds=patience,
            longest_pause=LONGEST_PAUSE_OF_A_DOOR,
        ),
        envoy=ManagedProcess(
            "envoy",
            envoy.command(settings, envoy_file),
            log,
            probe=http_probe(f"{LOOPBACK}:{settings.envoy.admin_port}", "/ready"),
            patience_seconds=patience,
            longest_pause=LONGEST_PAUSE_OF_A_DOOR,
        ),
        llm=ManagedProcess(
            "llm",
            [script("audio-grpc"), "llm", *_config(config_file)],
            log,
            probe=http_probe(f"{LOOPBACK}:{settings.llm.port}", "/health"),
            patience_seconds=patience,
        )
        if llm
        else None,
    )


def _require_one_gateway(settings: Settings, config_file: Path | None) -> None:
    said = gateway_address(config_file)
    if said and said != settings.envoy.gateway:
        raise ConfigurationError(
            f"the gateway listens on {said} by its own settings (AUDIO_GATEWAY_HOST, AUDIO_GATEWAY_PORT, "
            f"[gateway]), and Envoy looks for it on {settings.envoy.gateway} ([envoy] gateway): leave one out"
        )


def _config(config_file: Path | None) -> list[str]:
    return ["--config", str(config_file)] if config_file else []


def _common_options(settings: Settings, config_file: Path | None) -> list[str]:
    """Returns the command-line options that servers and gateway have in common."""
    options = ["--log-level", settings.log_level, "--log-format", settings.log_format]
    if settings.otlp_endpoint:
        options += ["--otlp-endpoint", settings.otlp_endpoint]
    return [*options, *_config(config_file)]


def _metrics(settings: Settings, number: int) -> list[str]:
    """A port for each server's metrics: that of the settings is the first one's."""
    return ["--metrics-port", str(settings.metrics_port + number)] if settings.metrics_port else []


def _gateway(settings: Settings) -> list[str]:
    host, _, port = settings.envoy.gateway.rpartition(":")
    inside = f"{LOOPBACK}:{settings.envoy.inside_port}"
    command = [script("audio-gateway"), "--host", host.strip("[]"), "--port", port, "--server", inside]
    return command + [word for origin in settings.envoy.cors_origins for word in ("--origin", origin)]


def _ports(settings: Settings) -> list[int]:
    if settings.port:
        return [settings.port + number for number in range(settings.replicas)]
    # Kept all at once, so that they differ.
    kept = [KeptPort() for _ in range(settings.replicas)]
    for port in kept:
        port.release()
    return [port.number for port in kept]


def script(name: str) -> str:
    """Path of a command of this package: beside the interpreter, or on PATH. Raises ConfigurationError."""
    beside = Path(sys.executable).with_name(name)
    found = str(beside) if beside.exists() else shutil.which(name)
    if found is None:
        raise ConfigurationError(f"the command {name} is not installed; install audio-grpc again, with pip")
    return found
