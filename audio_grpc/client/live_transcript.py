"""A transcript of speech that is still being spoken.

async with client.listen(16000, interim_results=True) as transcript:
    sending = asyncio.create_task(record(transcript))  # transcript.write(samples) ..., transcript.end()
    async for event in transcript:
        if isinstance(event, UtteranceTranscript):
            print(event.text)
"""

from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any, Self

from audio_grpc.client.errors import ServiceError
from audio_grpc.client.requests import AsyncRequests, Requests
from audio_grpc.client.streams import AsyncStream, Stream
from audio_grpc.convert import to_heard
from audio_grpc.types import Hypothesis, SpeechStarted, SpeechStopped, UtteranceDiscarded, UtteranceTranscript
from audio_grpc.v1.speech_to_text_pb2 import (
    StreamingTranscribeRequest,
    StreamingTranscriptionFinished,
    StreamingTranscriptionStarted,
    UtteranceDiscard,
    UtteranceEnd,
)

LiveTranscriptEvent = SpeechStarted | SpeechStopped | UtteranceDiscarded | Hypothesis | UtteranceTranscript


class AsyncLiveTranscript(AsyncIterator[LiveTranscriptEvent]):
    """A transcript of sound that still arrives: one task writes samples while another reads.

    Reading ends once all is transcribed after ``end``. ServiceError if the stream fails, from reading and
    from writing. Leaving the context stops the server's work.
    """

    def __init__(self, call: Any, opening: StreamingTranscribeRequest) -> None:
        self._opening = opening
        self._requests = AsyncRequests(call)
        self._events: AsyncStream[
            StreamingTranscriptionStarted, LiveTranscriptEvent, StreamingTranscriptionFinished
        ] = AsyncStream(call, to_heard)

    async def start(self) -> StreamingTranscriptionStarted:
        """The opening message, once the model has a place; a stream that is refused fails here."""
        try:
            return await self._events.start()
        except ServiceError as error:
            raise await self._requests.explained(error) from error

    async def write(self, samples: bytes) -> None:
        """The sound goes on with these; waits while the server has enough to listen to."""
        await self._requests.send(StreamingTranscribeRequest(audio=samples))

    async def end_utterance(self) -> None:
        """Ends the utterance that was written so far."""
        await self._requests.send(_END)

    async def discard_utterance(self) -> None:
        """Drop what was said so far and is not complete; an UtteranceDiscarded answers."""
        await self._requests.send(_DISCARD)

    async def end(self) -> None:
        """Ends the sound; the rest is transcribed, and then reading ends."""
        await self._requests.end()

    @property
    def finished(self) -> StreamingTranscriptionFinished:
        """The closing message; there is one once the stream was read to its end."""
        return self._events.finished

    async def __anext__(self) -> LiveTranscriptEvent:
        try:
            return await anext(self._events)
        except ServiceError as error:
            raise await self._requests.explained(error) from error

    async def __aenter__(self) -> Self:
        await self._requests.send(self._opening)
        return self

    async def __aexit__(self, *_: object) -> None:
        self._events.cancel()


class LiveTranscript(Iterator[LiveTranscriptEvent]):
    """A live transcript for threads, as :class:`AsyncLiveTranscript` is for asyncio."""

    def __init__(self, call: Callable[[Requests], Any], opening: StreamingTranscribeRequest) -> None:
        self._requests = Requests()
        self._requests.send(opening)
        started = call(self._requests)
        self._requests.of(started)
        self._events: Stream[
            StreamingTranscriptionStarted, LiveTranscriptEvent, StreamingTranscriptionFinished
        ] = Stream(started, to_heard)

    def start(self) -> StreamingTranscriptionStarted:
        """The opening message, once the model has a place; a stream that is refused fails here."""
        return self._events.start()

    def write(self, samples: bytes) -> None:
        """The sound goes on with these; waits while the server has enough to listen to."""
        self._requests.send(StreamingTranscribeRequest(audio=samples))

    def end_utterance(self) -> None:
        """Ends the utterance that was written so far."""
        self._requests.send(_END)

    def discard_utterance(self) -> None:
        """Drop what was said so far and is not complete; an UtteranceDiscarded answers."""
        self._requests.send(_DISCARD)

    def end(self) -> None:
        """Ends the sound; the rest is transcribed, and then reading ends."""
        self._requests.end()

    @property
    def finished(self) -> StreamingTranscriptionFinished:
        """The closing message; there is one once the stream was read to its end."""
        return self._events.finished

    def __next__(self) -> LiveTranscriptEvent:
        return next(self._events)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._events.cancel()
        self._requests.end()


_END = StreamingTranscribeRequest(end_utterance=UtteranceEnd())
_DISCARD = StreamingTranscribeRequest(discard_utterance=UtteranceDiscard())
