"""The gateway's own port: connections that say nothing end, requests that take their time do not."""

import asyncio
import socket
from typing import Any

import uvicorn

from audio_gateway.app import make_app
from audio_gateway.config import GatewaySettings
from audio_gateway.header_timeout import HeaderTimeoutProtocol
from tests.eventually import eventually
from tests.silence import closed


class Hasty(HeaderTimeoutProtocol):
    headers_seconds = 0.2


async def test_headers_that_never_end_close_their_connection_and_slow_requests_go_on() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        app = make_app(GatewaySettings())
        options: dict[str, Any] = {"log_config": None, "access_log": False, "timeout_keep_alive": 600}
        server = uvicorn.Server(uvicorn.Config(app, http=Hasty, loop="none", **options))
        serving = asyncio.create_task(server.serve([listener]))
        await eventually(lambda: server.started)
        host, port = listener.getsockname()
        reader, writer = await asyncio.open_connection(host, port)
        writer.write(b"POST /nowhere HTTP/1.1\r\nhost: a\r\ncontent-length: 4\r\n\r\nab")
        await closed(f"{host}:{port}", b"")
        await closed(f"{host}:{port}", b"GET /livez HTTP/1.1\r\nx-slow: ")
        await closed(f"{host}:{port}", b"GET /livez HTTP/1.1\r\nhost: a\r\n\r\nGET /li")
        writer.write(b"cd")
        assert (await reader.readline()).startswith(b"HTTP/1.1 404")
        writer.close()
        server.should_exit = True
        await serving
