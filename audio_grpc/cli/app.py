"""The command ``audio-grpc`` and its subcommands."""

import sys
from importlib import import_module
from typing import TYPE_CHECKING

import typer
from typer.core import TyperGroup

from audio_grpc import __version__
from audio_grpc.cli.console import fail
from audio_grpc.client import ServiceError
from audio_grpc.errors import ConfigurationError, ModelLoadFailed
from audio_grpc.extras import needs

if TYPE_CHECKING:
    from typer._click.core import Command, Context

INTERRUPTED = 130
SUBCOMMANDS = (
    *("up", "serve", "envoy", "llm", "say", "transcribe", "listen"),
    *("models", "voices", "jobs", "history", "status", "doctor", "tune", "keys"),
)


class Subcommands(TyperGroup):
    """Each in the module of its name, which is imported when it is asked for: all together take a second.

    Those that run or configure a server need its packages; without them, they say so.
    """

    def list_commands(self, ctx: "Context") -> list[str]:
        """Their names, in the order of the help."""
        return list(SUBCOMMANDS)

    def get_command(self, ctx: "Context", cmd_name: str) -> "Command | None":
        """Returns the command of that name; None if there is none."""
        if cmd_name not in SUBCOMMANDS:
            return None
        try:
            found = import_module(f"audio_grpc.cli.{cmd_name}").app
        except ModuleNotFoundError as error:
            found = _uninstalled(cmd_name, error)
        return typer.main.get_command(found)


def _uninstalled(name: str, error: ModuleNotFoundError) -> typer.Typer:
    """A command that raises ConfigurationError with what to install, whatever its arguments."""
    absent = typer.Typer(add_completion=False)
    anything = {"ignore_unknown_options": True, "allow_extra_args": True, "help_option_names": []}

    @absent.command(name, context_settings=anything, help="Needs the extra \\[server].")
    def uninstalled() -> None:
        with needs("server"):
            raise error

    return absent


app = typer.Typer(
    name="audio-grpc",
    cls=Subcommands,
    help="Speech to text and text to speech as typed gRPC streams.",
    epilog="Start with: audio-grpc up, and in another terminal: audio-grpc say 'Hello.' --play",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
)


@app.callback(invoke_without_command=True)
def version(
    show: bool = typer.Option(False, "--version", help="Show the version and exit.", is_eager=True),
) -> None:
    """Speech to text and text to speech as typed gRPC streams."""
    if show:
        typer.echo(f"audio-grpc {__version__}")
        raise typer.Exit


def main() -> None:
    """Run the command; errors that a person can mend are one line, and an exit status."""
    try:
        app()
    except ConfigurationError as error:
        fail(f"configuration: {error}", status=2)
    except (ServiceError, ModelLoadFailed, OSError) as error:
        fail(str(error))
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)
