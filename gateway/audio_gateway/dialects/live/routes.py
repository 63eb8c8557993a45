"""The path of live speech."""

from fastapi import APIRouter, WebSocket

from audio_gateway.caller import Configured, Service
from audio_gateway.dialects.live.conversation import converse

router = APIRouter()


@router.websocket("/audio/speech/stream")
async def stream_speech(socket: WebSocket, service: Service, settings: Configured) -> None:
    """Speak a text that is still being written (:mod:`audio_gateway.dialects.live.messages`)."""
    await converse(socket, service, settings)
