"""``audio-grpc models``, alone and with ``load`` and ``unload``."""

from typing import Annotated

import typer
from rich.filesize import decimal
from rich.markup import escape
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
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
from audio_grpc.client import Client
from audio_grpc.v1.model_pb2 import Model, ModelKind, ModelState

EXAMPLES = """
Examples:

audio-grpc models

audio-grpc models load whisper-base

audio-grpc models unload hibari

audio-grpc models free
"""

app = typer.Typer(add_completion=False, name="models", epilog=EXAMPLES)

NameArgument = Annotated[str, typer.Argument(help="The model, by name or alias.")]


@app.callback(invoke_without_command=True)
def models(
    context: typer.Context,
    server: ServerOption = None,
    key: KeyOption = None,
    tls_ca: TlsCaOption = None,
) -> None:
    """List the server's models, and what they are doing; bring them into memory, or take them out."""
    context.obj = (server, key, tls_ca)
    if context.invoked_subcommand is None:
        with connected(server, key, tls_ca) as client:
            results.print(_table(client.list_models()))


@app.command()
def load(
    context: typer.Context,
    name: NameArgument,
    server: ServerOption = None,
    key: KeyOption = None,
    tls_ca: TlsCaOption = None,
) -> None:
    """Bring a model into memory, unless it is there, and show how far that is."""
    with connected_before(context, server, key, tls_ca) as client:
        results.print(_table([_load(client, name)]))


@app.command()
def unload(
    context: typer.Context,
    name: NameArgument,
    server: ServerOption = None,
    key: KeyOption = None,
    tls_ca: TlsCaOption = None,
) -> None:
    """Take a model out of memory, once the calls that are running on it have ended."""
    with connected_before(context, server, key, tls_ca) as client:
        results.print(_table([client.unload_model(name)]))


@app.command()
def free(
    context: typer.Context,
    server: ServerOption = None,
    key: KeyOption = None,
    tls_ca: TlsCaOption = None,
) -> None:
    """Take every model out of memory that is idle and not resident, and give back what is unused."""
    with connected_before(context, server, key, tls_ca) as client:
        freed = client.free_memory()
    for name in freed.unloaded_models:
        results.print(f"unloaded {escape(name)}")
    if freed.after.HasField("used_bytes"):
        before, after = decimal(freed.before.used_bytes), decimal(freed.after.used_bytes)
        results.print(f"the server took {before}, and takes {after}")


def _load(client: Client, name: str) -> Model:
    columns = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
    model = Model()
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task(f"loading {escape(name)}", total=None)
        for model in client.load_model(name):
            if model.HasField("load_progress"):
                description = f"{escape(name)}: {model.load_step}"
                bar.update(task, total=1.0, completed=model.load_progress, description=description)
    return model


def _table(models: list[Model]) -> Table:
    table = Table("model", "kind", "state", "memory", "backend", "running", "queued", "languages", "aliases")
    for model in models:
        languages = list(model.language_codes)
        table.add_row(
            model.name,
            _word(ModelKind.Name(model.kind)),
            escape(model.load_error) or _state(model),
            _memory(model),
            model.backend,
            f"{model.running}/{model.max_running}",
            f"{model.queued}/{model.max_queued}",
            ", ".join(languages) if len(languages) <= 3 else str(len(languages)),
            ", ".join(model.aliases),
        )
    return table


def _state(model: Model) -> str:
    done = f" {model.load_progress:.0%}" if model.HasField("load_progress") else ""
    return _word(ModelState.Name(model.state)) + done


def _memory(model: Model) -> str:
    """Returns the text for the model's memory on the host, and on its GPU."""
    host = decimal(model.host_memory_bytes) if model.HasField("host_memory_bytes") else ""
    return host + (f", GPU {decimal(model.device_memory_bytes)}" if model.device_memory_bytes else "")


def _word(name: str) -> str:
    """The part of an enum's name that is for people: READY of MODEL_STATE_READY."""
    return name.split("_", 2)[2].lower()
