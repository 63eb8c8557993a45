"""Finds out when the caller of a conversation speaks, and what is said."""

import time
from contextlib import aclosing
from typing import Protocol

from audio_grpc.convert import from_heard
from audio_grpc.services.conversation.inbox import Inbox
from audio_grpc.services.conversation.send_queue import SendQueue
from audio_grpc.services.live_hearing import LiveHearing
from audio_grpc.types import (
    EndCause,
    Hypothesis,
    SpeechStarted,
    SpeechStopped,
    UtteranceDiscarded,
    UtteranceTranscript,
)
from audio_grpc.v1.conversation_pb2 import ConverseResponse
from audio_grpc.v1.speech_to_text_pb2 import StreamingTranscribeRequest, UtteranceEnd

MAX_WAITING = 8
"""Messages of sound that nobody has listened to; more are not read."""


class Attention(Protocol):
    """Whoever wants to know what the caller does."""

    async def interrupt(self) -> None:
        """The caller begins to speak."""

    async def hear(self, text: str, since: float) -> None:
        """The caller has said this, and was done ``since``, on ``time.perf_counter``."""


class TurnListener:
    """One live transcript. What is said in several utterances, while the caller goes on, is one turn."""

    def __init__(
        self, hearing: LiveHearing, queue: SendQueue, attention: Attention, *, is_manual: bool
    ) -> None:
        self._hearing = hearing
        self._queue = queue
        self._attention = attention
        self._is_manual = is_manual
        self._inbox: Inbox[StreamingTranscribeRequest] = Inbox(MAX_WAITING)
        self._stops: dict[int, tuple[EndCause, float]] = {}
        self._is_speaking = self._has_ended = False
        self._said = ""

    async def write(self, samples: bytes) -> None:
        """The caller's sound goes on."""
        await self._inbox.put(StreamingTranscribeRequest(audio=samples))

    async def end_utterance(self) -> None:
        """Ends the utterance that was sent so far."""
        await self._inbox.put(StreamingTranscribeRequest(end_utterance=UtteranceEnd()))

    async def end(self) -> None:
        """Ends the sound."""
        self._has_ended = True
        await self._inbox.end()

    async def run(self) -> None:
        """Transcribes the sound until its end."""
        async with aclosing(self._hearing.events(self._inbox.requests())) as events:
            async for event in events:
                assert not isinstance(event, UtteranceDiscarded), "nobody asks for that here"
                self._queue.put(message(event))
                match event:
                    case SpeechStarted():
                        self._is_speaking = True
                        # Without a detector, sound is no sign of speech; what is left over interrupts nobody.
                        if not self._is_manual and not self._has_ended:
                            await self._attention.interrupt()
                    case SpeechStopped():
                        self._is_speaking = False
                        self._stops[event.utterance] = (event.cause, time.perf_counter())
                    case UtteranceTranscript():
                        await self._conclude(event)
        await self._answer(time.perf_counter())

    async def _conclude(self, transcript: UtteranceTranscript) -> None:
        cause, stopped = self._stops.pop(transcript.utterance)
        self._said += transcript.text
        goes_on = self._is_speaking and cause in (EndCause.SILENCE, EndCause.MAX_UTTERANCE)
        if not goes_on:
            await self._answer(stopped)

    async def _answer(self, since: float) -> None:
        said, self._said = self._said.strip(), ""
        if said:
            await self._attention.hear(said, since)


def message(event: SpeechStarted | SpeechStopped | Hypothesis | UtteranceTranscript) -> ConverseResponse:
    """Returns the event as a message of a conversation; its field names are those of StreamingTranscribe."""
    heard = from_heard(event)
    name = heard.WhichOneof("event")
    assert name is not None, "every event has a message"
    return ConverseResponse(**{name: getattr(heard, name)})
