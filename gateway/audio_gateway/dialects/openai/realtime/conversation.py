"""One WebSocket, and the streams of live hearing behind it.

A stream opens with the first sound, since it holds a place on the model. It ends when no sound comes for a
while, and the next sound opens another. The session lives as long as its socket answers pings. What is wrong
with a message is told, and the session goes on; what is wrong with the stream ends the session.
"""

import asyncio
from contextlib import AsyncExitStack, suppress
from functools import partial

from grpc import StatusCode

from audio_gateway.dialects.openai.realtime import events, messages
from audio_gateway.dialects.openai.realtime.items import Items, empty
from audio_gateway.dialects.openai.realtime.messages import (
    BetaSessionUpdate,
    BufferAppend,
    BufferClear,
    BufferCommit,
    Message,
    SessionUpdate,
)
from audio_gateway.dialects.openai.realtime.session import SessionConfig
from audio_gateway.errors import ApiError, from_service
from audio_gateway.sockets import Socket, until_either_ends
from audio_grpc.client import AsyncClient, AsyncLiveTranscript, ServiceError
from audio_grpc.errors import quoted
from audio_grpc.v1.model_pb2 import MODEL_KIND_TRANSCRIBER

MIN_COMMIT_SECONDS = 0.1
PIECE_BYTES = 1 << 18
"""The bytes of sound in one message to the service."""
IDLE = "STREAM_IDLE"
"""The service's reason for the end of a stream in which nothing comes."""
INPUT = "session.audio.input"
PARAMS = {
    "language_code": f"{INPUT}.transcription.language",
    "language_codes": f"{INPUT}.transcription.languages",
    "model": f"{INPUT}.transcription.model",
    "options.prompt": f"{INPUT}.transcription.prompt",
    "options.hotwords": f"{INPUT}.transcription.keywords",
}
translate = partial(from_service, params=PARAMS)


class RealtimeConversation:
    """A Realtime session between one caller and the service."""

    def __init__(self, socket: Socket, service: AsyncClient, session: SessionConfig) -> None:
        self._socket = socket
        self._service = service
        self._session = session
        self._id = events.new_id("sess")
        self._items = Items()
        self._stream: AsyncLiveTranscript | None = None
        self._place = AsyncExitStack()
        self._streams: asyncio.Queue[AsyncLiveTranscript] = asyncio.Queue()
        self._sent_seconds = 0.0
        """The length of what was appended from the start."""
        self._buffered_seconds = 0.0
        """The seconds appended since the caller last committed or cleared."""

    async def hold(self) -> None:
        """Serves the caller until it leaves. Raises ServiceError, ApiError, WebSocketDisconnect."""
        await self._require_model(self._session)
        await self._socket.send(events.session("session.created", self._id, self._session))
        try:
            await until_either_ends(self._listen(), self._tell())
        except ServiceError as error:
            for event in self._items.failures(translate(error)):
                await self._socket.send(event)
            raise
        finally:
            await self._place.aclose()

    async def _tell(self) -> None:
        """Sends the events of each stream to the caller, one stream after the other."""
        while True:
            stream = await self._streams.get()
            try:
                async for heard in stream:
                    for event in self._items.events(heard):
                        await self._socket.send(event)
            except ServiceError as error:
                if error.reason != IDLE:
                    raise
                for event in self._items.failures(translate(error)):
                    await self._socket.send(event)
                if self._stream is stream:
                    self._stream, self._buffered_seconds = None, 0.0
            self._streams.task_done()

    async def _listen(self) -> None:
        while True:
            text = await self._next()
            try:
                await self._take(messages.read(text))
            except ApiError as error:
                await self._socket.send(events.error(error, messages.event_id(text)))

    async def _next(self) -> str:
        """The next message; if none comes for a while, others may have the place on the model meanwhile."""
        if self._stream is not None:
            with suppress(TimeoutError):
                async with asyncio.timeout(self._socket.max_idle_seconds / 2):
                    return await self._socket.receive(may_idle=True)
            self._items.pause()
            await self._finish()
        return await self._socket.receive(may_idle=True)

    async def _take(self, message: Message) -> None:
        match message:
            case BufferAppend():
                await self._append(message.data())
            case BufferCommit():
                await self._commit(message.event_id)
            case BufferClear():
                await self._clear()
            case BetaSessionUpdate():
                await self._update(message.session, "transcription_session.updated")
            case SessionUpdate():
                await self._update(message.session, "session.updated")

    async def _append(self, data: bytes) -> None:
        size = self._session.input.format.sample_bytes
        if len(data) % size:
            message = f"audio: {len(data)} bytes are not a multiple of {size}; send whole samples"
            raise ApiError(400, message, param="audio", code="invalid_value")
        stream = self._stream or await self._open()
        for start in range(0, len(data), PIECE_BYTES):
            await stream.write(data[start : start + PIECE_BYTES])
        seconds = len(data) / self._session.bytes_per_second
        self._sent_seconds += seconds
        self._buffered_seconds += seconds

    async def _commit(self, event_id: str | None) -> None:
        if self._buffered_seconds < MIN_COMMIT_SECONDS:
            raise empty(
                "Error committing input audio buffer: buffer too small. Expected at least "
                f"{MIN_COMMIT_SECONDS * 1000:.0f}ms of audio, but buffer only has "
                f"{self._buffered_seconds * 1000:.2f}ms of audio."
            )
        self._buffered_seconds = 0.0
        if self._stream is None:
            for event in self._items.conclude():
                await self._socket.send(event)
            return
        self._items.ask(event_id, commit=True)
        await self._stream.end_utterance()
        # Nobody is speaking after that, so nothing is lost; but its answer says that the commit was heard.
        await self._stream.discard_utterance()

    async def _clear(self) -> None:
        self._buffered_seconds = 0.0
        if self._stream is None:
            self._items.drop()
            await self._socket.send(events.event("input_audio_buffer.cleared"))
            return
        self._items.ask(None, commit=False)
        await self._stream.discard_utterance()

    async def _update(self, update: SessionConfig, answer: str) -> None:
        session = self._session.updated(update)
        if session.input.transcription.model != self._session.input.transcription.model:
            await self._require_model(session)
        if session.described() != self._session.described():
            await self._finish()
            self._buffered_seconds = 0.0
        self._session = session
        await self._socket.send(events.session(answer, self._id, session))

    async def _open(self) -> AsyncLiveTranscript:
        self._items.begin(self._session, self._sent_seconds)
        rate = self._session.input.format.rate_hertz
        stream = self._service.listen(rate, **self._session.options())
        self._stream = await self._place.enter_async_context(stream)
        self._streams.put_nowait(stream)
        return stream

    async def _finish(self) -> None:
        """End the stream, which listens as it was told at its start, and wait until all of it is told."""
        if self._stream is None:
            return
        await self._stream.end()
        await self._streams.join()
        self._stream = None
        await self._place.aclose()

    async def _require_model(self, session: SessionConfig) -> None:
        """Raises ApiError if no such model transcribes; ServiceError if the caller may not ask."""
        models = [one for one in await self._service.list_models() if one.kind == MODEL_KIND_TRANSCRIBER]
        name = session.input.transcription.model
        if name and not await self._transcribes(name):
            known = ", ".join(sorted(one.name for one in models))
            message = f"there is no model {quoted(name)} that transcribes; there are: {known}"
            raise ApiError(404, message, param=PARAMS["model"], code="model_not_found")

    async def _transcribes(self, name: str) -> bool:
        """Tells if a model of that name transcribes, by the service, which knows more names than it lists."""
        try:
            return (await self._service.get_model(name)).kind == MODEL_KIND_TRANSCRIBER
        except ServiceError as error:
            if error.code is StatusCode.NOT_FOUND:
                return False
            raise
