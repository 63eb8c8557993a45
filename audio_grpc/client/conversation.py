"""A conversation with a language model, in speech.

async with client.converse(sample_rate_hertz=16000) as conversation:
    sending = asyncio.create_task(record(conversation))  # conversation.write(samples) ..., conversation.end()
    async for event in conversation:
        match event:
            case ReplyAudio():
                play(event.audio.data)
            case ReplyInterrupted():
                stop_playing()
"""

from collections.abc import AsyncIterator
from typing import Any, Self

from audio_grpc.client.errors import ServiceError
from audio_grpc.client.options import ConverseOptions, converse_request
from audio_grpc.client.requests import AsyncRequests
from audio_grpc.client.streams import AsyncStream
from audio_grpc.convert import from_seconds
from audio_grpc.v1.conversation_pb2 import (
    ConversationFinished,
    ConversationStarted,
    ConverseRequest,
    ReplyAudio,
    ReplyCancel,
    ReplyDone,
    ReplyInterrupted,
    ReplyToken,
    TurnFailed,
    TurnFinished,
)
from audio_grpc.v1.speech_to_text_pb2 import (
    SpeechStarted,
    SpeechStopped,
    TranscriptHypothesis,
    UtteranceEnd,
    UtteranceTranscript,
)

ConversationEvent = (
    SpeechStarted
    | SpeechStopped
    | TranscriptHypothesis
    | UtteranceTranscript
    | ReplyToken
    | ReplyDone
    | ReplyAudio
    | ReplyInterrupted
    | TurnFinished
    | TurnFailed
)
"""The messages of protos/audio_grpc/v1/conversation.proto."""


class AsyncConversation(AsyncIterator[ConversationEvent]):
    """A conversation: one task sends speech or text while another reads the replies.

    Reading ends once the last reply is spoken after ``end``. ServiceError if the stream fails, from reading
    and from sending; a turn that fails is an event. Leaving the context stops the server's work.
    """

    def __init__(self, call: Any, options: ConverseOptions) -> None:
        self._options = options
        self._requests = AsyncRequests(call)
        self._events: AsyncStream[ConversationStarted, ConversationEvent, ConversationFinished]
        self._events = AsyncStream(call, _event)

    async def start(self) -> ConversationStarted:
        """The opening message, once both models have a place; a conversation that is refused fails here."""
        try:
            return await self._events.start()
        except ServiceError as error:
            raise await self._requests.explained(error) from error

    async def write(self, samples: bytes) -> None:
        """Sends more samples of the caller's speech."""
        await self._requests.send(ConverseRequest(audio=samples))

    async def end_utterance(self) -> None:
        """Ends the utterance that was sent so far."""
        await self._requests.send(ConverseRequest(end_utterance=UtteranceEnd()))

    async def say(self, text: str) -> None:
        """A turn in writing."""
        await self._requests.send(ConverseRequest(text=text))

    async def send_recording(self, recording: bytes) -> None:
        """A turn as a whole sound file."""
        await self._requests.send(ConverseRequest(recording=recording))

    async def cancel(self) -> None:
        """Drop the reply."""
        await self._requests.send(ConverseRequest(cancel=ReplyCancel()))

    async def played(self, seconds: float) -> None:
        """Reports the seconds of audio played, from the start, if ``reports_playback`` is set."""
        await self._requests.send(ConverseRequest(played=from_seconds(seconds)))

    async def end(self) -> None:
        """The caller has said all; the last reply is spoken, and then reading ends."""
        await self._requests.end()

    @property
    def finished(self) -> ConversationFinished:
        """The closing message; there is one once the stream was read to its end."""
        return self._events.finished

    async def __anext__(self) -> ConversationEvent:
        try:
            return await anext(self._events)
        except ServiceError as error:
            raise await self._requests.explained(error) from error

    async def __aenter__(self) -> Self:
        await self._requests.send(converse_request(self._options))
        return self

    async def __aexit__(self, *_: object) -> None:
        self._events.cancel()


def _event(response: Any) -> ConversationEvent:
    event: ConversationEvent = getattr(response, response.WhichOneof("event"))
    return event
