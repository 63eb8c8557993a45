"""``audio-grpc jobs``."""

import sys
from datetime import UTC
from itertools import islice
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from audio_grpc.cli.console import KeyOption, ServerOption, TlsCaOption, connected, console, fail, results
from audio_grpc.cli.say import encoding_of
from audio_grpc.cli.sinks import STANDARD_STREAM, Output, opened
from audio_grpc.client import Client, Encoding, Strategy
from audio_grpc.client.pages import LARGEST_PAGE
from audio_grpc.convert import TO_JOB_STATE, to_seconds
from audio_grpc.types import JobState
from audio_grpc.v1.job_pb2 import SpeechJob

EXAMPLES = """
Examples:

audio-grpc jobs create book.txt --voice heart

audio-grpc jobs watch job_6f1c0c7be0ab4f2f

audio-grpc jobs download job_6f1c0c7be0ab4f2f --out book.mp3
"""
CREATE_EXAMPLES = """
Examples:

audio-grpc jobs create book.txt --speed 1.1

pandoc book.epub -t plain | audio-grpc jobs create - --split paragraph

audio-grpc jobs watch $(audio-grpc jobs create book.txt)
"""
LIST_EXAMPLES = """
Example:

audio-grpc jobs list --most 200
"""
DOWNLOAD_EXAMPLES = """
Examples:

audio-grpc jobs download job_6f1c0c7be0ab4f2f --out book.mp3

audio-grpc jobs download job_6f1c0c7be0ab4f2f --follow --out - --format mp3 | mpv -
"""

app = typer.Typer(
    name="jobs",
    help="Have long texts spoken in the background; they are kept, whatever becomes of the server.",
    epilog=EXAMPLES,
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="rich",
)

JobArgument = Annotated[str, typer.Argument(metavar="ID", help="The job, as `create` and `list` show it.")]


def _example(command: str) -> str:
    return f"\nExample:\n\naudio-grpc jobs {command} job_6f1c0c7be0ab4f2f\n"


@app.command(epilog=CREATE_EXAMPLES)
def create(
    file: Annotated[str, typer.Argument(help="Text file in UTF-8; - reads standard input.")],
    model: Annotated[str, typer.Option(help="Model; the server's default if left out.")] = "",
    voice: Annotated[str, typer.Option(help="Voice; the model's first if left out.")] = "",
    language: Annotated[str, typer.Option(help="Language of the text, such as en.")] = "",
    speed: Annotated[float | None, typer.Option(help="Pace, 0.25 to 4.0; 1.0 is the voice's own.")] = None,
    instructions: Annotated[str | None, typer.Option(help="How to speak, for models that can.")] = None,
    split: Annotated[Strategy, typer.Option(help="Where the text may be cut.")] = Strategy.SENTENCE,
    size: Annotated[int | None, typer.Option(help="Characters in a piece, 10 to 1000.")] = None,
    server: ServerOption = None,
    key: KeyOption = None,
    tls_ca: TlsCaOption = None,
) -> None:
    """Have a text spoken; the id of the job is written to standard output."""
    text = _text(file)
    with connected(server, key, tls_ca) as client:
        job = client.create_job(
            text,
            model=model,
            voice=voice,
            language_code=language,
            speed=speed,
            instructions=instructions,
            strategy=split,
            target_size=size,
        )
    results.print(job.id)
    console.print(f"{job.characters} characters in {job.pieces_total} pieces: audio-grpc jobs watch {job.id}")


@app.command("list", epilog=LIST_EXAMPLES)
def list_jobs(
    most: Annotated[int, typer.Option(min=1, help="How many, at most.")] = 20,
    server: ServerOption = None,
    key: KeyOption = None,
    tls_ca: TlsCaOption = None,
) -> None:
    """List jobs, newest first."""
    table = Table("job", "state", "done", "audio", "made", "text")
    with connected(server, key, tls_ca) as client:
        for job in islice(client.list_jobs(min(most, LARGEST_PAGE)), most):
            table.add_row(*_row(job))
    results.print(table)


@app.command(epilog=_example("watch"))
def watch(
    job_id: JobArgument, server: ServerOption = None, key: KeyOption = None, tls_ca: TlsCaOption = None
) -> None:
    """Show how far a job is until it has ended; the exit status is 1 if it has not completed."""
    with connected(server, key, tls_ca) as client:
        job = _watched(client, job_id)
    if _state(job) is not JobState.COMPLETED:
        fail(f"the job is {_state(job).value}{': ' if job.error.message else ''}{job.error.message}")
    seconds = to_seconds(job.audio_duration)
    console.print(f"{seconds:.2f} s of audio: audio-grpc jobs download {job_id} --out speech.wav")


@app.command(epilog=_example("pause"))
def pause(
    job_id: JobArgument, server: ServerOption = None, key: KeyOption = None, tls_ca: TlsCaOption = None
) -> None:
    """Have a job rest once the piece that is being spoken is done."""
    with connected(server, key, tls_ca) as client:
        _show(client.pause_job(job_id))


@app.command(epilog=_example("resume"))
def resume(
    job_id: JobArgument, server: ServerOption = None, key: KeyOption = None, tls_ca: TlsCaOption = None
) -> None:
    """Have a paused job go on."""
    with connected(server, key, tls_ca) as client:
        _show(client.resume_job(job_id))


@app.command(epilog=_example("retry"))
def retry(
    job_id: JobArgument, server: ServerOption = None, key: KeyOption = None, tls_ca: TlsCaOption = None
) -> None:
    """Have a failed job go on with the piece that failed."""
    with connected(server, key, tls_ca) as client:
        _show(client.retry_job(job_id))


@app.command(epilog=_example("cancel"))
def cancel(
    job_id: JobArgument, server: ServerOption = None, key: KeyOption = None, tls_ca: TlsCaOption = None
) -> None:
    """End a job."""
    with connected(server, key, tls_ca) as client:
        _show(client.cancel_job(job_id))


@app.command(epilog=_example("delete"))
def delete(
    job_id: JobArgument, server: ServerOption = None, key: KeyOption = None, tls_ca: TlsCaOption = None
) -> None:
    """Forget a job, its text and its audio."""
    with connected(server, key, tls_ca) as client:
        client.delete_job(job_id)


@app.command(epilog=DOWNLOAD_EXAMPLES)
def download(
    job_id: JobArgument,
    out: Annotated[str, typer.Option(metavar="FILE", help="File to write; -: standard output.")],
    audio_format: Annotated[
        Encoding | None,
        typer.Option("--format", help="By default what the file's name ends in, or wav."),
    ] = None,
    sample_rate: Annotated[int | None, typer.Option(help="Hertz, 8000 to 48000.")] = None,
    follow: Annotated[bool, typer.Option("--follow", help="Wait for what is not yet spoken.")] = False,
    server: ServerOption = None,
    key: KeyOption = None,
    tls_ca: TlsCaOption = None,
) -> None:
    """Write the audio of a completed job into a file."""
    encoding = audio_format or encoding_of(out)
    with connected(server, key, tls_ca) as client, opened(out, encoding, play=False) as output:
        _download(client, job_id, output, sample_rate, follow)
    if out != STANDARD_STREAM:
        console.print(f"wrote {out}")


def _text(file: str) -> str:
    data = sys.stdin.buffer.read() if file == STANDARD_STREAM else Path(file).read_bytes()
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        fail(f"{file} is not UTF-8 ({error}); convert it, for instance with: iconv -t utf-8")


def _watched(client: Client, job_id: str) -> SpeechJob:
    """Watches the job, and returns it once it has ended."""
    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.percentage:.0f} %"))
    job = SpeechJob()
    with Progress(*columns, TimeElapsedColumn(), console=console, transient=True) as bar:
        task = bar.add_task(escape(job_id), total=None)
        for job in client.watch_job(job_id):
            left = f", {to_seconds(job.remaining):.0f} s left" if job.HasField("remaining") else ""
            description = f"{_state(job).value}, {to_seconds(job.audio_duration):.0f} s of audio{left}"
            bar.update(task, total=job.pieces_total, completed=job.pieces_done, description=description)
    return job


def _download(client: Client, job_id: str, output: Output, sample_rate: int | None, follow: bool) -> None:
    speech = client.download_job(
        job_id, encoding=output.wire_encoding, sample_rate_hertz=sample_rate, follow=follow
    )
    with console.status("waiting for the audio ...") as status, speech:
        output.begin(speech.start().format.sample_rate_hertz)
        for data in speech:
            output.write(data)
            status.update(f"{output.bytes_written / 1000:.0f} kB of audio ...")


def _show(job: SpeechJob) -> None:
    console.print(f"{job.id} is {_state(job).value}, {_done(job)} pieces done")


def _row(job: SpeechJob) -> tuple[str, ...]:
    made = job.create_time.ToDatetime(UTC)
    audio = f"{to_seconds(job.audio_duration):.1f} s"
    text = " ".join(job.text_start.split())[:40]
    return (job.id, _state(job).value, _done(job), audio, f"{made:%Y-%m-%d %H:%M} UTC", escape(text))


def _done(job: SpeechJob) -> str:
    return f"{job.pieces_done}/{job.pieces_total}"


def _state(job: SpeechJob) -> JobState:
    return TO_JOB_STATE[job.state]
