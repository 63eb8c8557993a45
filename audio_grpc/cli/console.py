"""Parts that all commands share: finding the server, connecting to it, and printing errors."""

import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Annotated, Any, NoReturn

import grpc
import typer
from rich.console import Console
from rich.markup import escape

from audio_grpc import settings_file
from audio_grpc.client import Client, ServiceError, Tls

PIPE_WIDTH = 160
"""Wide enough for a table where nothing says how wide it is."""

# Results go to standard output, everything else here, so that results can be piped.
console = Console(stderr=True, highlight=False, width=None if sys.stderr.isatty() else PIPE_WIDTH)
results = Console(highlight=False, width=None if sys.stdout.isatty() else PIPE_WIDTH)

ServerOption = Annotated[
    str | None,
    typer.Option("--server", metavar="HOST:PORT", help="The server; the configured address by default."),
]
KeyOption = Annotated[
    str | None,
    typer.Option(
        "--key",
        metavar="KEY",
        envvar=settings_file.API_KEY_VARIABLE,
        help="API key, if the server wants one; safer in the environment, where no list of processes has it.",
    ),
]
TlsCaOption = Annotated[
    Path | None,
    typer.Option(
        "--tls-ca",
        metavar="FILE",
        help="Speak TLS, and trust the authorities in this PEM file, "
        "such as /etc/ssl/certs/ca-certificates.crt.",
    ),
]
KeysFileOption = Annotated[
    Path | None, typer.Option(metavar="FILE", help="The API keys that are let in, see `audio-grpc keys`.")
]
TlsCertificateOption = Annotated[
    Path | None, typer.Option(metavar="FILE", help="Speak TLS with this certificate (PEM).")
]
TlsKeyOption = Annotated[
    Path | None, typer.Option(metavar="FILE", help="The certificate's private key (PEM).")
]
TlsClientCaOption = Annotated[
    Path | None, typer.Option(metavar="FILE", help="Callers need a certificate of these authorities (PEM).")
]
AllowOpenOption = Annotated[
    bool, typer.Option("--allow-open", help="Listen where others can call, with neither keys nor TLS.")
]
LogLevelOption = Annotated[str | None, typer.Option(help="DEBUG, INFO, WARNING or ERROR. [INFO]")]
LogFormatOption = Annotated[str | None, typer.Option(help=r"text or json. \[text]")]
OtlpOption = Annotated[
    str | None,
    typer.Option(metavar="URL", help="Collector that gets traces: http://127.0.0.1:4318/v1/traces"),
]
SelfCheckOption = Annotated[
    bool, typer.Option("--self-check", help="Speak a sentence and listen to it, then go on serving.")
]
ConfigOption = Annotated[
    Path | None,
    typer.Option("--config", metavar="FILE", help="Configuration; ./audio-grpc.toml by default."),
]


def fail(message: str, status: int = 1) -> NoReturn:
    """End the command with an error."""
    console.print(f"[red]error:[/red] {escape(message)}", soft_wrap=True)
    sys.exit(status)


def server_address(server: str | None) -> str:
    """The address that was named, or the configured one."""
    return server or settings_file.server_address()


def tls(ca: Path | None) -> Tls | None:
    """TLS that trusts the authorities of a file; None without one. Raises OSError."""
    return Tls(ca=ca.read_bytes()) if ca else None


@contextmanager
def connected(server: str | None, key: str | None = None, tls_ca: Path | None = None) -> Iterator[Client]:
    """A client of the server; what keeps a person from using it is an error that says what to do."""
    address = server_address(server)
    with explained(address), Client(address, api_key=key, tls=tls(tls_ca)) as client:
        yield client


@contextmanager
def explained(address: str) -> Iterator[None]:
    """Ends the command with advice if the server cannot be reached or refuses the key; raises the rest."""
    try:
        yield
    except ServiceError as error:
        if error.code is grpc.StatusCode.UNAVAILABLE and not error.reason:
            fail(
                f"no answer from a server at {address} ({error}); start one with: audio-grpc serve, "
                "or name the authority of one that speaks TLS with --tls-ca"
            )
        if error.code is grpc.StatusCode.UNAUTHENTICATED:
            fail(f"{error}. Give the key with --key, or in {settings_file.API_KEY_VARIABLE}")
        raise


def connected_before(context: typer.Context, *given: Any) -> AbstractContextManager[Client]:
    """:func:`connected` for a subcommand, whose options may stand before its name too (in ``context.obj``).

    One that stands after the name counts more.
    """
    return connected(*(after or before for after, before in zip(given, context.obj, strict=True)))
