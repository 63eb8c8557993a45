"""``audio-grpc envoy``."""

import signal
import subprocess
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from audio_grpc import config
from audio_grpc import envoy as sidecar
from audio_grpc.cli.console import (
    AllowOpenOption,
    ConfigOption,
    OtlpOption,
    TlsCertificateOption,
    TlsClientCaOption,
    TlsKeyOption,
)
from audio_grpc.envoy.render import LOOPBACK
from audio_grpc.listening import require_free
from audio_grpc.supervisor.managed_process import tethered

EXAMPLES = """
Examples:

audio-grpc envoy

audio-grpc envoy --server 10.0.0.5:50051 --server 10.0.0.6:50051

audio-grpc envoy --print > envoy.yaml && envoy -c envoy.yaml
"""

app = typer.Typer(add_completion=False)


@app.command(epilog=EXAMPLES)
def envoy(
    host: Annotated[str | None, typer.Option(help="Address to listen on. [127.0.0.1]")] = None,
    port: Annotated[int | None, typer.Option(help="Port that callers come to. [8080]")] = None,
    inside_port: Annotated[int | None, typer.Option(help="Port that the gateway calls. [8082]")] = None,
    admin_port: Annotated[int | None, typer.Option(help="Port for metrics and draining. [9901]")] = None,
    server: Annotated[
        list[str] | None, typer.Option(metavar="HOST:PORT", help="A replica of the server; repeatable.")
    ] = None,
    gateway: Annotated[
        str | None, typer.Option(metavar="HOST:PORT", help="The gateway. [127.0.0.1:8081]")
    ] = None,
    tls_certificate: TlsCertificateOption = None,
    tls_key: TlsKeyOption = None,
    tls_client_ca: TlsClientCaOption = None,
    servers_tls_ca: Annotated[
        Path | None, typer.Option(help="Call the servers by TLS, and trust these authorities, PEM.")
    ] = None,
    allow_open: AllowOpenOption = False,
    otlp_endpoint: OtlpOption = None,
    cors_origin: Annotated[
        list[str] | None, typer.Option(metavar="ORIGIN", help="Whose pages may call; repeatable, * for any.")
    ] = None,
    config_file: ConfigOption = None,
    print_only: Annotated[
        bool, typer.Option("--print", help="Print the configuration; run nothing.")
    ] = False,
    validate: Annotated[bool, typer.Option("--validate", help="Let Envoy check it; run nothing.")] = False,
) -> None:
    """Run Envoy in front of servers and a gateway that run already.

    SIGTERM and Ctrl-C end it at once; `POST /drain_listeners?graceful` on its admin port lets calls finish
    before.
    """
    given: dict[str, Any] = {
        "host": host,
        "port": port,
        "inside_port": inside_port,
        "admin_port": admin_port,
        "servers": server or None,
        "gateway": gateway,
        "tls_certificate": tls_certificate,
        "tls_key": tls_key,
        "tls_client_ca": tls_client_ca,
        "servers_tls_ca": servers_tls_ca,
        "cors_origins": cors_origin or None,
    }
    told = {name: value for name, value in given.items() if value is not None}
    settings = config.load(
        config_file, allow_open=allow_open or None, otlp_endpoint=otlp_endpoint, envoy=told
    )
    if print_only:
        sys.stdout.write(sidecar.render(settings))
        return
    if not validate:
        require_free(settings.envoy.host, settings.envoy.port, "--port, or [envoy] port")
        require_free(LOOPBACK, settings.envoy.inside_port, "--inside-port, or [envoy] inside_port")
        require_free(LOOPBACK, settings.envoy.admin_port, "--admin-port, or [envoy] admin_port")
    with sidecar.written(settings) as file:
        command = sidecar.command(settings, file)
        sys.exit(_run([*command, "--mode", "validate"] if validate else command))


def _run(command: list[str]) -> int:
    """Run a command, pass on the signals that end it, and return its exit status."""
    process = subprocess.Popen(tethered(command), start_new_session=True)  # noqa: S603 - our own command
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda received, _: process.send_signal(received))
    return process.wait()
