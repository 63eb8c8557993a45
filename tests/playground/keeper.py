"""A server that keeps a history, for the page to show."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx2

from audio_grpc.client import AsyncClient
from audio_grpc.server import Server
from tests.conftest import tone_settings
from tests.gateway.conftest import running

TEXT = "It's \"kept\", isn't it?"
KEEPING: dict[str, Any] = {"history": True, "history_audio": "all", "history_texts": True}


class Keeper:
    """A server with a history, and the gateway in front of it."""

    def __init__(self, url: str, address: str, client: AsyncClient, http: httpx2.AsyncClient) -> None:
        self.url = url
        self.address = address
        self.client = client
        self._http = http

    async def speak(self, text: str = TEXT, **fields: Any) -> bytes:
        """The sound of a text."""
        body = {"model": "tts-1", "input": text, "response_format": "flac", **fields}
        answer = await self._http.post("/v1/audio/speech", json=body)
        assert answer.status_code == 200, answer.text
        return answer.content

    async def transcribe(self, recording: bytes, **fields: Any) -> str:
        """Returns the transcript of a recording."""
        files = {"file": ("said", recording)}
        data = {"model": "whisper-1", **fields}
        answer = await self._http.post("/v1/audio/transcriptions", data=data, files=files)
        assert answer.status_code == 200, answer.text
        return answer.text


@asynccontextmanager
async def keeper(key: str = "", **settings: Any) -> AsyncIterator[Keeper]:
    """A server with these settings."""
    server = Server(tone_settings(**settings))
    await server.start()
    headers = {"authorization": f"Bearer {key}"} if key else {}
    try:
        async with (
            running(server=server.address) as url,
            AsyncClient(server.address, api_key=key or None) as client,
            httpx2.AsyncClient(base_url=url, headers=headers) as http,
        ):
            yield Keeper(url, server.address, client, http)
    finally:
        await server.stop(0)
