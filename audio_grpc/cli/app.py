"""The command ``audio-grpc`` and its subcommands."""

import sys

import typer

from audio_grpc import __version__
from audio_grpc.cli import (
    doctor,
    envoy,
    history,
    jobs,
    keys,
    listen,
    llm,
    models,
    say,
    serve,
    status,
    transcribe,
    up,
    voices,
)
from audio_grpc.cli.console import fail
from audio_grpc.client import ServiceError
from audio_grpc.errors import ConfigurationError, ModelLoadFailed
from audio_grpc.supervisor import ServiceEnded

INTERRUPTED = 130

app = typer.Typer(
    name="audio-grpc",
    help="Speech to text and text to speech as typed gRPC streams.",
    epilog="Start with: audio-grpc up, and in another terminal: audio-grpc say 'Hello.' --play",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command(epilog=up.EXAMPLES)(up.up)
app.command(epilog=serve.EXAMPLES)(serve.serve)
app.command(epilog=envoy.EXAMPLES)(envoy.envoy)
app.command(epilog=llm.EXAMPLES)(llm.llm)
app.command(epilog=say.EXAMPLES)(say.say)
app.command(epilog=transcribe.EXAMPLES)(transcribe.transcribe)
app.command(epilog=listen.EXAMPLES)(listen.listen)
app.add_typer(models.app, name="models", epilog=models.EXAMPLES)
app.add_typer(voices.app, name="voices", epilog=voices.EXAMPLES)
app.add_typer(jobs.app)
app.add_typer(history.app)
app.command(epilog=status.EXAMPLES)(status.status)
app.command(epilog=doctor.EXAMPLES)(doctor.doctor)
app.add_typer(keys.app)


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
    except (ServiceError, ServiceEnded, ModelLoadFailed, OSError) as error:
        fail(str(error))
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)
