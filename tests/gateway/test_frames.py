"""WebSockets' frames that bring next to nothing, or nothing that can be read."""

import asyncio
import logging
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
import uvicorn
from fastapi import FastAPI, WebSocket
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed
from websockets.frames import Frame, Opcode

from audio_gateway.frames import MOST_FRAGMENTS, MOST_PINGS, BoundedSocket
from tests.conftest import PATIENCE_SECONDS
from tests.eventually import eventually

app = FastAPI()


@app.websocket("/")
async def echo(websocket: WebSocket) -> None:
    await websocket.accept()
    async for text in websocket.iter_text():
        await websocket.send_text(str(len(text)))


@asynccontextmanager
async def connected() -> AsyncIterator[ClientConnection]:
    """A connection to a gateway's WebSocket that tells how long texts are."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        config = uvicorn.Config(app, ws=BoundedSocket, log_config=None, loop="none")
        server = uvicorn.Server(config)
        serving = asyncio.create_task(server.serve([listener]))
        await eventually(lambda: server.started)
        host, port = listener.getsockname()
        async with (
            connect(f"ws://{host}:{port}/", compression=None) as socket_,
            asyncio.timeout(PATIENCE_SECONDS),
        ):
            yield socket_
        server.should_exit = True
        await serving


def write(connection: ClientConnection, *frames: Frame) -> None:
    """Past the client's own rules."""
    data = b"".join(frame.serialize(mask=True) for frame in frames)
    connection.transport.write(data)


def fragments(count: int, data: bytes) -> list[Frame]:
    middle = [Frame(Opcode.CONT, data, fin=False)] * (count - 2)
    return [Frame(Opcode.TEXT, data, fin=False), *middle, Frame(Opcode.CONT, data)]


async def test_messages_in_many_fragments_pass_up_to_a_bound() -> None:
    async with connected() as connection:
        write(connection, *fragments(MOST_FRAGMENTS, b"a"))
        assert await connection.recv() == str(MOST_FRAGMENTS)
        write(connection, *fragments(MOST_FRAGMENTS + 100, b""))
        with pytest.raises(ConnectionClosed, match="fragments"):
            await connection.recv()
        assert connection.close_code == 1008


@pytest.mark.parametrize("opcode", [Opcode.PING, Opcode.PONG])
async def test_pings_pass_up_to_a_bound(opcode: Opcode) -> None:
    async with connected() as connection:
        write(connection, *[Frame(opcode, b"")] * (MOST_PINGS // 2))
        await connection.send("aa")
        assert await connection.recv() == "2"
        write(connection, *[Frame(opcode, b"")] * 20 * MOST_PINGS)
        with pytest.raises(ConnectionClosed, match="pings"):
            await connection.recv()
        assert connection.close_code == 1008


async def test_text_that_is_none_is_refused_and_is_no_error_of_ours(caplog: pytest.LogCaptureFixture) -> None:
    async with connected() as connection:
        write(connection, Frame(Opcode.TEXT, b"\xff\xfe"))
        with pytest.raises(ConnectionClosed):
            await connection.recv()
        assert connection.close_code == 1007
    assert not [record for record in caplog.records if record.levelno >= logging.ERROR]
