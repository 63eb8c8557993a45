"""wyoming-openai as Home Assistant uses it: a satellite's sound and text by the Wyoming protocol."""

import asyncio
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from recorded import RATE_HERTZ, samples
from wyoming.asr import Transcribe, Transcript, TranscriptChunk
from wyoming.audio import AudioChunk, AudioStart, AudioStop
from wyoming.client import AsyncClient, AsyncTcpClient
from wyoming.info import Describe, Info
from wyoming.tts import Synthesize, SynthesizeChunk, SynthesizeStart, SynthesizeStop, SynthesizeStopped

BASE_URL, SOUND = sys.argv[1:]
BLOCK_BYTES = 2048
PATIENCE_SECONDS = 60.0
TEXT = "Good morning. Good evening."


@asynccontextmanager
async def bridge(*models: str) -> AsyncIterator[AsyncClient]:
    """A connection to one that has these models, whose program it is that goes on."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    url = f"{BASE_URL}/v1"
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "wyoming_openai", "--uri", f"tcp://127.0.0.1:{port}"),
        *("--stt-openai-url", url, "--tts-openai-url", url, "--languages", "en", *models),
        stderr=sys.stderr,
    )
    try:
        async with asyncio.timeout(PATIENCE_SECONDS), connected(port) as client:
            yield client
    finally:
        process.terminate()
        await process.wait()


@asynccontextmanager
async def connected(port: int) -> AsyncIterator[AsyncClient]:
    while True:
        try:
            async with AsyncTcpClient("127.0.0.1", port) as client:
                yield client
                return
        except ConnectionRefusedError:  # it has just been started
            await asyncio.sleep(0.1)


async def heard(client: AsyncClient) -> str:
    """Returns the transcript of the recording, and of how many parts it came."""
    sound = samples(SOUND)
    form = {"rate": RATE_HERTZ, "width": 2, "channels": 1}
    await client.write_event(Transcribe(language="en").event())
    await client.write_event(AudioStart(**form).event())
    for start in range(0, len(sound), BLOCK_BYTES):
        await client.write_event(AudioChunk(audio=sound[start : start + BLOCK_BYTES], **form).event())
    await client.write_event(AudioStop().event())
    parts = ""
    while event := await client.read_event():
        if TranscriptChunk.is_type(event.type):
            parts += TranscriptChunk.from_event(event).text
        elif Transcript.is_type(event.type):
            text = Transcript.from_event(event).text
            assert parts in ("", text), (parts, text)
            return f"{text} {bool(parts)}"
        else:
            assert event.type.startswith("transcript-"), event
    raise EOFError


async def spoken(client: AsyncClient) -> int:
    """Returns how many bytes of sound come of a text that is sent whole."""
    await client.write_event(Synthesize(text=TEXT).event())
    return await size_until(client, AudioStop)


async def spoken_as_it_is_written(client: AsyncClient) -> int:
    await client.write_event(SynthesizeStart().event())
    for word in TEXT.split(" "):
        await client.write_event(SynthesizeChunk(text=f"{word} ").event())
    await client.write_event(SynthesizeStop().event())
    return await size_until(client, SynthesizeStopped)


async def size_until(client: AsyncClient, last: type[AudioStop | SynthesizeStopped]) -> int:
    size = 0
    while event := await client.read_event():
        assert event.type != "error", event
        if AudioChunk.is_type(event.type):
            size += len(AudioChunk.from_event(event).audio)
        if last.is_type(event.type):
            return size
    raise EOFError


async def main() -> None:
    async with bridge("--stt-models", "whisper-1", "--tts-models", "tts-1") as client:
        await client.write_event(Describe().event())
        event = await client.read_event()
        assert event
        info = Info.from_event(event)
        print("voices:", *sorted(voice.name for program in info.tts for voice in program.voices))
        print("heard:", await heard(client))
        print("spoken:", await spoken(client))
    async with bridge(
        "--stt-streaming-models", "gpt-4o-transcribe", "--tts-streaming-models", "gpt-4o-mini-tts"
    ) as client:
        print("streamed:", await heard(client))
        print("written:", await spoken_as_it_is_written(client))
    async with bridge("--stt-realtime-models", "gpt-live-transcribe") as client:
        print("realtime:", await heard(client))


asyncio.run(main())
