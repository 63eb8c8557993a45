"""Speech of a text that is still being written.

The event loop reads requests into a buffer; for what can be spoken of it, a generator runs on the model's
threads, and ends when there is nothing to say for now. So a stream that waits for text holds its place on the
model, but no thread. All generators of a stream write into one encoder, so that its audio is one file.
"""

import asyncio
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Generator
from contextlib import aclosing
from dataclasses import replace

from audio_grpc.backends.base import Synthesizer
from audio_grpc.errors import InvalidRequest
from audio_grpc.runtime.session import ModelSession
from audio_grpc.runtime.urgency import PlaybackBuffer
from audio_grpc.runtime.worker import ResultStream
from audio_grpc.services.live_requests import patience, stream_idle
from audio_grpc.services.pipeline import SpeechFinished, SpeechProperties
from audio_grpc.services.requests import Limits, LiveSpeechJob, require_length
from audio_grpc.services.streaming_synthesizer import Event, Paused, Spoken, StreamingSynthesizer, joined
from audio_grpc.services.text_buffer import TextBuffer
from audio_grpc.telemetry.call import Call
from audio_grpc.text import IncrementalSplitter
from audio_grpc.types import SpeechCancelled, SpokenAudio
from audio_grpc.v1.text_to_speech_pb2 import StreamingSynthesizeRequest

MAX_CANCELS_WAITING = 8
"""The most cancels that wait for an answer; more are not read."""


LiveEvent = SpokenAudio | Paused | SpeechCancelled | SpeechFinished
Requests = AsyncIterator[StreamingSynthesizeRequest]


class LiveSynthesis:
    """One stream, as the event loop sees it."""

    def __init__(
        self,
        session: ModelSession[Synthesizer],
        job: LiveSpeechJob,
        started: SpeechProperties,
        limits: Limits,
        call: Call,
    ) -> None:
        self._session = session
        self._job = job
        self._limits = limits
        self._call = call
        self._synthesizer = StreamingSynthesizer(session.backend, job, started, call)
        self._listener = PlaybackBuffer()
        self._stream: ResultStream[Event] | None = None
        self._changed = asyncio.Event()
        self._active_at = self._written_at = time.monotonic()
        self._buffers: asyncio.Queue[TextBuffer] = asyncio.Queue(MAX_CANCELS_WAITING)
        self._passage = self._next_passage()
        self._buffers.put_nowait(self._passage)
        self._progress = SpeechCancelled(0, 0, 0, 0.0)

    async def events(self, requests: Requests) -> AsyncGenerator[LiveEvent, None]:
        """Speak what is requested; whatever is wrong with a request ends the stream."""
        self._reader = asyncio.create_task(self._read(requests))
        try:
            while True:
                buffer = await self._buffers.get()
                self._progress = replace(self._progress, spoken_end=buffer.start, begun_end=buffer.start)
                async with aclosing(self._perform(buffer)) as events:
                    async for event in events:
                        yield event
                if not buffer.cancelled.is_set():
                    break
                self._listener = PlaybackBuffer()  # what he has in hand is of no interest any more
                yield replace(self._progress, dropped_end=buffer.end)
            async with aclosing(self._run(lambda _: self._synthesizer.finish())) as events:
                async for event in events:
                    yield event
            yield self._synthesizer.total
        finally:
            self._reader.cancel()
            await asyncio.wait([self._reader])
            if not self._reader.cancelled():
                self._reader.exception()  # retrieved: the stream has failed for another reason

    async def _perform(self, buffer: TextBuffer) -> AsyncGenerator[SpokenAudio | Paused, None]:
        while not buffer.is_over:
            if buffer.has_news:
                async with aclosing(
                    self._run(lambda _: self._synthesizer.speak(buffer, self._listener))
                ) as events:
                    async for event in events:
                        yield event
            else:
                await self._wait(buffer)

    async def _run(
        self, generate: Callable[[Synthesizer], Generator[Event, None, None]]
    ) -> AsyncGenerator[SpokenAudio | Paused, None]:
        """Runs one generator; yields its sound and pauses, and records the progress."""
        self._stream = stream = self._session.start(generate, self._job.speech.read_ahead, self._listener)
        try:
            async for ready in stream:
                self._require_reader()
                for event in joined(ready):
                    if isinstance(event, Spoken):
                        self._progress = replace(self._progress, spoken_end=event.end, begun_end=event.end)
                        continue
                    yield event
                    if isinstance(event, Paused):
                        continue
                    until = event.offset_seconds + event.seconds
                    self._progress = replace(self._progress, begun_end=event.text_end, offset_seconds=until)
        finally:
            stream.close()
            self._active_at = time.monotonic()

    async def _wait(self, buffer: TextBuffer) -> None:
        """Waits until text comes, or until its absence needs an action. Raises StreamIdle."""
        self._changed.clear()
        self._require_reader()
        idle_at = self._active_at + self._limits.idle_seconds
        settle_at = self._written_at + self._job.max_wait_seconds
        unsettled = buffer.is_unsettled
        until = min(settle_at, idle_at) if unsettled else idle_at
        try:
            async with patience(until - time.monotonic()):
                await self._changed.wait()
        except TimeoutError:
            if not unsettled or idle_at < settle_at:
                raise stream_idle(self._limits.idle_seconds) from None
            buffer.settle()

    def _require_reader(self) -> None:
        """Raises the error of the reader of requests if it has failed."""
        if self._reader.done():
            self._reader.result()

    async def _read(self, requests: Requests) -> None:
        try:
            async for request in requests:
                self._active_at = time.monotonic()
                await self._take(request)
                self._changed.set()
            self._passage.finish()
        finally:
            self._changed.set()

    async def _take(self, request: StreamingSynthesizeRequest) -> None:
        match request.WhichOneof("part"):
            case "text":
                require_length(self._call.characters + len(request.text), self._limits)
                self._call.characters += len(request.text)
                self._call.show(request.text)
                self._written_at = self._active_at
                self._passage.write(request.text)
            case "flush":
                self._passage.flush()
            case "cancel":
                self._passage.cancelled.set()
                if self._stream is not None:
                    self._stream.hasten()
                self._changed.set()
                self._passage = self._next_passage()
                await self._buffers.put(self._passage)
            case "options":
                raise InvalidRequest("the options come once, first; open another stream", field="options")
            case _:
                raise InvalidRequest("the message is empty; send text, flush or cancel")

    def _next_passage(self) -> TextBuffer:
        splitter = IncrementalSplitter(
            language_code=self._job.speech.options.language_code or "en",
            target_size=min(self._job.target_size, self._session.backend.info.max_piece_size),
        )
        return TextBuffer(self._call.characters, splitter)
