"""A double of an OpenAI-compatible chat endpoint: a real HTTP server that says what a test tells it to."""

import asyncio
import json
from collections.abc import Callable, Mapping
from typing import Any, Self

from tests.conftest import PATIENCE_SECONDS

EVENTS = "text/event-stream"


class Asked:
    """One request, which the test answers."""

    def __init__(self, headers: Mapping[str, str], body: Any, writer: asyncio.StreamWriter) -> None:
        self.headers = headers
        self.body = body
        self.left = asyncio.Event()
        """The event that is set when the client has closed the connection."""
        self.over = asyncio.Event()
        self._writer = writer
        self._begun = False

    @property
    def messages(self) -> list[tuple[str, str]]:
        """Role and content of each."""
        return [(message["role"], message["content"]) for message in self.body["messages"]]

    async def say(self, text: str) -> None:
        """One token."""
        await self.event({"choices": [{"index": 0, "delta": {"content": text}, "finish_reason": None}]})

    async def finish(self, reason: str = "stop") -> None:
        """The end of the reply, with its usage."""
        await self.event({"choices": [{"index": 0, "delta": {}, "finish_reason": reason}]})
        await self.event({"choices": [], "usage": {"prompt_tokens": 7, "completion_tokens": 3}})
        await self.data("data: [DONE]\n\n")
        await self.data("")
        self.over.set()

    async def reply(self, text: str) -> None:
        """A whole reply, word by word."""
        for word in text.split(" "):
            await self.say(word if text.startswith(word) else f" {word}")
        await self.finish()

    async def event(self, chunk: object) -> None:
        """One event."""
        await self.data(f"data: {json.dumps(chunk)}\n\n")

    async def data(self, text: str) -> None:
        """Bytes of the stream; none: its end."""
        if not self._begun:
            self._begun = True
            head = f"HTTP/1.1 200 OK\r\ncontent-type: {EVENTS}\r\ntransfer-encoding: chunked\r\n\r\n"
            self._writer.write(head.encode())
        encoded = text.encode()
        self._writer.write(f"{len(encoded):x}\r\n".encode() + encoded + b"\r\n")
        await self._writer.drain()

    async def refuse(self, status: int, body: str, kind: str = "application/json") -> None:
        """Another answer than a stream."""
        encoded = body.encode()
        head = f"HTTP/1.1 {status} No\r\ncontent-type: {kind}\r\ncontent-length: {len(encoded)}\r\n\r\n"
        self._writer.write(head.encode() + encoded)
        await self._writer.drain()
        self.over.set()

    async def raw(self, text: str) -> None:
        """Bytes of the answer, its head included."""
        self._writer.write(text.encode())
        await self._writer.drain()

    def hang_up(self) -> None:
        """Cut the connection."""
        self._writer.transport.abort()
        self.over.set()

    async def was_left(self) -> None:
        """Wait until the client has closed the connection."""
        await asyncio.wait_for(self.left.wait(), PATIENCE_SECONDS)


class ChatDouble:
    """The endpoint; requests wait until the test takes them."""

    def __init__(self) -> None:
        self._waiting: asyncio.Queue[Asked] = asyncio.Queue()
        self._open: set[asyncio.StreamWriter] = set()
        self.count = 0
        """Requests so far."""

    async def asked(self) -> Asked:
        """The next request."""
        return await asyncio.wait_for(self._waiting.get(), PATIENCE_SECONDS)

    @property
    def base_url(self) -> str:
        """The base URL for a pipeline."""
        return f"http://127.0.0.1:{self._port}/v1"

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self._port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        for writer in self._open:
            writer.transport.abort()
        await self._server.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._open.add(writer)
        try:
            while (asked := await self._read(reader, writer)) is not None:
                self.count += 1
                self._waiting.put_nowait(asked)
                leaving = asyncio.create_task(_left(reader))
                leaving.add_done_callback(_setting(asked.left))
                over = asyncio.create_task(asked.over.wait())
                await asyncio.wait((leaving, over), return_when=asyncio.FIRST_COMPLETED)
                over.cancel()
                if leaving.done():
                    return
                leaving.cancel()
                await asyncio.gather(leaving, return_exceptions=True)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            self._open.discard(writer)
            writer.close()

    async def _read(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> Asked | None:
        line = (await reader.readline()).decode()
        if not line:
            return None
        assert line.startswith("POST /v1/chat/completions "), line
        headers = {}
        while header := (await reader.readline()).decode().strip():
            name, _, value = header.partition(":")
            headers[name.lower()] = value.strip()
        body = json.loads(await reader.readexactly(int(headers["content-length"])))
        return Asked(headers, body, writer)


async def _left(reader: asyncio.StreamReader) -> None:
    """Waits until the client closes; it sends nothing while it waits for its answer."""
    await reader.read(1)


def _setting(event: asyncio.Event) -> Callable[[asyncio.Task[None]], None]:
    def done(task: asyncio.Task[None]) -> None:
        if not task.cancelled():
            task.exception()
            event.set()

    return done
