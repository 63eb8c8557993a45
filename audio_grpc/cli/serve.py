"""``audio-grpc serve``."""

import asyncio
import logging
import sys
from contextlib import nullcontext
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.logging import RichHandler

from audio_grpc import config
from audio_grpc.cli.console import (
    AllowOpenOption,
    ConfigOption,
    KeysFileOption,
    LogFormatOption,
    LogLevelOption,
    OtlpOption,
    SelfCheckOption,
    TlsCertificateOption,
    TlsClientCaOption,
    TlsKeyOption,
    console,
)
from audio_grpc.cli.how_to_call import Door, show_how_to_call
from audio_grpc.cli.self_check import self_check
from audio_grpc.telemetry import logs
from audio_grpc.telemetry.export import exporting

if TYPE_CHECKING:
    from audio_grpc.server import Server

EXAMPLES = """
Examples:

audio-grpc serve

audio-grpc serve --port 6000 --config gpu.toml

audio-grpc serve --log-format json --metrics-port 9464 --otlp-endpoint http://127.0.0.1:4318/v1/traces

AUDIO_GRPC_LOG_LEVEL=DEBUG audio-grpc serve --self-check

audio-grpc serve --host 0.0.0.0 --keys-file keys.json --tls-certificate server.pem --tls-key server.key
"""

app = typer.Typer(add_completion=False)


@app.command(epilog=EXAMPLES)
def serve(
    host: Annotated[str | None, typer.Option(help="Address to listen on. [127.0.0.1]")] = None,
    port: Annotated[int | None, typer.Option(help="Port to listen on; 0: any. [50051]")] = None,
    keys_file: KeysFileOption = None,
    tls_certificate: TlsCertificateOption = None,
    tls_key: TlsKeyOption = None,
    tls_client_ca: TlsClientCaOption = None,
    allow_open: AllowOpenOption = False,
    config_file: ConfigOption = None,
    log_level: LogLevelOption = None,
    log_format: LogFormatOption = None,
    metrics_port: Annotated[
        int | None, typer.Option(help=r"Port to serve Prometheus metrics on; 0: any. \[none]")
    ] = None,
    otlp_endpoint: OtlpOption = None,
    replicas: Annotated[
        int | None,
        typer.Option(help="How many servers share the cores and the memory, as those of `up` do. [1]"),
    ] = None,
    check: SelfCheckOption = False,
) -> None:
    """Run the server until Ctrl-C; running calls may finish then, a second Ctrl-C cuts them."""
    from audio_grpc import running  # with its codecs; the commands that only call one need none of that

    settings = config.load(
        config_file,
        host=host,
        port=port,
        keys_file=keys_file,
        tls_certificate=tls_certificate,
        tls_key=tls_key,
        tls_client_ca=tls_client_ca,
        allow_open=allow_open or None,
        log_level=log_level and log_level.upper(),
        log_format=log_format,
        metrics_port=metrics_port,
        otlp_endpoint=otlp_endpoint,
        replicas=replicas,
    )
    start_logging(settings)
    with exporting(settings.otlp_endpoint) as tracer_provider:
        run(running.serve(settings, _greet if check else None, tracer_provider))


async def _greet(server: "Server") -> None:
    """Checks the server, unless it has TLS, and prints the calls to try."""
    tls = server.settings.tls_certificate is not None
    if tls:
        console.print("No self-check: the server has no certificate with which to call itself by TLS.")
    else:
        with server.keys.temporary("self-check") if server.keys else nullcontext() as key:
            await self_check(server.address, key=key)
    show_how_to_call(Door(server.address, keys=server.keys is not None, tls=tls))


def start_logging(settings: config.Settings) -> None:
    """Log lines with colours on a terminal, plain ones elsewhere, or JSON."""
    handler = logs.stream_handler(settings.log_format)
    if settings.log_format == "text" and console.is_terminal:
        handler = RichHandler(console=console, show_path=False)
        handler.setFormatter(logs.TextFormatter("%(message)s"))
    logs.start_logging(settings.log_level, handler)
    for chatty in ("faster_whisper", "httpx", "huggingface_hub"):
        logging.getLogger(chatty).setLevel(logging.WARNING)


def run(main: Any) -> None:
    """Run a coroutine, on uvloop where there is one: it is a fifth faster for streams."""
    if sys.platform == "win32":
        asyncio.run(main)
    else:
        import uvloop

        uvloop.run(main)
