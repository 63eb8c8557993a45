"""``audio-grpc status``."""

from typing import Annotated

import typer
from rich.console import Group
from rich.live import Live
from rich.markup import escape
from rich.table import Table

from audio_grpc.cli.console import KeyOption, ServerOption, TlsCaOption, connected, results
from audio_grpc.convert import to_seconds
from audio_grpc.v1.activity_pb2 import Activity, ActivityStep, Statistics

EXAMPLES = """
Examples:

audio-grpc status

audio-grpc status --watch

audio-grpc status --watch --recent 5 --server 10.0.0.5:50051

audio-grpc status --all-keys --key KEY
"""

app = typer.Typer(add_completion=False)


@app.command(epilog=EXAMPLES)
def status(
    watch: Annotated[bool, typer.Option("--watch", help="Go on showing it, until Ctrl-C.")] = False,
    recent: Annotated[int, typer.Option(help="How many requests that have ended to show.")] = 10,
    all_keys: Annotated[
        bool,
        typer.Option("--all-keys", help="Show the requests of all keys, if yours has the scope admin."),
    ] = False,
    server: ServerOption = None,
    key: KeyOption = None,
    tls_ca: TlsCaOption = None,
) -> None:
    """Show what the server is speaking and listening to, what it did lately, and what that amounts to."""
    with connected(server, key, tls_ca) as client:
        look, follow, total = (
            (client.list_all_activities, client.watch_all_activities, client.get_total_statistics)
            if all_keys
            else (client.list_activities, client.watch_activities, client.get_statistics)
        )
        if not watch:
            results.print(_page(look(recent), total(), all_keys))
            return
        pages = (_page(seen, total(), all_keys) for seen in follow(recent))
        if not results.is_terminal:  # one below the other, for whoever reads them from a pipe
            for page in pages:
                results.print(page)
            return
        with Live(console=results, auto_refresh=False) as live:
            for page in pages:
                live.update(page, refresh=True)


def _page(activities: list[Activity], statistics: Statistics, all_keys: bool) -> Group:
    return Group(_table(activities, all_keys), _summary(statistics))


def _table(activities: list[Activity], all_keys: bool) -> Table:
    columns = ("method", "model", "voice", "step", "done", "seconds", "left", "audio", "text")
    table = Table("request", *(("key",) if all_keys else ()), *columns)
    for activity in activities:
        row = (
            activity.request_id[:12],
            *((activity.key,) if all_keys else ()),
            activity.method,
            activity.model,
            activity.voice,
            _step(activity),
            _done(activity),
            f"{to_seconds(activity.elapsed):.1f}",
            _left(activity),
            f"{to_seconds(activity.audio_in) + to_seconds(activity.audio_out):.1f} s",
            activity.text_preview,
        )
        table.add_row(*map(escape, row))
    return table


def _step(activity: Activity) -> str:
    step = ActivityStep.Name(activity.step).removeprefix("ACTIVITY_STEP_").lower()
    return f"{step}: {activity.reason}" if activity.reason else step


def _done(activity: Activity) -> str:
    piece = f" ({activity.piece}/{activity.piece_count})" if activity.piece_count else ""
    return f"{activity.progress:.0%}{piece}" if activity.HasField("progress") else piece.strip()


def _left(activity: Activity) -> str:
    """Returns the seconds that are estimated to be left, by the server's clock; empty without an estimate."""
    if not activity.HasField("estimated_end_time"):
        return ""
    now = activity.start_time.ToMilliseconds() / 1000 + to_seconds(activity.elapsed)
    return f"{max(0.0, activity.estimated_end_time.ToMilliseconds() / 1000 - now):.1f}"


def _summary(statistics: Statistics) -> str:
    average = statistics.HasField("average_duration")
    took = f", {to_seconds(statistics.average_duration):.2f} s each" if average else ""
    return (
        f"{statistics.active} active; since {statistics.start_time.ToDatetime():%Y-%m-%d %H:%M} UTC "
        f"{statistics.requests} requests{took}, {statistics.failures} failed, "
        f"{statistics.cancellations} cancelled; {statistics.characters} characters, "
        f"{to_seconds(statistics.audio_out):.1f} s spoken, {to_seconds(statistics.audio_in):.1f} s heard"
    )
