"""Heads of requests of any size."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import pytest
import uvicorn
from fastapi import FastAPI

from audio_gateway.http import MAX_HEAD_BYTES, BoundedHttp
from tests.conftest import PATIENCE_SECONDS
from tests.eventually import eventually

app = FastAPI()


@app.post("/")
async def root() -> str:
    return "here"


@asynccontextmanager
async def connected() -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    """A connection to a server that speaks so."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        config = uvicorn.Config(app, http=BoundedHttp, log_config=None, loop="none", timeout_keep_alive=60)
        server = uvicorn.Server(config)
        serving = asyncio.create_task(server.serve([listener]))
        await eventually(lambda: server.started)
        reader, writer = await asyncio.open_connection(*listener.getsockname())
        try:
            yield reader, writer
        finally:
            writer.close()
            server.should_exit = True
            await serving


async def status(reader: asyncio.StreamReader) -> int:
    head = await reader.readuntil(b"\r\n\r\n")
    length = next(line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length"))
    await reader.readexactly(int(length.partition(b": ")[2]))
    return int(head.split()[1])


def request(header: bytes = b"a: b", body: bytes = b"") -> bytes:
    return b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: %d\r\n%s\r\n\r\n" % (len(body), header) + body


async def test_ordinary_requests_follow_each_other_on_a_connection() -> None:
    async with connected() as (reader, writer):
        for body in (b"", b"x" * (4 * MAX_HEAD_BYTES)):
            writer.write(request(b"a: " + b"x" * (MAX_HEAD_BYTES // 2), body))
            assert await status(reader) == 200


@pytest.mark.parametrize("line", [b"a: b\r\n", b"x"], ids=["many", "one"])
async def test_headers_without_end_are_refused(line: bytes) -> None:
    async with connected() as (reader, writer):
        writer.write(b"POST / HTTP/1.1\r\na: " + line * (2 * MAX_HEAD_BYTES // len(line)))
        assert await status(reader) == 431
        assert await reader.read() == b""


@pytest.mark.parametrize(
    "beside",
    [
        b"0\r\n" + b"a: b\r\n" * MAX_HEAD_BYTES,
        b"0\r\n" + b"a" * 8 * MAX_HEAD_BYTES,
        b"1;" + b"a" * 8 * MAX_HEAD_BYTES,
    ],
    ids=["trailers", "one trailer", "extension"],
)
async def test_what_comes_with_chunks_and_does_not_end_ends_the_connection(beside: bytes) -> None:
    async with connected() as (reader, writer):
        writer.write(b"POST / HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n1\r\na\r\n" + beside)
        async with asyncio.timeout(PATIENCE_SECONDS):
            with suppress(ConnectionError):
                while await reader.read(1 << 16):
                    pass


async def test_many_small_chunks_are_a_body() -> None:
    async with connected() as (reader, writer):
        chunks = b"1\r\na\r\n" * MAX_HEAD_BYTES
        writer.write(
            b"POST / HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n"
            + chunks
            + b"0\r\na: b\r\n\r\n"
        )
        assert await status(reader) == 200
