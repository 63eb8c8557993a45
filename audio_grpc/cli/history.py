"""``audio-grpc history``."""

import sys
from datetime import datetime, timedelta
from itertools import islice
from pathlib import Path
from typing import Annotated

import typer
from google.protobuf.json_format import MessageToJson
from rich.markup import escape
from rich.table import Table

from audio_grpc import disk
from audio_grpc.cli.console import KeyOption, ServerOption, TlsCaOption, connected, console, fail, results
from audio_grpc.cli.sinks import STANDARD_STREAM
from audio_grpc.client.pages import LARGEST_PAGE
from audio_grpc.convert import to_seconds
from audio_grpc.v1.history_pb2 import PastRequest

EXAMPLES = """
Examples:

audio-grpc history list --status INTERNAL

audio-grpc history audio req_6f1c0c7be0ab4f2f --out again.mp3
"""
LIST_EXAMPLES = """
Examples:

audio-grpc history list --most 200

audio-grpc history list --model whisper-base --status RESOURCE_EXHAUSTED
"""
SHOW_EXAMPLES = """
Example:

audio-grpc history show req_6f1c0c7be0ab4f2f | jq .text
"""
AUDIO_EXAMPLES = """
Examples:

audio-grpc history audio req_6f1c0c7be0ab4f2f --out again.mp3

audio-grpc history audio req_6f1c0c7be0ab4f2f --out - | mpv -
"""
CLEAR_EXAMPLES = """
Examples:

audio-grpc history clear req_6f1c0c7be0ab4f2f req_0b52a1d44e0f9c31

audio-grpc history clear --older-than 7

audio-grpc history clear --all
"""

app = typer.Typer(
    name="history",
    help="Look at past requests, play them, and have them forgotten; for servers that keep a history.",
    epilog=EXAMPLES,
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="rich",
)

IdArgument = Annotated[str, typer.Argument(metavar="ID", help="The request, as `list` shows it.")]


@app.command("list", epilog=LIST_EXAMPLES)
def list_requests(
    most: Annotated[int, typer.Option(min=1, help="How many, at most.")] = 20,
    model: Annotated[str, typer.Option(help="Only those of this model.")] = "",
    method: Annotated[str, typer.Option(help="Only those of this method, such as Synthesize.")] = "",
    status: Annotated[str, typer.Option(help="Only those with this gRPC status, such as OK.")] = "",
    server: ServerOption = None,
    key: KeyOption = None,
    tls_ca: TlsCaOption = None,
) -> None:
    """List past requests, the last first."""
    table = Table("id", "when", "method", "model", "status", "seconds", "audio", "kept", "text")
    with connected(server, key, tls_ca) as client:
        pasts = client.list_past_requests(
            page_size=min(most, LARGEST_PAGE), model=model, method=method, status=status
        )
        if not pasts.page().is_kept:
            console.print("this server keeps no history now; its setting `history` turns that on")
        for past in islice(pasts, most):
            table.add_row(*map(escape, _row(past)))
    results.print(table)


@app.command(epilog=SHOW_EXAMPLES)
def show(
    past_id: IdArgument, server: ServerOption = None, key: KeyOption = None, tls_ca: TlsCaOption = None
) -> None:
    """Write all that is kept of a request, as JSON."""
    with connected(server, key, tls_ca) as client:
        past = client.get_past_request(past_id)
    typer.echo(MessageToJson(past, preserving_proto_field_name=True, ensure_ascii=False))


@app.command(epilog=AUDIO_EXAMPLES)
def audio(
    past_id: IdArgument,
    out: Annotated[str, typer.Option(metavar="FILE", help="File to write; -: standard output.")],
    server: ServerOption = None,
    key: KeyOption = None,
    tls_ca: TlsCaOption = None,
) -> None:
    """Write the sound that a request sent or got, as it was."""
    with connected(server, key, tls_ca) as client, client.past_audio(past_id) as sound:
        media_type = sound.start().format.media_type
        if out == STANDARD_STREAM:
            for data in sound:
                sys.stdout.buffer.write(data)
            return
        with disk.replacing(Path(out)) as file:
            file.writelines(sound)
    console.print(f"wrote {out} ({media_type})")


@app.command(epilog=CLEAR_EXAMPLES)
def clear(
    past_ids: Annotated[
        list[str] | None, typer.Argument(metavar="[ID]...", help="The requests, as `list` shows them.")
    ] = None,
    older_than: Annotated[
        float | None, typer.Option(metavar="DAYS", min=0, help="Those that are older than this.")
    ] = None,
    everything: Annotated[bool, typer.Option("--all", help="All that there are.")] = False,
    server: ServerOption = None,
    key: KeyOption = None,
    tls_ca: TlsCaOption = None,
) -> None:
    """Have past requests forgotten, their texts and their sound."""
    if sum((bool(past_ids), older_than is not None, everything)) != 1:
        fail("say which requests: their ids, or --older-than, or --all", status=2)
    before = None if past_ids else datetime.now().astimezone() - timedelta(days=older_than or 0)
    with connected(server, key, tls_ca) as client:
        deleted = client.delete_past_requests(past_ids or (), before)
    console.print(f"{deleted} forgotten")


def _row(past: PastRequest) -> tuple[str, ...]:
    return (
        past.id,
        f"{past.start_time.ToDatetime():%Y-%m-%d %H:%M:%S} UTC",
        past.method,
        past.model,
        f"{past.status}: {past.reason}" if past.reason else past.status,
        f"{to_seconds(past.duration):.2f}",
        f"{to_seconds(past.audio_in) + to_seconds(past.audio_out):.1f} s",
        past.audio.format.media_type or past.audio_problem,
        " ".join(past.text.split())[:40],
    )
