"""A provider on a raw socket, which can misbehave in ways that no HTTP library allows."""

import asyncio
import socket
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from tests.eventually import eventually

REASONS = {200: "OK", 302: "Found", 400: "Bad Request", 401: "Unauthorized", 404: "Not Found"}


@dataclass
class Request:
    """A request that came: the first line, the headers by their names in lower case, and the body."""

    line: str
    headers: dict[str, str]
    body: bytes


class Connection:
    """One request, and what to answer."""

    def __init__(self, request: Request, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.request = request
        self._reader = reader
        self._writer = writer

    async def head(self, status: int = 200, kind: str = "audio/pcm", **headers: str) -> None:
        """The status and the headers; the body comes in chunks unless it has a ``content_length``."""
        named = {"content-type": kind, **{name.replace("_", "-"): value for name, value in headers.items()}}
        if not {"content-length", "connection"} & set(named):
            named["transfer-encoding"] = "chunked"
        lines = [f"HTTP/1.1 {status} {REASONS.get(status, 'Status')}"]
        lines += [f"{name}: {value}" for name, value in named.items()]
        await self.raw(("\r\n".join(lines) + "\r\n\r\n").encode())

    async def chunk(self, data: bytes) -> None:
        """A part of the body."""
        await self.raw(f"{len(data):x}\r\n".encode() + data + b"\r\n")

    async def end(self) -> None:
        """The end of the body."""
        await self.raw(b"0\r\n\r\n")

    async def whole(self, body: bytes, status: int = 200, kind: str = "audio/pcm", **headers: str) -> None:
        """An answer in one piece."""
        await self.head(status, kind, content_length=str(len(body)), **headers)
        await self.raw(body)

    async def events(self, *data: str) -> None:
        """Server-sent events."""
        await self.head(kind="text/event-stream")
        for one in data:
            await self.chunk(f"data: {one}\n\n".encode())

    async def raw(self, data: bytes) -> None:
        """These bytes, whatever they are."""
        self._writer.write(data)
        await self._writer.drain()

    async def until_left(self) -> None:
        """Waits until the other side has hung up, and checks that it sent no more."""
        assert await self._reader.read() == b""

    def close(self) -> None:
        """Hang up, as if that was all."""
        self._writer.close()

    def reset(self) -> None:
        """Hang up with RST, as a crash does."""
        found: socket.socket = self._writer.get_extra_info("socket")
        found.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._writer.transport.abort()


Behaviour = Callable[[Connection], Awaitable[None]]


@dataclass
class Provider:
    """A provider with a behaviour for each request in turn (the last repeats), and a record of requests."""

    behaviours: tuple[Behaviour, ...]
    url: str = ""
    requests: list[Request] = field(default_factory=list)
    left: list[Request] = field(default_factory=list)
    """The requests that were answered, or whose connection was lost meanwhile."""

    async def until_left(self, count: int = 1) -> None:
        """Wait until so many requests are over."""
        await eventually(lambda: len(self.left) >= count)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while (request := await _read(reader)) is not None:
                behaviour = self.behaviours[min(len(self.requests), len(self.behaviours) - 1)]
                self.requests.append(request)
                try:
                    await behaviour(Connection(request, reader, writer))
                finally:
                    self.left.append(request)
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass
        finally:
            writer.close()


async def _read(reader: asyncio.StreamReader) -> Request | None:
    head = await reader.readuntil(b"\r\n\r\n") if not reader.at_eof() else b""
    if not head:
        return None
    line, *lines = head.decode().rstrip().split("\r\n")
    headers = {name.lower(): value.strip() for name, _, value in (one.partition(":") for one in lines)}
    return Request(line, headers, await reader.readexactly(int(headers.get("content-length", 0))))


@asynccontextmanager
async def provider(*behaviours: Behaviour) -> AsyncIterator[Provider]:
    """A provider that is running."""
    made = Provider(behaviours)
    tasks: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        await made.serve(reader, writer)

    server = await asyncio.start_server(serve, "127.0.0.1", 0, limit=1 << 24)
    host, port = server.sockets[0].getsockname()
    made.url = f"http://{host}:{port}/v1"
    try:
        yield made
    finally:
        server.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
