"""One WebSocket, and the stream of live speech behind it."""

import asyncio
import logging
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from starlette.websockets import WebSocket, WebSocketDisconnect

from audio_grpc.client import AsyncClient, AsyncLiveSpeech, ServiceError, SpokenAudio
from gateway.dialects.live import messages
from gateway.dialects.live.messages import Cancel, Flush, Start, Text
from gateway.errors import SERVER, ApiError, from_service
from gateway.sse import dumps

CLOSE_CODES = 4000
"""Plus an HTTP status: a close code that says why (RFC 6455, 7.4.2: 4000 to 4999 are for private use)."""
START_SECONDS = 60.0
"""How long a caller may be silent before ``start``; from then on the service counts."""
PARAMS = {
    "encoding": "response_format",
    "sample_rate_hertz": "sample_rate",
    "language_code": "language",
    "options.max_wait": "max_wait",
}

log = logging.getLogger(__name__)


async def converse(socket: WebSocket, service: AsyncClient) -> None:
    """Speak until the text is complete or the caller has left; what fails is an event and a close code."""
    await socket.accept()
    try:
        async with service.live_speech(**(await _start(socket)).options()) as speech:
            await _until_either_ends(_speak(socket, speech), _listen(socket, speech))
        await socket.close()
    except WebSocketDisconnect:
        pass  # leaving the stream has stopped the model
    except ServiceError as error:
        await _fail(socket, from_service(error, PARAMS))
    except ApiError as error:
        await _fail(socket, error)
    except Exception:
        log.exception("live speech failed")
        message = "an internal error; the gateway's log has the details"
        await _fail(socket, ApiError(500, message, type=SERVER, code="internal"))


async def _until_either_ends(*halves: Any) -> None:
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


async def _speak(socket: WebSocket, speech: AsyncLiveSpeech) -> None:
    await _send(socket, messages.started(await speech.start()))
    async for event in speech:
        if isinstance(event, SpokenAudio):
            await _send(socket, messages.audio(event))
            await socket.send_bytes(event.data)
        else:
            await _send(socket, messages.cancelled(event))
    await _send(socket, messages.finished(speech.finished))


async def _listen(socket: WebSocket, speech: AsyncLiveSpeech) -> None:
    """Pass on what the caller writes; returns never, since a caller may leave after the end, too."""
    ended = False
    while True:
        message = await _receive(socket)
        if ended:
            raise ApiError(400, "nothing comes after end; open another socket", code="out_of_order")
        match message:
            case Start():
                raise ApiError(400, "start comes once, first; open another socket", code="out_of_order")
            case Text():
                await speech.write(message.text)
            case Flush():
                await speech.flush()
            case Cancel():
                await speech.cancel()
            case _:
                ended = True
                await speech.end()


async def _start(socket: WebSocket) -> Start:
    try:
        async with asyncio.timeout(START_SECONDS):
            message = await _receive(socket)
    except TimeoutError:
        raise ApiError(408, f"nothing came for {START_SECONDS:g} s; send start", code="idle") from None
    if not isinstance(message, Start):
        raise ApiError(400, "the first message is not start; send that first", code="out_of_order")
    return message


async def _receive(socket: WebSocket) -> messages.Message:
    """The next message. WebSocketDisconnect, ApiError."""
    frame = await socket.receive()
    if frame["type"] == "websocket.disconnect":
        raise WebSocketDisconnect(frame["code"], frame.get("reason"))
    if frame.get("text") is None:
        raise ApiError(400, "messages are JSON in text frames; this one was binary", code="invalid_message")
    return messages.read(frame["text"])


async def _send(socket: WebSocket, event: Mapping[str, Any]) -> None:
    await socket.send_text(dumps(event).decode())


async def _fail(socket: WebSocket, error: ApiError) -> None:
    with suppress(WebSocketDisconnect, RuntimeError):  # the caller may have left meanwhile
        await _send(socket, {"type": "error", **error.body})
        await socket.close(CLOSE_CODES + error.status, error.code)
