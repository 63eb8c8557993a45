"""Gateways on real ports, in front of real servers."""

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import httpx2
import openai
import pytest
import uvicorn
from opentelemetry.trace import TracerProvider

from audio_gateway.app import make_app
from audio_gateway.config import GatewaySettings
from audio_grpc.runtime.admission import Admission
from audio_grpc.server import Server
from tests.conftest import GATEWAY_COMMAND, ServerProcess, Start, leave_out_of_garbage_collection
from tests.eventually import eventually

KEY = "any"


class Door:
    """A gateway that is running in the test's own event loop, and the server behind it."""

    def __init__(self, url: str, server_address: str, server: Server | None = None) -> None:
        self.url = url
        self.server_address = server_address
        self.http = httpx2.AsyncClient(base_url=url, timeout=60)
        self.openai = openai.AsyncOpenAI(
            base_url=f"{url}/v1", api_key=KEY, max_retries=0, http_client=httpx2.AsyncClient(timeout=60)
        )
        self._server = server

    @property
    def server(self) -> Server:
        """The server of a door that was opened in front of one in the same process."""
        assert self._server is not None
        return self._server

    @property
    def speaking(self) -> Admission:
        """The places of the speaker."""
        return self.server.models.synthesizer("").admission

    @property
    def hearing(self) -> Admission:
        """The places of the listener."""
        return self.server.models.transcriber("").admission

    async def close(self) -> None:
        """Hang up."""
        await self.http.aclose()
        await self.openai.close()


def gateway_process(*arguments: str) -> ServerProcess:
    """``audio-gateway`` as an operator starts it, on any free port."""
    return ServerProcess(*arguments, command=(GATEWAY_COMMAND,), ready=r"running on http://([\w.:]+)")


@asynccontextmanager
async def running(tracer_provider: TracerProvider | None = None, **settings: Any) -> AsyncIterator[str]:
    """The URL of a gateway with these settings."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        app = make_app(GatewaySettings(**settings), tracer_provider)
        server = uvicorn.Server(uvicorn.Config(app, log_config=None, access_log=False, loop="none"))
        serving = asyncio.create_task(server.serve([listener]))
        await eventually(lambda: server.started)
        host, port = listener.getsockname()
        try:
            yield f"http://{host}:{port}"
        finally:
            server.should_exit = True
            await serving
            leave_out_of_garbage_collection()  # FastAPI's caches keep each application


Open = Callable[..., Awaitable[Door]]


@pytest.fixture
async def open_door(start: Start) -> AsyncIterator[Open]:
    """Opens a gateway in front of a server on the tone backends; the arguments are ``tone_settings``'s."""
    async with AsyncExitStack() as stack:

        async def open_one(gateway: dict[str, Any] | None = None, **changes: Any) -> Door:
            server, _ = await start(**changes)
            url = await stack.enter_async_context(running(server=server.address, **gateway or {}))
            door = Door(url, server.address, server)
            stack.push_async_callback(door.close)
            return door

        yield open_one


@pytest.fixture
async def door(open_door: Open) -> Door:
    """A gateway in front of a server on the tone backends."""
    return await open_door()


@pytest.fixture
async def neural(embedded: str) -> AsyncIterator[Door]:
    """A gateway in front of the server with the default models."""
    async with running(server=embedded) as url:
        door = Door(url, embedded)
        yield door
        await door.close()
