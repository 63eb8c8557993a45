"""Clients for all servers behind one protocol: gRPC, OpenAI's HTTP, and Wyoming."""

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Protocol, Self

from openai import AsyncOpenAI

from audio_grpc.client import AsyncClient, Encoding
from benchmarks.beside.environments import VOICES

HOST = "127.0.0.1"
PATIENCE_SECONDS = 3600.0
SAMPLE_BYTES = 2
RATE_HERTZ = 16_000
PIECE_BYTES = 32_000
VOICE = VOICES[0]


@dataclass(frozen=True)
class Recording:
    """A file as it is sent, and the samples in it, for those who take no files."""

    name: str
    content: bytes
    pcm: bytes
    """16 kHz, 16 bits."""

    @property
    def seconds(self) -> float:
        return len(self.pcm) / SAMPLE_BYTES / RATE_HERTZ


class Client(Protocol):
    """A connection to a server that is up."""

    async def transcribe(self, recording: Recording) -> str: ...

    def speak(self, text: str) -> AsyncIterator[bytes]:
        """Samples of 16 bits at 24 kHz."""

    async def __aenter__(self) -> Self: ...

    async def __aexit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None: ...


class Grpc:
    """Our own contract."""

    def __init__(self, address: str) -> None:
        self._client = AsyncClient(address)

    async def transcribe(self, recording: Recording) -> str:
        segments = self._client.transcribe(recording.content, language_code="en")
        return "".join([segment.text async for segment in segments])

    def speak(self, text: str) -> AsyncIterator[bytes]:
        return self._client.synthesize(text, voice=VOICE, encoding=Encoding.PCM_S16LE)

    async def __aenter__(self) -> Self:
        await self._client.__aenter__()
        return self

    async def __aexit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        await self._client.close()


class OpenAI:
    """OpenAI's own library, as most callers have it."""

    def __init__(self, port: int, model: str) -> None:
        self._model = model
        self._client = AsyncOpenAI(
            base_url=f"http://{HOST}:{port}/v1", api_key="none", timeout=PATIENCE_SECONDS, max_retries=0
        )

    async def transcribe(self, recording: Recording) -> str:
        kind = "audio/ogg" if recording.name.endswith(".opus") else "audio/flac"
        file = (recording.name, recording.content, kind)
        answer = await self._client.audio.transcriptions.create(file=file, model=self._model, language="en")
        return answer.text

    async def speak(self, text: str) -> AsyncIterator[bytes]:
        speech = self._client.audio.speech.with_streaming_response
        asked: Any = {"model": self._model, "voice": VOICE, "input": text, "response_format": "pcm"}
        async with speech.create(**asked) as response:
            async for data in response.iter_bytes():
                yield data

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        await self._client.close()


class Wyoming:
    """Events as lines of JSON with samples behind them; a connection for each recording."""

    def __init__(self, port: int) -> None:
        self._port = port

    async def transcribe(self, recording: Recording) -> str:
        reader, writer = await asyncio.open_connection(HOST, self._port)
        try:
            sound = {"rate": RATE_HERTZ, "width": SAMPLE_BYTES, "channels": 1}
            writer.write(self._event("transcribe", {"language": "en"}))
            writer.write(self._event("audio-start", sound))
            for start in range(0, len(recording.pcm), PIECE_BYTES):
                writer.write(self._event("audio-chunk", sound, recording.pcm[start : start + PIECE_BYTES]))
                await writer.drain()
            writer.write(self._event("audio-stop", {}))
            while True:
                kind, data = await self._read(reader)
                if kind == "transcript":
                    return str(data["text"])
        finally:
            writer.close()

    @staticmethod
    def _event(kind: str, data: dict[str, Any], samples: bytes = b"") -> bytes:
        head = {"type": kind, "data": data, "payload_length": len(samples)}
        return json.dumps(head).encode() + b"\n" + samples

    @staticmethod
    async def _read(reader: asyncio.StreamReader) -> tuple[str, dict[str, Any]]:
        """Reads one event. Raises EOFError if the server has closed the connection."""
        line = await reader.readline()
        if not line:
            raise EOFError("the server closed the connection")
        head = json.loads(line)
        more = await reader.readexactly(head.get("data_length") or 0)
        await reader.readexactly(head.get("payload_length") or 0)
        return head["type"], (head.get("data") or {}) | (json.loads(more) if more else {})

    async def speak(self, text: str) -> AsyncIterator[bytes]:
        if text:
            raise NotImplementedError("it only hears")
        yield b""

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        pass
