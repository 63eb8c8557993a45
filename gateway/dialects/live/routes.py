"""The path of live speech."""

from fastapi import APIRouter, WebSocket

from gateway.caller import Configured, Service
from gateway.dialects.live.conversation import converse

router = APIRouter()


@router.websocket("/audio/speech/stream")
async def stream_speech(socket: WebSocket, service: Service, settings: Configured) -> None:
    """Speak a text that is still being written; the messages are in :mod:`gateway.dialects.live.messages`."""
    await converse(socket, service, settings)
