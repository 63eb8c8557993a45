"""``audio-grpc listen``."""

import asyncio
import sys
from collections.abc import Iterator
from pathlib import Path
from threading import Thread
from typing import Annotated

import typer
from rich.control import Control
from rich.segment import ControlType
from rich.text import Text

from audio_grpc.cli.console import (
    KeyOption,
    ServerOption,
    TlsCaOption,
    console,
    explained,
    server_address,
    tls,
)
from audio_grpc.cli.sinks import STANDARD_STREAM
from audio_grpc.cli.sources import file_samples, microphone, standard_input
from audio_grpc.client import (
    AsyncClient,
    AsyncLiveTranscript,
    Hypothesis,
    ListenOptions,
    Tls,
    UtteranceTranscript,
)
from audio_grpc.convert import from_seconds
from audio_grpc.v1.speech_to_text_pb2 import Endpointing

EXAMPLES = """
Examples:

audio-grpc listen

audio-grpc listen lecture.mp3 --language en

arecord -t raw -f S16_LE -r 16000 | audio-grpc listen - > notes.txt
"""
MAX_PIECES_WAITING = 20
CLEAR_LINE = Control((ControlType.CARRIAGE_RETURN,), (ControlType.ERASE_IN_LINE, 2))

app = typer.Typer(add_completion=False)


@app.command(epilog=EXAMPLES)
def listen(
    source: Annotated[
        str | None,
        typer.Argument(
            help="Sound or video file, heard as fast as it sounds; - reads bare 16-bit samples from standard "
            "input; the microphone if left out."
        ),
    ] = None,
    rate: Annotated[int, typer.Option(help="Samples a second of standard input or microphone.")] = 16000,
    model: Annotated[str, typer.Option(help="Model; the server's default if left out.")] = "",
    language: Annotated[str, typer.Option(help="Spoken language, such as en; detected if left out.")] = "",
    prompt: Annotated[str | None, typer.Option(help="Text that came before, or spellings to expect.")] = None,
    hotwords: Annotated[
        list[str] | None, typer.Option("--hotword", help="A word to favour; can be given again.")
    ] = None,
    silence: Annotated[float, typer.Option(help="Seconds of silence that end an utterance.")] = 0.5,
    server: ServerOption = None,
    key: KeyOption = None,
    tls_ca: TlsCaOption = None,
) -> None:
    """Write down speech while it is being spoken: captions on the terminal, a line for each utterance."""
    options: ListenOptions = {
        "model": model,
        "language_code": language,
        "prompt": prompt,
        "hotwords": hotwords or [],
        "interim_results": console.is_terminal,
        "endpointing": Endpointing(silence=from_seconds(silence)),
    }
    address = server_address(server)
    with explained(address):
        asyncio.run(_listen(address, key, tls(tls_ca), _pieces(source, rate), rate, options))


def _pieces(source: str | None, rate: int) -> Iterator[bytes]:
    if source is None:
        return microphone(rate)
    return standard_input(rate) if source == STANDARD_STREAM else file_samples(Path(source), rate)


async def _listen(
    address: str,
    key: str | None,
    trusted: Tls | None,
    pieces: Iterator[bytes],
    rate: int,
    options: ListenOptions,
) -> None:
    async with (
        AsyncClient(address, api_key=key, tls=trusted) as client,
        client.listen(rate, **options) as transcript,
    ):
        started = await transcript.start()
        if started.ignored_fields:
            console.print(f"the model {started.model} ignores: {', '.join(started.ignored_fields)}")
        tasks = [asyncio.create_task(_show(transcript)), asyncio.create_task(_send(transcript, pieces))]
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_EXCEPTION)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        for task in tasks:
            if task in done:
                task.result()


async def _show(transcript: AsyncLiveTranscript) -> None:
    async for event in transcript:
        if isinstance(event, Hypothesis):
            _caption(event)
        elif isinstance(event, UtteranceTranscript):
            _write(event)


async def _send(transcript: AsyncLiveTranscript, pieces: Iterator[bytes]) -> None:
    """A thread of its own waits for the sound, which the end of the command need not wait for."""
    loop = asyncio.get_running_loop()
    waiting: asyncio.Queue[bytes | Exception | None] = asyncio.Queue(MAX_PIECES_WAITING)

    def pass_on(piece: bytes | Exception | None) -> None:
        asyncio.run_coroutine_threadsafe(waiting.put(piece), loop).result()

    def read() -> None:
        try:
            for piece in pieces:
                pass_on(piece)
        except Exception as error:  # told where the sound is waited for
            pass_on(error)
        else:
            pass_on(None)

    Thread(target=read, daemon=True).start()
    while (piece := await waiting.get()) is not None:
        if isinstance(piece, Exception):
            raise piece
        await transcript.write(piece)
    await transcript.end()


def _caption(hypothesis: Hypothesis) -> None:
    """The end of what is being said, in the last line; what may yet change is dim."""
    caption = Text(hypothesis.stable_text.lstrip()).append(hypothesis.unstable_text, style="dim")
    _clear()
    console.print(caption[-console.width + 1 :], end="", soft_wrap=True)


def _write(transcript: UtteranceTranscript) -> None:
    _clear()
    if text := transcript.text.strip():
        sys.stdout.write(f"{text}\n")
        sys.stdout.flush()


def _clear() -> None:
    if console.is_terminal:
        console.control(CLEAR_LINE)
