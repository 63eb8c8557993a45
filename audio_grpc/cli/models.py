"""``audio-grpc models``."""

from typing import Annotated

import typer
from rich.table import Table

from audio_grpc.cli.console import KeyOption, ServerOption, TlsCaOption, connected, console, results
from audio_grpc.client import Client
from audio_grpc.v1.model_pb2 import ModelKind, ModelState

EXAMPLES = """
Examples:

audio-grpc models

audio-grpc models --load whisper-base

audio-grpc models --unload hibari
"""


def models(
    load: Annotated[str | None, typer.Option(metavar="NAME", help="Bring this model into memory.")] = None,
    unload: Annotated[str | None, typer.Option(metavar="NAME", help="Take this one out of memory.")] = None,
    server: ServerOption = None,
    key: KeyOption = None,
    tls_ca: TlsCaOption = None,
) -> None:
    """List the server's models, and what they are doing."""
    with connected(server, key, tls_ca) as client:
        if load:
            _load(client, load)
        if unload:
            client.unload_model(unload)
        results.print(_table(client))


def _load(client: Client, name: str) -> None:
    with console.status(f"loading {name} ..."):
        for _ in client.load_model(name):
            pass


def _table(client: Client) -> Table:
    table = Table("model", "kind", "state", "backend", "running", "queued", "languages", "aliases")
    for model in client.list_models():
        languages = list(model.language_codes)
        table.add_row(
            model.name,
            _word(ModelKind.Name(model.kind)),
            model.load_error or _word(ModelState.Name(model.state)),
            model.backend,
            f"{model.running}/{model.max_running}",
            f"{model.queued}/{model.max_queued}",
            ", ".join(languages) if len(languages) <= 3 else str(len(languages)),
            ", ".join(model.aliases),
        )
    return table


def _word(name: str) -> str:
    """The part of an enum's name that is for people: READY of MODEL_STATE_READY."""
    return name.split("_", 2)[2].lower()
