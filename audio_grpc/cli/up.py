"""``audio-grpc up``."""

import asyncio
import secrets
import sys
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Annotated, Any

import typer

from audio_grpc import config
from audio_grpc.access import key_file
from audio_grpc.access.limits import KeyLimits
from audio_grpc.access.policies import Scope
from audio_grpc.addresses import ANY_ADDRESS, target
from audio_grpc.cli.console import (
    AllowOpenOption,
    ConfigOption,
    KeyOption,
    KeysFileOption,
    LogFormatOption,
    LogLevelOption,
    OtlpOption,
    SelfCheckOption,
    TlsCertificateOption,
    TlsClientCaOption,
    TlsKeyOption,
    console,
    fail,
)
from audio_grpc.cli.how_to_call import Door, show_how_to_call
from audio_grpc.cli.self_check import self_check
from audio_grpc.config import Settings
from audio_grpc.envoy import scratch
from audio_grpc.envoy.render import LOOPBACK
from audio_grpc.errors import ConfigurationError
from audio_grpc.settings_file import API_KEY_VARIABLE
from audio_grpc.supervisor import Log, ServiceEnded, Stack, prepare_processes, run

EXAMPLES = """
Examples:

audio-grpc up

audio-grpc up --replicas 2 --self-check

audio-grpc up --llm

audio-grpc up --host 0.0.0.0 --keys-file keys.json --tls-certificate server.pem --tls-key server.key

kill -HUP $(pgrep -f 'audio-grpc up')    # new servers, with the configuration as it is now
"""

app = typer.Typer(add_completion=False)


@app.command(epilog=EXAMPLES)
def up(
    host: Annotated[str | None, typer.Option(help="Address that callers come to. [127.0.0.1]")] = None,
    port: Annotated[int | None, typer.Option(help="Port that callers come to. [8080]")] = None,
    replicas: Annotated[int | None, typer.Option(help="How many servers to run. [1]")] = None,
    llm: Annotated[bool, typer.Option("--llm", help="Run the local language model as well.")] = False,
    keys_file: KeysFileOption = None,
    tls_certificate: TlsCertificateOption = None,
    tls_key: TlsKeyOption = None,
    tls_client_ca: TlsClientCaOption = None,
    allow_open: AllowOpenOption = False,
    config_file: ConfigOption = None,
    log_level: LogLevelOption = None,
    log_format: LogFormatOption = None,
    otlp_endpoint: OtlpOption = None,
    check: SelfCheckOption = False,
    key: KeyOption = None,
) -> None:
    """Run servers, gateway and Envoy until Ctrl-C; running calls may finish then, a second Ctrl-C cuts them.

    What crashes is started again, after a pause that grows. SIGHUP puts new servers in the place of the
    running ones, and no call fails for it; while it lasts, there is one server more.
    """
    given: dict[str, Any] = {
        "host": host,
        "port": port,
        "tls_certificate": tls_certificate,
        "tls_key": tls_key,
        "tls_client_ca": tls_client_ca,
    }
    settings = config.load(
        config_file,
        replicas=replicas,
        keys_file=keys_file,
        allow_open=allow_open or None,
        log_level=log_level and log_level.upper(),
        log_format=log_format,
        otlp_endpoint=otlp_endpoint,
        envoy={name: value for name, value in given.items() if value is not None},
    )
    log = Log(sys.stderr, as_json=settings.log_format == "json")

    async def on_ready() -> None:
        if check:
            await _check(settings, key)
        show_how_to_call(_door(settings))

    with scratch() as folder:
        planned = prepare_processes(settings, folder / "envoy.yaml", log, config_file, llm=llm)
        stack = Stack(planned, settings, log)
        try:
            asyncio.run(run(stack, log, on_ready))
        except ServiceEnded as error:
            fail(str(error))


async def _check(settings: Settings, key: str | None) -> None:
    """Through Envoy: by its public port, or, if that speaks TLS, by the one that the gateway calls."""
    envoy = settings.envoy
    try:
        with nullcontext(key) if key or not settings.keys_file else _temporary(settings.keys_file) as usable:
            if envoy.tls_certificate:
                await self_check(target(LOOPBACK, envoy.inside_port), key=usable, http=envoy.gateway)
            else:
                await self_check(_public(settings), key=usable, http=_public(settings))
    except NoTemporaryKey as error:
        console.print(
            f"No self-check: {error}; give it a key with --key, or in {API_KEY_VARIABLE}.",
            markup=False,
        )


class NoTemporaryKey(Exception):
    """The key file cannot be changed."""


@contextmanager
def _temporary(keys_file: Path) -> Iterator[str]:
    """The secret of a key that is in the file as long as the context: the servers are other processes."""
    try:
        name = f"self-check {secrets.token_hex(4)}"
        key, secret = key_file.add(keys_file, name, KeyLimits(), (Scope.SPEECH, Scope.TRANSCRIPTION))
    except (OSError, ConfigurationError) as error:
        raise NoTemporaryKey(str(error)) from error
    try:
        yield secret
    finally:
        key_file.revoke(keys_file, key.id)


def _public(settings: Settings) -> str:
    """Returns the address at which this machine can call Envoy: HOST:PORT."""
    host = settings.envoy.host
    return target(LOOPBACK if host in ANY_ADDRESS else host, settings.envoy.port)


def _door(settings: Settings) -> Door:
    tls = settings.envoy.tls_certificate is not None
    return Door(_public(settings), keys=settings.keys_file is not None, tls=tls, http=True)
