"""The command ``audio-gateway``; the only reader of arguments and environment."""

import asyncio
import gc
import signal
import sys
from pathlib import Path
from typing import Annotated, Any

import typer
import uvicorn
from opentelemetry.trace import TracerProvider

from audio_gateway import config
from audio_gateway.app import make_app
from audio_gateway.config import GatewaySettings
from audio_gateway.frames import BoundedSocket
from audio_gateway.protection import require_consent
from audio_gateway.warm_up import warm_up
from audio_grpc import __version__
from audio_grpc.errors import ConfigurationError
from audio_grpc.listening import require_free
from audio_grpc.telemetry.export import exporting
from audio_grpc.telemetry.logs import start_logging, stream_handler

EXAMPLES = """
Examples:

audio-gateway

audio-gateway --port 9000 --server 10.0.0.5:50051

audio-gateway --server speech.example.com:50051 --server-tls-ca ca.pem

audio-gateway --host 0.0.0.0 --allow-open --origin https://app.example.com

audio-gateway --log-format json --otlp-endpoint http://127.0.0.1:4318/v1/traces

AUDIO_GATEWAY_LOG_LEVEL=DEBUG audio-gateway --config audio-grpc.toml
"""
BACKLOG = 2048
SERVICE_NAME = "audio-gateway"

app = typer.Typer(
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@app.command(epilog=EXAMPLES)
def gateway(
    host: Annotated[str | None, typer.Option(help="Address to listen on. [127.0.0.1]")] = None,
    port: Annotated[int | None, typer.Option(help="Port to listen on; 0: any. [8081]")] = None,
    server: Annotated[
        str | None, typer.Option(metavar="HOST:PORT", help="The gRPC service. [127.0.0.1:50051]")
    ] = None,
    server_tls_ca: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Speak TLS to it, and trust the authorities in this PEM file, "
            "such as /etc/ssl/certs/ca-certificates.crt.",
        ),
    ] = None,
    allow_open: Annotated[
        bool, typer.Option("--allow-open", help="Listen where others can call, without TLS.")
    ] = False,
    origin: Annotated[
        list[str] | None,
        typer.Option(metavar="ORIGIN", help="Whose pages may call beside its own; repeatable, * for any."),
    ] = None,
    config_file: Annotated[
        Path | None,
        typer.Option("--config", metavar="FILE", help="Configuration; ./audio-grpc.toml by default."),
    ] = None,
    log_level: Annotated[str | None, typer.Option(help="DEBUG, INFO, WARNING or ERROR. [INFO]")] = None,
    log_format: Annotated[str | None, typer.Option(help=r"text or json. \[text]")] = None,
    otlp_endpoint: Annotated[
        str | None, typer.Option(metavar="URL", help=r"Where to send traces, over OTLP/HTTP. \[nowhere]")
    ] = None,
    version: Annotated[bool, typer.Option("--version", help="Show the version and exit.")] = False,
) -> None:
    """Speak OpenAI's HTTP API for an audio-grpc service, until Ctrl-C; running requests may finish then."""
    if version:
        typer.echo(f"audio-gateway {__version__}")
        return
    settings = config.load(
        config_file,
        host=host,
        port=port,
        server=server,
        server_tls_ca=server_tls_ca,
        allow_open=allow_open or None,
        origins=origin or None,
        log_level=log_level and log_level.upper(),
        log_format=log_format,
        otlp_endpoint=otlp_endpoint,
    )
    start_logging(settings.log_level, stream_handler(settings.log_format))
    with exporting(settings.otlp_endpoint, SERVICE_NAME) as tracer_provider:
        serve(settings, tracer_provider)


def serve(settings: GatewaySettings, tracer_provider: TracerProvider | None) -> None:
    """Run until SIGTERM or Ctrl-C."""
    require_consent(settings.host, allow_open=settings.allow_open)
    require_free(settings.host, settings.port, "--port, AUDIO_GATEWAY_PORT or [gateway] port")
    # uvicorn raises a signal again once it has shut down in good order; that is no failure.
    signal.signal(signal.SIGTERM, lambda *_: None)
    app = make_app(settings, tracer_provider)
    asyncio.run(warm_up(app))
    # What exists now stays: to look through it again would stop every answer for 40 to 80 ms each time.
    gc.collect()
    gc.freeze()
    uvicorn.run(
        app,
        host=settings.host,
        port=settings.port,
        loop="auto" if sys.platform == "win32" else "uvloop",
        http=_http(),
        ws=BoundedSocket,
        backlog=BACKLOG,
        access_log=False,
        log_config=None,
        server_header=False,
        # Who is silent lives as long as these are answered.
        ws_ping_interval=settings.max_idle_seconds / 3,
        ws_ping_timeout=settings.max_idle_seconds / 3,
        timeout_graceful_shutdown=settings.shutdown_grace_seconds,
    )


def _http() -> Any:
    if sys.platform == "win32":
        return "auto"
    from audio_gateway.http import BoundedHttp  # with httptools, which Windows is without

    return BoundedHttp


def main() -> None:
    """Run the command; errors that a person can mend are one line, and an exit status."""
    try:
        app()
    except ConfigurationError as error:
        typer.echo(f"error: configuration: {error}", err=True)
        sys.exit(2)
