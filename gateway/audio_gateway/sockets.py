"""WebSockets: what the conversations of all dialects have in common.

What fails is an event and a close code that says why. So is a caller who is silent for too long, or who
does not read: what waits for a slow reader is bounded, since nothing more is made while it waits.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from contextlib import suppress
from typing import Any, TypeVar

from pydantic import TypeAdapter, ValidationError
from starlette.websockets import WebSocket, WebSocketDisconnect

from audio_gateway.caller import require_key
from audio_gateway.config import GatewaySettings
from audio_gateway.errors import SERVER, ApiError, Translate
from audio_gateway.sse import dumps
from audio_grpc.client import ServiceError

CLOSE_CODES = 4000
"""Plus an HTTP status: a close code that says why (RFC 6455, 7.4.2: 4000 to 4999 are for private use)."""
MAX_MESSAGE_BYTES = 15 << 20
"""The most bytes of one message, as at OpenAI. A megabyte more, and uvicorn closes with 1009 by itself."""

Message = TypeVar("Message")
ErrorEvent = Callable[[ApiError], Mapping[str, Any]]

log = logging.getLogger(__name__)


class SlowReader(Exception):
    """Raised if the caller does not read what is sent."""


class Socket:
    """One caller's side. Sending raises WebSocketDisconnect and SlowReader."""

    def __init__(self, websocket: WebSocket, settings: GatewaySettings) -> None:
        self._websocket = websocket
        self.max_idle_seconds = settings.max_idle_seconds
        self._max_send_seconds = settings.max_send_seconds

    async def send(self, event: Mapping[str, Any]) -> None:
        """An event, as JSON in a text frame."""
        await self._sent(self._websocket.send_text(dumps(event).decode()))

    async def send_bytes(self, data: bytes) -> None:
        """Sound, in a binary frame."""
        await self._sent(self._websocket.send_bytes(data))

    async def receive(self, *, may_idle: bool = False) -> str:
        """Returns the next message. Raises WebSocketDisconnect; ApiError if it is malformed or too late."""
        try:
            async with asyncio.timeout(None if may_idle else self.max_idle_seconds):
                frame = await self._websocket.receive()
        except TimeoutError:
            raise ApiError(
                408, f"nothing came for {self.max_idle_seconds:g} s; open another socket", code="idle"
            ) from None
        if frame["type"] == "websocket.disconnect":
            raise WebSocketDisconnect(frame["code"], frame.get("reason"))
        text: str | None = frame.get("text")
        if text is None:
            raise ApiError(
                400, "messages are JSON in text frames; this one was binary", code="invalid_message"
            )
        if len(text) > MAX_MESSAGE_BYTES:
            size = f"{len(text) / (1 << 20):.1f} MiB, more than {MAX_MESSAGE_BYTES >> 20} MiB"
            raise ApiError(413, f"the message has {size}; send smaller ones", code="message_too_large")
        return text

    async def fail(self, error: ApiError, event: Mapping[str, Any]) -> None:
        """Say what was wrong, and close. A caller who did not read has one more time to do so."""
        with suppress(WebSocketDisconnect, RuntimeError, TimeoutError):  # they may have left meanwhile
            async with asyncio.timeout(self._max_send_seconds):
                await self._websocket.send_text(dumps(event).decode())
                await self._websocket.close(CLOSE_CODES + error.status, error.code)

    async def _sent(self, sending: Coroutine[Any, Any, None]) -> None:
        try:
            async with asyncio.timeout(self._max_send_seconds):
                await sending
        except TimeoutError:
            raise SlowReader from None


async def converse(
    websocket: WebSocket,
    settings: GatewaySettings,
    conversation: Callable[[Socket], Awaitable[None]],
    translate: Translate,
    error_event: ErrorEvent,
    subprotocol: str | None = None,
) -> None:
    """Have a conversation until it is over or the caller has left; then nothing of it runs on."""
    await websocket.accept(subprotocol)
    socket = Socket(websocket, settings)
    try:
        await require_key(websocket)
        await conversation(socket)
        await websocket.close()
        return
    except WebSocketDisconnect:
        return
    except ServiceError as error:
        failure = translate(error)
    except ApiError as error:
        failure = error
    except SlowReader:
        message = f"nothing was read for {settings.max_send_seconds:g} s; read events as they come"
        failure = ApiError(408, message, code="slow_reader")
    except Exception:
        log.exception("a conversation failed")
        message = "an internal error; the gateway's log has the details"
        failure = ApiError(500, message, type=SERVER, code="internal")
    await socket.fail(failure, error_event(failure))


async def until_either_ends(*halves: Coroutine[Any, Any, None]) -> None:
    """Whichever half ends first ends the other; how it ended is how both did."""
    tasks = [asyncio.create_task(half) for half in halves]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def read_message(kinds: TypeAdapter[Message], text: str) -> Message:
    """A message of a caller. ApiError with status 400 for what is none."""
    try:
        return kinds.validate_json(text)
    except ValidationError as error:
        problem = error.errors()[0]
        # The place begins with the message's type, which is no field's name.
        param = ".".join(map(str, problem["loc"][1:])) or None
        said = problem["msg"].removeprefix("Value error, ")
        message = f"{param}: {said}" if param else said
        raise ApiError(400, message, param=param, code="invalid_message") from error
