"""One WebSocket, and the stream of live speech behind it."""

from collections.abc import Mapping
from functools import partial
from typing import Any

from starlette.websockets import WebSocket

from audio_gateway import sockets
from audio_gateway.config import GatewaySettings
from audio_gateway.dialects.live import messages
from audio_gateway.dialects.live.messages import CancelMessage, FlushMessage, StartMessage, TextMessage
from audio_gateway.errors import ApiError, from_service
from audio_gateway.sockets import Socket, until_either_ends
from audio_grpc.client import AsyncClient, AsyncLiveSpeech, SpokenAudio

PARAMS = {
    "encoding": "response_format",
    "sample_rate_hertz": "sample_rate",
    "language_code": "language",
    "options.max_wait": "max_wait",
}
SUBPROTOCOL = "speech"
"""The subprotocol that a page offers beside its key: a browser wants one of its subprotocols accepted."""


async def converse(websocket: WebSocket, service: AsyncClient, settings: GatewaySettings) -> None:
    """Speak until the text is complete or the caller has left; what fails is an event and a close code."""
    translate = partial(from_service, params=PARAMS)
    subprotocol = SUBPROTOCOL if SUBPROTOCOL in websocket.scope["subprotocols"] else None
    await sockets.converse(websocket, settings, partial(_converse, service), translate, _error, subprotocol)


async def _converse(service: AsyncClient, socket: Socket) -> None:
    async with service.live_speech(**(await _start(socket)).options()) as speech:
        await until_either_ends(_speak(socket, speech), _listen(socket, speech))


async def _speak(socket: Socket, speech: AsyncLiveSpeech) -> None:
    await socket.send(messages.started(await speech.start()))
    async for event in speech:
        if isinstance(event, SpokenAudio):
            await socket.send(messages.audio(event))
            await socket.send_bytes(event.data)
        else:
            await socket.send(messages.cancelled(event))
    await socket.send(messages.finished(speech.finished))


async def _listen(socket: Socket, speech: AsyncLiveSpeech) -> None:
    """Pass on what the caller writes; returns never, since a caller may leave after the end, too."""
    ended = False
    while True:
        message = messages.read(await socket.receive(may_idle=True))  # the service counts
        if ended:
            raise ApiError(400, "nothing comes after end; open another socket", code="out_of_order")
        match message:
            case StartMessage():
                raise ApiError(400, "start comes once, first; open another socket", code="out_of_order")
            case TextMessage():
                await speech.write(message.text)
            case FlushMessage():
                await speech.flush()
            case CancelMessage():
                await speech.cancel()
            case _:
                ended = True
                await speech.end()


async def _start(socket: Socket) -> StartMessage:
    message = messages.read(await socket.receive())
    if not isinstance(message, StartMessage):
        raise ApiError(400, "the first message is not start; send that first", code="out_of_order")
    return message


def _error(error: ApiError) -> Mapping[str, Any]:
    return {"type": "error", **error.body}
