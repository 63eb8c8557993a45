"""Speech of a text that is still being written.

async with client.live_speech(encoding=Encoding.PCM_S16LE) as speech:
    writing = asyncio.create_task(write_to(speech))  # speech.write(token) ..., then speech.end()
    async for event in speech:
        if isinstance(event, SpokenAudio):
            play(event.data)
"""

from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any, Self

from audio_grpc.client.errors import ServiceError
from audio_grpc.client.options import LiveSpeechOptions, live_speech_request
from audio_grpc.client.requests import AsyncRequests, Requests
from audio_grpc.client.streams import AsyncStream, Stream
from audio_grpc.convert import to_cancelled, to_spoken
from audio_grpc.types import SpeechCancelled, SpokenAudio
from audio_grpc.v1.text_to_speech_pb2 import (
    SpeechCancel,
    SpeechFlush,
    StreamingSynthesizeRequest,
    SynthesisFinished,
    SynthesisStarted,
)

LiveSpeechEvent = SpokenAudio | SpeechCancelled


class AsyncLiveSpeech(AsyncIterator[LiveSpeechEvent]):
    """Speech of a text that is still being written: one task writes while another reads.

    Reading gives chunks of audio with their places in the text, and an answer to each ``cancel``; it ends
    once all is spoken after ``end``. Raises ServiceError if the stream fails, from reading and from writing.
    Leaving the context stops the server's work.
    """

    def __init__(self, call: Any, options: LiveSpeechOptions) -> None:
        self._options = options
        self._requests = AsyncRequests(call)
        self._events: AsyncStream[SynthesisStarted, LiveSpeechEvent, SynthesisFinished]
        self._events = AsyncStream(call, _event)

    async def start(self) -> SynthesisStarted:
        """The opening message, once the model has a place; a stream that is refused fails here."""
        try:
            return await self._events.start()
        except ServiceError as error:
            raise await self._requests.explained(error) from error

    async def write(self, text: str) -> None:
        """The text goes on with this, a token or a chapter."""
        await self._requests.send(StreamingSynthesizeRequest(text=text))

    async def flush(self) -> None:
        """The text so far is complete: it is spoken without waiting for more."""
        await self._requests.send(_FLUSH)

    async def cancel(self) -> None:
        """Drop what is not yet spoken; what is written from now on will be."""
        await self._requests.send(_CANCEL)

    async def end(self) -> None:
        """The text is complete; the rest is spoken, and then reading ends."""
        await self._requests.end()

    @property
    def finished(self) -> SynthesisFinished:
        """The closing message; there is one once the stream was read to its end."""
        return self._events.finished

    async def __anext__(self) -> LiveSpeechEvent:
        try:
            return await anext(self._events)
        except ServiceError as error:
            raise await self._requests.explained(error) from error

    async def __aenter__(self) -> Self:
        await self._requests.send(live_speech_request(self._options))
        return self

    async def __aexit__(self, *_: object) -> None:
        self._events.cancel()


class LiveSpeech(Iterator[LiveSpeechEvent]):
    """A stream of speech for threads, as :class:`AsyncLiveSpeech` is for asyncio."""

    def __init__(self, call: Callable[[Requests], Any], options: LiveSpeechOptions) -> None:
        self._requests = Requests()
        self._requests.send(live_speech_request(options))
        started = call(self._requests)
        self._requests.of(started)
        self._events: Stream[SynthesisStarted, LiveSpeechEvent, SynthesisFinished]
        self._events = Stream(started, _event)

    def start(self) -> SynthesisStarted:
        """The opening message, once the model has a place; a stream that is refused fails here."""
        return self._events.start()

    def write(self, text: str) -> None:
        """The text goes on with this, a token or a chapter; waits while the server has enough to speak."""
        self._requests.send(StreamingSynthesizeRequest(text=text))

    def flush(self) -> None:
        """The text so far is complete: it is spoken without waiting for more."""
        self._requests.send(_FLUSH)

    def cancel(self) -> None:
        """Drop what is not yet spoken; what is written from now on will be."""
        self._requests.send(_CANCEL)

    def end(self) -> None:
        """The text is complete; the rest is spoken, and then reading ends."""
        self._requests.end()

    @property
    def finished(self) -> SynthesisFinished:
        """The closing message; there is one once the stream was read to its end."""
        return self._events.finished

    def __next__(self) -> LiveSpeechEvent:
        return next(self._events)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._events.cancel()
        self._requests.end()  # gRPC's thread would wait for more for ever


def _event(response: Any) -> LiveSpeechEvent:
    if response.HasField("cancelled"):
        return to_cancelled(response.cancelled)
    return to_spoken(response.audio)


_FLUSH = StreamingSynthesizeRequest(flush=SpeechFlush())
_CANCEL = StreamingSynthesizeRequest(cancel=SpeechCancel())
