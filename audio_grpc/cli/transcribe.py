"""``audio-grpc transcribe``."""

import json
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict
from enum import Enum
from pathlib import Path
from typing import Annotated

import typer
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from audio_grpc.cli.console import KeyOption, ServerOption, TlsCaOption, connected, console
from audio_grpc.cli.sinks import STANDARD_STREAM
from audio_grpc.client import Client, Segment, Task, Transcript, TranscriptOptions
from audio_grpc.client.subtitles import srt, vtt

EXAMPLES = """
Examples:

audio-grpc transcribe interview.mp3

audio-grpc transcribe film.mkv --format srt --language fr --translate > film.srt

ffmpeg -i rtsp://camera -t 60 -f wav - | audio-grpc transcribe - --format json --words
"""

app = typer.Typer(add_completion=False)


class OutputFormat(Enum):
    """The formats in which the transcript can be written."""

    TEXT = "text"
    JSON = "json"
    SRT = "srt"
    VTT = "vtt"


@app.command(epilog=EXAMPLES)
def transcribe(
    file: Annotated[str, typer.Argument(help="Sound or video file; - reads standard input.")],
    form: Annotated[
        OutputFormat, typer.Option("--format", help="How to write the transcript.")
    ] = OutputFormat.TEXT,
    model: Annotated[str, typer.Option(help="Model; the server's default if left out.")] = "",
    language: Annotated[str, typer.Option(help="Spoken language, such as en; detected if left out.")] = "",
    translate: Annotated[bool, typer.Option("--translate", help="Write it down in English.")] = False,
    words: Annotated[bool, typer.Option("--words", help="With the times of the words (json only).")] = False,
    prompt: Annotated[str | None, typer.Option(help="Text that came before, or spellings to expect.")] = None,
    hotwords: Annotated[
        list[str] | None, typer.Option("--hotword", help="A word to favour; can be given again.")
    ] = None,
    multilingual: Annotated[
        bool, typer.Option("--multilingual", help="The language may change midway.")
    ] = False,
    server: ServerOption = None,
    key: KeyOption = None,
    tls_ca: TlsCaOption = None,
) -> None:
    """Turn speech into text, written to standard output as it is recognised."""
    audio = sys.stdin.buffer.read() if file == STANDARD_STREAM else Path(file).read_bytes()
    options: TranscriptOptions = {
        "model": model,
        "language_code": language,
        "task": Task.TRANSLATE if translate else Task.TRANSCRIBE,
        "word_timestamps": words,
        "prompt": prompt,
        "hotwords": hotwords or [],
        "multilingual": multilingual,
    }
    with connected(server, key, tls_ca) as client:
        for line in _lines(client, audio, options, form):
            sys.stdout.write(line)
            sys.stdout.flush()


def _lines(client: Client, audio: bytes, options: TranscriptOptions, form: OutputFormat) -> Iterator[str]:
    with client.transcribe(audio, **options) as transcript:
        segments = _with_progress(transcript)
        if form is OutputFormat.JSON:
            yield _json(segments, transcript)
        else:
            yield from WRITERS[form](segments)


def _with_progress(transcript: Transcript) -> Iterator[Segment]:
    """The segments, with a bar on a terminal that follows them through the recording."""
    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.percentage:.0f} %"))
    with Progress(*columns, TimeElapsedColumn(), console=console, transient=True) as progress:
        bar = progress.add_task("sending and decoding", total=None)
        started = transcript.start()
        seconds = started.audio_duration.ToTimedelta().total_seconds()
        known = started.HasField("audio_duration")
        length = f"{seconds:.1f} s" if known else "a long recording"
        progress.update(
            bar, total=seconds if known else None, description=f"{length} in {started.language_code}"
        )
        for segment in transcript:
            progress.update(bar, completed=segment.end)
            yield segment


def _text(segments: Iterable[Segment]) -> Iterator[str]:
    for segment in segments:
        yield f"{segment.text.strip()}\n"


def _json(segments: Iterable[Segment], transcript: Transcript) -> str:
    heard = list(segments)
    finished = transcript.finished
    whole = {
        "text": "".join(segment.text for segment in heard).strip(),
        "language": finished.language_code,
        "duration": finished.audio_duration.ToTimedelta().total_seconds(),
        "segments": [asdict(segment) for segment in heard],
    }
    return json.dumps(whole, ensure_ascii=False, indent=2) + "\n"


WRITERS: dict[OutputFormat, Callable[[Iterable[Segment]], Iterator[str]]] = {
    OutputFormat.TEXT: _text,
    OutputFormat.SRT: srt,
    OutputFormat.VTT: vtt,
}
