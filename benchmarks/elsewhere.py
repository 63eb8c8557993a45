"""A provider's first byte, from there to the caller: what the service adds to models that are elsewhere."""

import asyncio
import json
import statistics
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from audio_grpc.client import AsyncClient, Encoding
from benchmarks import doors
from benchmarks.workload import CHUNK, CLIPS

PROVIDER = 19999
REPEATS = 100
HOLD_SECONDS = 0.03
"""The seconds for which the provider holds back all but the first piece; a buffering client adds them."""
CONFIG = f"""
log_level = "WARNING"
port = {doors.SERVER}
[envoy]
port = {doors.ENVOY}
inside_port = {doors.INSIDE}
admin_port = {doors.ADMIN}
gateway = "{doors.HOST}:{doors.GATEWAY}"
[synthesizers.elsewhere]
backend = "openai-upstream"
resident = true
options = {{ upstreams = [{{ base_url = "http://{doors.HOST}:{PROVIDER}/v1", model = "any" }}] }}
[transcribers.elsewhere-too]
backend = "openai-upstream"
resident = true
options.upstreams = [{{ base_url = "http://{doors.HOST}:{PROVIDER}/v1", model = "any", streaming = true }}]
"""
DONE = b'data: {"type": "transcript.text.done", "text": " One two."}\n\n'
Figures = dict[str, Any]


class Provider:
    """Answers as OpenAI does: a first piece, a while nothing, and the rest."""

    def __init__(self) -> None:
        self.sent_at = 0.0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection, request after request."""
        try:
            while True:
                speaks = await _read(reader)
                kind = "audio/pcm" if speaks else "text/event-stream"
                writer.write(f"HTTP/1.1 200 OK\r\ncontent-type: {kind}\r\n".encode())
                writer.write(b"transfer-encoding: chunked\r\n\r\n")
                first, rest = (CHUNK, CHUNK) if speaks else (_delta(" One"), _delta(" two.") + DONE)
                self.sent_at = time.perf_counter()
                await _chunk(writer, first)
                await asyncio.sleep(HOLD_SECONDS)
                await _chunk(writer, rest)
                await _chunk(writer, b"")
        except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            writer.close()


async def _read(reader: asyncio.StreamReader) -> bool:
    """Reads a request; tells if it is for speech."""
    head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
    length = next(line for line in head.split("\r\n") if line.startswith("content-length:"))
    await reader.readexactly(int(length.partition(":")[2]))
    return "/speech " in head


async def _chunk(writer: asyncio.StreamWriter, data: bytes) -> None:
    writer.write(b"%x\r\n%s\r\n" % (len(data), data))
    await writer.drain()


def _delta(text: str) -> bytes:
    return f"data: {json.dumps({'type': 'transcript.text.delta', 'delta': text})}\n\n".encode()


async def measure(folder: Path, say: Callable[[str], None]) -> dict[str, Figures]:
    """Milliseconds by what is sent, and by door."""
    provider = Provider()
    server = await asyncio.start_server(provider.serve, doors.HOST, PROVIDER, limit=1 << 24)
    async with server:
        with doors.house(folder, CONFIG):
            async with AsyncClient(f"{doors.HOST}:{doors.SERVER}") as client:
                ways: dict[str, Callable[[], AsyncIterator[bytes]]] = {
                    "audio, gRPC": lambda: client.synthesize("One.", encoding=Encoding.PCM_S16LE),
                    "audio, HTTP": lambda: _http("speech", _speech({"response_format": "pcm"})),
                    "speech events, HTTP": lambda: _http("speech", _speech({"stream_format": "sse"})),
                    "transcript events, HTTP": lambda: _http("transcriptions", _recording()),
                }
                return {name: await _late(provider, way, say, name) for name, way in ways.items()}


async def _late(
    provider: Provider, way: Callable[[], AsyncIterator[bytes]], say: Callable[[str], None], name: str
) -> Figures:
    say(f"elsewhere: {name}")
    late, span = [], []
    for _ in range(REPEATS):
        pieces = way()
        await anext(pieces)
        first = time.perf_counter()
        async for _ in pieces:
            pass
        late.append((first - provider.sent_at) * 1000)
        span.append((time.perf_counter() - first) * 1000)
    return {
        "median_ms": statistics.median(late),
        "worst_ms": max(late),
        "before_the_rest_ms": statistics.median(span),
    }


def _speech(options: dict[str, str]) -> tuple[str, bytes]:
    body = {"model": "elsewhere", "input": "One.", "voice": "alloy", **options}
    return "application/json", json.dumps(body).encode()


def _recording() -> tuple[str, bytes]:
    part = '--x\r\ncontent-disposition: form-data; name="{}"\r\n\r\n'
    fields = part.format("model") + "elsewhere-too\r\n" + part.format("stream") + "true\r\n"
    file = part.format('file"; filename="a.flac')
    body = (fields + file).encode() + CLIPS[1].read_bytes() + b"\r\n--x--\r\n"
    return "multipart/form-data; boundary=x", body


async def _http(path: str, content: tuple[str, bytes]) -> AsyncIterator[bytes]:
    """The body's chunks, through Envoy and gateway."""
    async with _connected() as (reader, writer):
        kind, body = content
        writer.write(
            f"POST /v1/audio/{path} HTTP/1.1\r\nhost: bench\r\ncontent-type: {kind}\r\n"
            f"content-length: {len(body)}\r\n\r\n".encode()
            + body
        )
        head = await reader.readuntil(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 200"), head
        while size := int(await reader.readline(), 16):
            yield (await reader.readexactly(size + 2))[:-2]


@asynccontextmanager
async def _connected() -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    reader, writer = await asyncio.open_connection(doors.HOST, doors.ENVOY)
    try:
        yield reader, writer
    finally:
        writer.close()
