"""The path of Realtime transcription."""

from functools import partial

from fastapi import APIRouter, WebSocket

from audio_gateway.caller import Configured, Service
from audio_gateway.dialects.openai.realtime import events
from audio_gateway.dialects.openai.realtime.conversation import RealtimeConversation, translate
from audio_gateway.dialects.openai.realtime.session import (
    AudioConfig,
    InputConfig,
    SessionConfig,
    Transcription,
)
from audio_gateway.errors import ApiError
from audio_gateway.sockets import Socket, converse
from audio_grpc.client import AsyncClient
from audio_grpc.errors import quoted

INTENT = "transcription"
SUBPROTOCOL = "realtime"

router = APIRouter()


@router.websocket("/realtime")
async def transcribe(
    socket: WebSocket,
    service: Service,
    settings: Configured,
    model: str | None = None,
    deployment: str | None = None,
    intent: str = INTENT,
) -> None:
    """Write down speech while it is being spoken; the events are OpenAI's, and Azure names a deployment."""
    subprotocol = SUBPROTOCOL if SUBPROTOCOL in socket.scope["subprotocols"] else None
    conversation = partial(_converse, service, model or deployment, intent)
    await converse(socket, settings, conversation, translate, events.error, subprotocol)


async def _converse(service: AsyncClient, model: str | None, intent: str, socket: Socket) -> None:
    if intent != INTENT:
        message = f"intent: {quoted(intent)} is not served here; only {INTENT} is"
        raise ApiError(400, message, param="intent", code="invalid_value")
    session = SessionConfig(audio=AudioConfig(input=InputConfig(transcription=Transcription(model=model))))
    await RealtimeConversation(socket, service, session).hold()
