"""What every command shares: how it finds the server, and how it talks to the person."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, NoReturn

import grpc
import typer
from rich.console import Console
from rich.markup import escape

from audio_grpc import config
from audio_grpc.client import Client, ServiceError

PIPE_WIDTH = 160
"""Wide enough for a table where nothing says how wide it is."""

# Results go to standard output, everything else here, so that results can be piped.
console = Console(stderr=True, highlight=False, width=None if sys.stderr.isatty() else PIPE_WIDTH)
results = Console(highlight=False, width=None if sys.stdout.isatty() else PIPE_WIDTH)

ServerOption = Annotated[
    str | None,
    typer.Option("--server", metavar="HOST:PORT", help="The server; the configured address by default."),
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
    if server:
        return server
    settings = config.load()
    return f"{settings.host}:{settings.port}"


@contextmanager
def connected(server: str | None) -> Iterator[Client]:
    """A client of the server; an unreachable one is an error that says how to start it."""
    address = server_address(server)
    try:
        with Client(address) as client:
            yield client
    except ServiceError as error:
        if error.code is grpc.StatusCode.UNAVAILABLE and not error.reason:
            fail(f"no answer from a server at {address} ({error}); start one with: audio-grpc serve")
        raise
