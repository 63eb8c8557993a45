"""``audio-grpc say``."""

import os
import sys
import time
from codecs import getincrementaldecoder
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from threading import Thread
from typing import Annotated

import typer

from audio_grpc.cli.console import KeyOption, ServerOption, TlsCaOption, connected, console, fail
from audio_grpc.cli.sinks import STANDARD_STREAM, Output, opened
from audio_grpc.client import (
    Client,
    Encoding,
    LiveSpeech,
    ServiceError,
    Speech,
    SpeechOptions,
    SpokenAudio,
    Strategy,
)

EXAMPLES = """
Examples:

audio-grpc say "Hello there." --play

audio-grpc say "Hello there." --out hello.opus --speed 1.2

audio-grpc say - --out - --format mp3 < chapter.txt | mpv -

llm "Tell me a story." | audio-grpc say - --play
"""
READ_BYTES = 65536

app = typer.Typer(add_completion=False)


@app.command(epilog=EXAMPLES)
def say(
    text: Annotated[str, typer.Argument(help="What to say; - speaks standard input as it comes.")],
    out: Annotated[
        str | None, typer.Option(metavar="FILE", help="File to write; -: standard output.")
    ] = None,
    play: Annotated[bool, typer.Option("--play", help="Play it while it is being made.")] = False,
    audio_format: Annotated[
        Encoding | None,
        typer.Option("--format", help="By default what the file's name ends in, or wav."),
    ] = None,
    model: Annotated[str, typer.Option(help="Model; the server's default if left out.")] = "",
    voice: Annotated[str, typer.Option(help="Voice; the model's first if left out.")] = "",
    speed: Annotated[float | None, typer.Option(help="Pace, 0.25 to 4.0; 1.0 is the voice's own.")] = None,
    sample_rate: Annotated[int | None, typer.Option(help="Hertz, 8000 to 48000.")] = None,
    split: Annotated[Strategy, typer.Option(help="Where the text may be cut.")] = Strategy.SENTENCE,
    server: ServerOption = None,
    key: KeyOption = None,
    tls_ca: TlsCaOption = None,
) -> None:
    """Turn text into speech: into a file, standard output, or the loudspeaker.

    Without --out and --play, the file is speech.wav.
    """
    if not play and out is None:
        out = f"speech.{(audio_format or Encoding.WAV).value}"
    encoding = audio_format or encoding_of(out)
    options: SpeechOptions = {
        "model": model,
        "voice": voice,
        "speed": speed,
        "sample_rate_hertz": sample_rate,
        "strategy": split,
    }
    with connected(server, key, tls_ca) as client, opened(out, encoding, play) as output:
        options["encoding"] = output.wire_encoding
        _speak(_speech(client, text, options), output)
    if out not in (None, STANDARD_STREAM):
        console.print(f"wrote {out}")


def _speech(client: Client, text: str, options: SpeechOptions) -> Speech | LiveSpeech:
    """Starts the speech. Standard input is spoken as it arrives if the text is cut by sentence, else once it
    ends.
    """
    if text != STANDARD_STREAM:
        return client.synthesize(text, **options)
    if options["strategy"] is not Strategy.SENTENCE:
        return client.synthesize(sys.stdin.read(), **options)
    speech = client.live_speech(**options)
    Thread(target=_pass_on_standard_input, args=(speech,), daemon=True).start()
    return speech


def _pass_on_standard_input(speech: LiveSpeech) -> None:
    decoder = getincrementaldecoder("utf-8")("replace")
    # Not by sys.stdin: its lock, held while it waits, would keep the command from ending.
    with suppress(ServiceError):  # which the reader is told as well
        while data := os.read(sys.stdin.fileno(), READ_BYTES):
            speech.write(decoder.decode(data))
        speech.write(decoder.decode(b"", final=True))
        speech.end()


def _speak(speech: Speech | LiveSpeech, output: Output) -> None:
    began = time.perf_counter()
    first = None
    with console.status("waiting for the model ...") as status, speech:
        started = speech.start()
        if started.ignored_fields:
            console.print(f"the model {started.model} ignores: {', '.join(started.ignored_fields)}")
        output.begin(started.format.sample_rate_hertz)
        for data in _bytes(speech):
            first = first or time.perf_counter()
            output.write(data)
            status.update(f"{output.bytes_written / 1000:.0f} kB of audio ...")
    seconds = speech.finished.usage.audio_duration.ToTimedelta().total_seconds()
    if not seconds:
        fail("there was nothing to say")
    console.print(
        f"{seconds:.2f} s of audio in {time.perf_counter() - began:.2f} s, "
        f"the first after {((first or began) - began) * 1000:.0f} ms"
    )


def _bytes(speech: Speech | LiveSpeech) -> Iterator[bytes]:
    for event in speech:
        if isinstance(event, bytes):
            yield event
        elif isinstance(event, SpokenAudio):
            yield event.data


def encoding_of(out: str | None) -> Encoding:
    """Returns the encoding that the file name's ending stands for; WAV for standard output or no file.

    Ends the command with status 2 if the ending is unknown.
    """
    if out in (None, STANDARD_STREAM):
        return Encoding.WAV
    suffix = Path(out or "").suffix.lower().lstrip(".")
    known = {encoding.value: encoding for encoding in Encoding} | {
        "ogg": Encoding.OPUS,
        "raw": Encoding.PCM_S16LE,
    }
    if suffix not in known:
        fail(f"cannot tell the format of {out}; give --format, or end it in: {', '.join(known)}", 2)
    return known[suffix]
