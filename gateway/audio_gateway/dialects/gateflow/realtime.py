"""One WebSocket, and the conversation behind it. The messages are JSON in text frames, both ways.

The caller sends ``config`` first, and then, in any order, the others; all but the first two are additions:

    {"type": "config", "template": "voice-agent-fast", "context": "..."}    and what a pipeline may have
    {"type": "audio", "data": "..."}             base64; mono, 16 bits, input_sample_rate (24000)
    {"type": "text", "text": "..."}              a turn in writing
    {"type": "commit"}                           what was said is complete
    {"type": "cancel"}                           drop the reply
    {"type": "playback", "seconds": 1.5}         so much of the sound was played; asks for reports_playback
    {"type": "end"}                              nothing more comes; the socket is closed after the last reply

It is answered with the events of a streamed pipeline, where sound is ``{"type": "audio", "data": "..."}``,
and a complete reply ``{"type": "transcript", "text": "..."}`` beside ``llm.done``; with ``speech.started``
and ``speech.stopped``, and with ``interrupted``, whose ``text`` is what was heard: stop playing then.
"""

import base64
from functools import partial
from typing import Annotated, Any, Literal

from pydantic import Field, TypeAdapter

from audio_gateway.dialects.gateflow import events
from audio_gateway.dialects.gateflow.options import RATE_HERTZ, PipelineOptions
from audio_gateway.errors import ApiError
from audio_gateway.shapes import Body
from audio_gateway.sockets import Socket, read_message, until_either_ends
from audio_gateway.speech import Format
from audio_grpc.client import AsyncClient, AsyncConversation, ConversationEvent
from audio_grpc.v1.conversation_pb2 import ReplyAudio, ReplyDone, TurnFinished

PIECE_BYTES = 1 << 18
"""The bytes of sound in one message to the service."""
MAX_TEXT_CHARACTERS = 100_000


class ConfigEvent(PipelineOptions):
    """Options of a conversation."""

    type: Literal["config"]
    audio_format: Format = "pcm"
    input_sample_rate: int = Field(default=RATE_HERTZ, ge=8000, le=48000)
    reports_playback: bool = False


class AudioEvent(Body):
    """More of the caller's speech."""

    type: Literal["audio"]
    data: str

    def samples(self) -> bytes:
        """Returns the samples. Raises ApiError if they are not base64."""
        try:
            return base64.b64decode(self.data, validate=True)
        except ValueError as error:
            raise ApiError(400, f"data: {error}", param="data", code="invalid_message") from error


class TextEvent(Body):
    """A turn in writing."""

    type: Literal["text"]
    text: str = Field(max_length=MAX_TEXT_CHARACTERS)


class CommitEvent(Body):
    """The end of an utterance."""

    type: Literal["commit"]


class CancelEvent(Body):
    """Drop the reply."""

    type: Literal["cancel"]


class PlaybackEvent(Body):
    """The seconds of sound that were played."""

    type: Literal["playback"]
    seconds: float = Field(ge=0, le=1e9)


class EndEvent(Body):
    """The end of the conversation."""

    type: Literal["end"]


Message = ConfigEvent | AudioEvent | TextEvent | CommitEvent | CancelEvent | PlaybackEvent | EndEvent
_MESSAGE: TypeAdapter[Message] = TypeAdapter(Annotated[Message, Field(discriminator="type")])


async def hold(service: AsyncClient, socket: Socket) -> None:
    """Converses until the caller ends or leaves. Raises ServiceError, ApiError, WebSocketDisconnect."""
    config = await _receive(socket)
    if not isinstance(config, ConfigEvent):
        raise ApiError(400, "the first message is not config; send that first", code="out_of_order")
    options = config.options()
    options["sample_rate_hertz"] = config.input_sample_rate
    options["reports_playback"] = config.reports_playback
    async with service.converse(**options) as conversation:
        await conversation.start()
        await until_either_ends(_tell(socket, conversation), _listen(socket, conversation))


async def _tell(socket: Socket, conversation: AsyncConversation) -> None:
    async for said in conversation:
        for event in _events(said):
            await socket.send(event)


def _events(said: ConversationEvent) -> list[dict[str, Any]]:
    match said:
        case ReplyAudio():
            return [{**(events.event(said) or {}), "type": "audio"}]
        case ReplyDone():
            return [{"type": "transcript", "text": said.text}, events.event(said) or {}]
        case TurnFinished():
            return [events.done(said.timing)]
        case _:
            event = events.event(said)
            return [event] if event else []


async def _listen(socket: Socket, conversation: AsyncConversation) -> None:
    """Pass on what the caller sends; returns never, since a caller may leave after the end, too."""
    ended = False
    while True:
        message = await _receive(socket, may_idle=True)  # the service counts
        if ended:
            raise ApiError(400, "nothing comes after end; open another socket", code="out_of_order")
        match message:
            case ConfigEvent():
                raise ApiError(400, "config comes once, first; open another socket", code="out_of_order")
            case AudioEvent():
                data = message.samples()
                for start in range(0, len(data), PIECE_BYTES):
                    await conversation.write(data[start : start + PIECE_BYTES])
            case TextEvent():
                await conversation.say(message.text)
            case CommitEvent():
                await conversation.end_utterance()
            case CancelEvent():
                await conversation.cancel()
            case PlaybackEvent():
                await conversation.played(message.seconds)
            case _:
                ended = True
                await conversation.end()


_receive_message = partial(read_message, _MESSAGE)


async def _receive(socket: Socket, *, may_idle: bool = False) -> Message:
    return _receive_message(await socket.receive(may_idle=may_idle))
