"""Replies that arrive bit by bit."""

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import suppress
from typing import Any, Generic, Self, TypeVar, Unpack

import grpc

from audio_grpc.client.errors import ServiceError
from audio_grpc.client.options import UploadOptions, transcribe_request
from audio_grpc.client.requests import AsyncRequests
from audio_grpc.convert import to_segment
from audio_grpc.types import Segment
from audio_grpc.v1.speech_to_text_pb2 import (
    TranscribeUploadRequest,
    TranscriptionFinished,
    TranscriptionStarted,
    UploadRefusal,
)
from audio_grpc.v1.text_to_speech_pb2 import SynthesisFinished, SynthesisStarted

Started = TypeVar("Started")
Item = TypeVar("Item")
Finished = TypeVar("Finished")

# Whole recordings travel in one message; the server has its own opinion of what is too large.
CHANNEL_OPTIONS = [("grpc.max_send_message_length", -1), ("grpc.max_receive_message_length", -1)]


class _Fold(Generic[Started, Item, Finished]):
    """Collects the opening and the closing message of a stream, and passes on the others."""

    def __init__(self, call: Any, item: Callable[[Any], Item]) -> None:
        self._call = call
        self._item = item
        self._started: Started | None = None
        self._finished: Finished | None = None

    @property
    def finished(self) -> Finished:
        """The closing message; there is one once the stream was read to its end."""
        if self._finished is None:
            raise RuntimeError("the stream has not been read to its end")
        return self._finished

    def cancel(self) -> None:
        """Ends the call, and with it the server's work on it."""
        self._call.cancel()

    def _take(self, response: Any) -> Item | None:
        match response.WhichOneof("event"):
            case "started":
                self._started = response.started
            case "finished":
                self._finished = response.finished
            case _:
                return self._item(response)
        return None

    def _opening(self) -> Started:
        if self._started is None:
            raise ServiceError(grpc.StatusCode.DATA_LOSS, "the stream began without its opening message")
        return self._started

    def _check_complete(self) -> None:
        if self._finished is None:
            raise ServiceError(grpc.StatusCode.DATA_LOSS, "the stream ended before its closing message")


class AsyncStream(_Fold[Started, Item, Finished], AsyncIterator[Item]):
    """The items of a stream as they arrive; raises ServiceError if it fails or is cut."""

    async def start(self) -> Started:
        """The opening message, awaited: a request that fails early fails here."""
        if self._started is None:
            await self._read()
        return self._opening()

    async def __anext__(self) -> Item:
        while (item := await self._read()) is None:
            pass
        return item

    async def _read(self) -> Item | None:
        try:
            response = await self._call.read()
        except grpc.RpcError as error:
            raise ServiceError.of(error) from error
        if response is grpc.aio.EOF:
            self._check_complete()
            raise StopAsyncIteration
        return self._take(response)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        self.cancel()


class Stream(_Fold[Started, Item, Finished], Iterator[Item]):
    """The items of a stream as they arrive; raises ServiceError if it fails or is cut."""

    def start(self) -> Started:
        """The opening message: a request that fails early fails here."""
        if self._started is None:
            self._read()
        return self._opening()

    def __next__(self) -> Item:
        while (item := self._read()) is None:
            pass
        return item

    def _read(self) -> Item | None:
        try:
            response = next(self._call)
        except StopIteration:
            self._check_complete()
            raise
        except grpc.RpcError as error:
            raise ServiceError.of(error) from error
        return self._take(response)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.cancel()


class AsyncUpload:
    """A recording on its way to the server, piece by piece, and then its transcript.

    Leaving the context before ``transcribe`` cancels the call.
    """

    def __init__(self, call: Any) -> None:
        self._call = call
        self._requests = AsyncRequests(call)
        self._passed_on = False

    async def write(self, data: bytes) -> None:
        """Send the next bytes of the file; waits while the server has enough to read.

        ServiceError as soon as the server refuses the upload.
        """
        await self._requests.send(TranscribeUploadRequest(audio=data))

    async def refuse(self, message: str, field: str | None = None) -> None:
        """Say why the rest is not sent: so the server records the call as refused, and ends it."""
        refusal = UploadRefusal(message=message, field=field or "")
        with suppress(ServiceError):  # it has ended already
            await self._requests.send(TranscribeUploadRequest(refusal=refusal))
            await self._requests.end()
            async for _ in AsyncStream(self._call, segment):
                pass

    async def transcribe(self, **options: Unpack[UploadOptions]) -> "AsyncTranscript":
        """Ends the file; returns its transcript."""
        await self._requests.send(TranscribeUploadRequest(options=transcribe_request(b"", options)))
        await self._requests.end()
        self._passed_on = True
        return AsyncStream(self._call, segment)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        if not self._passed_on:
            self._call.cancel()


AsyncSpeech = AsyncStream[SynthesisStarted, bytes, SynthesisFinished]
AsyncTranscript = AsyncStream[TranscriptionStarted, Segment, TranscriptionFinished]
Speech = Stream[SynthesisStarted, bytes, SynthesisFinished]
Transcript = Stream[TranscriptionStarted, Segment, TranscriptionFinished]


def audio(response: Any) -> bytes:
    """The item of a speech stream's message."""
    data: bytes = response.audio
    return data


def segment(response: Any) -> Segment:
    """The item of a transcript stream's message."""
    return to_segment(response.segment)
