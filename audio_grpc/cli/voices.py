"""``audio-grpc voices``, alone and with ``add`` and ``delete``."""

from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape
from rich.table import Table

from audio_grpc.cli.console import (
    KeyOption,
    ServerOption,
    TlsCaOption,
    connected,
    connected_before,
    console,
    results,
)
from audio_grpc.v1.text_to_speech_pb2 import Voice

EXAMPLES = """
Examples:

audio-grpc voices

audio-grpc voices --model hibari

audio-grpc voices add Anna anna.wav --transcript "What Anna says in the recording."

audio-grpc voices share Anna

audio-grpc voices delete Anna
"""

app = typer.Typer(add_completion=False, name="voices", epilog=EXAMPLES)


@app.callback(invoke_without_command=True)
def voices(
    context: typer.Context,
    model: Annotated[str, typer.Option(help="Only this model's.")] = "",
    server: ServerOption = None,
    key: KeyOption = None,
    tls_ca: TlsCaOption = None,
) -> None:
    """List the voices that `say` can use; add one made from a recording, share it, or delete it again."""
    context.obj = (server, key, tls_ca)
    if context.invoked_subcommand is None:
        with connected(server, key, tls_ca) as client:
            results.print(_table(client.list_voices(model)))


@app.command()
def add(
    context: typer.Context,
    name: Annotated[str, typer.Argument(help="What to call the voice.")],
    file: Annotated[Path, typer.Argument(help="Sound file of one speaker, 1 to 60 seconds.")],
    transcript: Annotated[str, typer.Option(help="What the speaker says; some models need it.")] = "",
    language: Annotated[str, typer.Option(help="Which language that is, such as en.")] = "",
    consent: Annotated[str, typer.Option(help="Where the speaker's agreement is recorded.")] = "",
    server: ServerOption = None,
    key: KeyOption = None,
    tls_ca: TlsCaOption = None,
) -> None:
    """Make a voice from a recording of a speaker; its id is written to standard output."""
    with connected_before(context, server, key, tls_ca) as client:
        voice = client.create_voice(
            name, file.read_bytes(), transcript=transcript, language_code=language, consent=consent
        )
    results.print(voice.id)
    console.print(f"speak with it: audio-grpc say 'Hello.' --voice {voice.id}")


@app.command()
def delete(
    context: typer.Context,
    voice: Annotated[str, typer.Argument(help="Id or name of a voice that was added.")],
    server: ServerOption = None,
    key: KeyOption = None,
    tls_ca: TlsCaOption = None,
) -> None:
    """Forget a voice and its recording."""
    with connected_before(context, server, key, tls_ca) as client:
        client.delete_custom_voice(voice)


@app.command()
def share(
    context: typer.Context,
    voice: Annotated[str, typer.Argument(help="Id or name of a voice that was added.")],
    server: ServerOption = None,
    key: KeyOption = None,
    tls_ca: TlsCaOption = None,
) -> None:
    """Let everybody speak with a voice, not only the key that added it; needs a key with the scope admin."""
    with connected_before(context, server, key, tls_ca) as client:
        shared = client.share_voice(voice)
    console.print(f"{shared.id} ({shared.name}) is shared", markup=False)


def _table(voices: list[Voice]) -> Table:
    table = Table("voice", "model", "languages", "description", "aliases")
    for voice in voices:
        languages, aliases = ", ".join(voice.language_codes), ", ".join(voice.aliases)
        row = (voice.name, voice.model, languages, voice.description, aliases)
        table.add_row(*map(escape, row))
    return table
