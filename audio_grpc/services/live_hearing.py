"""A transcript of speech that is still being spoken.

One task reads requests into a segmenter, which finds the utterances; another has them recognised, one step
after the other: a hypothesis for the utterance in progress, or the transcript of one that is over. Each step
takes its turn among the live streams of the model, so a stream in which nobody speaks costs nothing. Reading
pauses while transcripts wait, so that no stream holds more than a few utterances, however fast it is sent.
"""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Generator, Iterable
from contextlib import closing
from dataclasses import replace
from functools import partial

import numpy as np

from audio_grpc.audio import Mixer, Resampler, resample
from audio_grpc.backends.base import Transcriber
from audio_grpc.errors import InvalidRequest
from audio_grpc.live import (
    RATE_HERTZ,
    Agreement,
    Heard,
    UtteranceAudio,
    UtteranceSegmenter,
    evenly_timed,
    settled,
)
from audio_grpc.runtime.blame import working_on
from audio_grpc.runtime.session import ModelSession
from audio_grpc.services.live_context import LiveContext
from audio_grpc.services.live_options import LiveJob, Requests
from audio_grpc.services.live_requests import following
from audio_grpc.services.tasks import end
from audio_grpc.telemetry.call import Call
from audio_grpc.types import (
    Audio,
    Hypothesis,
    Language,
    Segment,
    SpeechStarted,
    SpeechStopped,
    TranscriptionOptions,
    UtteranceDiscarded,
    UtteranceTranscript,
    Word,
)

HYPOTHESIS_SECONDS = 0.5
"""The seconds of new speech before another hypothesis is made; more while the model is busy."""
MAX_WAITING_TRANSCRIPTS = 4
MAX_WAITING_EVENTS = 64

LiveEvent = SpeechStarted | SpeechStopped | UtteranceDiscarded | Hypothesis | UtteranceTranscript


class LiveHearing:
    """One stream, as the event loop sees it."""

    def __init__(
        self,
        session: ModelSession[Transcriber],
        segmenter: UtteranceSegmenter,
        job: LiveJob,
        idle_seconds: float,
        call: Call,
    ) -> None:
        self.recognised_seconds = 0.0
        self.output_tokens = 0
        self._session = session
        self._segmenter = segmenter
        self._job = job
        self._idle_seconds = idle_seconds
        self._call = call
        self._context = LiveContext(job.options)
        self._mixer = Mixer(job.format.raw.sample_rate_hertz)
        self._resampler = Resampler(RATE_HERTZ)
        self._events: asyncio.Queue[LiveEvent | None] = asyncio.Queue()
        self._over: deque[UtteranceAudio] = deque()
        self._agreement = Agreement()
        self._listened_until = 0.0
        self._ended = False
        self._changed = asyncio.Event()
        self._memory = asyncio.Event()

    async def events(self, requests: Requests) -> AsyncGenerator[LiveEvent, None]:
        """Listen to what is sent; whatever is wrong with a request ends the stream."""
        working = asyncio.create_task(self._work(requests))
        working.add_done_callback(lambda _: self._events.put_nowait(None))
        try:
            while (event := await self._events.get()) is not None:
                self._memory.set()
                self._call.result()
                yield event
            working.result()
        finally:
            await end(working)

    async def _work(self, requests: Requests) -> None:
        tasks = [asyncio.create_task(self._read(requests)), asyncio.create_task(self._recognise())]
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_EXCEPTION)
            for task in done:
                task.result()
        finally:
            await end(*tasks)

    # Reading.

    async def _read(self, requests: Requests) -> None:
        while (request := await following(requests, self._idle_seconds)) is not None:
            match request.WhichOneof("part"):
                case "audio":
                    await self._hear(request.audio)
                case "end_utterance":
                    self._note(self._segmenter.end_utterance())
                case "discard_utterance":
                    self._discard()
                case "options":
                    raise InvalidRequest("the options come once, first; open another stream", field="options")
                case _:
                    raise InvalidRequest(
                        "the message is empty; send audio, end_utterance or discard_utterance"
                    )
            await self._make_room()
        for rest in self._resampler.finish():
            self._note(self._segmenter.hear(rest.samples))
        self._note(self._segmenter.finish())
        self._ended = True

    async def _hear(self, data: bytes) -> None:
        """A second of it at a time, so that other calls have theirs in between."""
        for chunk in self._resampler.write(self._job.format.audio(data, self._mixer)):
            for start in range(0, len(chunk.samples), RATE_HERTZ):
                self._note(self._segmenter.hear(chunk.samples[start : start + RATE_HERTZ]))
                await asyncio.sleep(0)
        self._call.audio_seconds_in = self._segmenter.seconds

    def _note(self, heard: Iterable[Heard]) -> None:
        for one in heard:
            if isinstance(one, UtteranceAudio):
                self._over.append(one)
            else:
                self._events.put_nowait(one)
        self._changed.set()

    def _discard(self) -> None:
        self._note(self._segmenter.discard_utterance())
        if not self._over:  # else it is of an utterance before, which is being concluded
            self._agreement = Agreement()

    async def _make_room(self) -> None:
        while len(self._over) >= MAX_WAITING_TRANSCRIPTS or self._events.qsize() >= MAX_WAITING_EVENTS:
            self._memory.clear()
            await self._memory.wait()

    # Recognising.

    async def _recognise(self) -> None:
        while await self._has_work():
            async with self._session.turns.turn(lambda: bool(self._over)):
                if self._over:
                    await self._conclude(self._over[0])
                    self._over.popleft()
                    self._memory.set()
                elif self._hypothesis_is_due():
                    await self._guess()

    async def _has_work(self) -> bool:
        """Wait for some; False if none will come."""
        while not self._over and not self._hypothesis_is_due():
            if self._ended:
                return False
            self._changed.clear()
            await self._changed.wait()
        return True

    def _hypothesis_is_due(self) -> bool:
        if not self._job.interim_results or (span := self._segmenter.current_span) is None:
            return False
        start, end = span
        return end - max(start, self._listened_until) >= HYPOTHESIS_SECONDS

    async def _guess(self) -> None:
        recording = self._segmenter.current
        assert recording is not None, "a hypothesis is due while somebody speaks"
        self._listened_until = recording.end
        agreement = self._agreement
        _, segments = await self._transcribe(recording, self._context.draft)
        if self._over or self._ended:
            return  # the transcript is next
        if agreement is not self._agreement:
            return  # the utterance was discarded
        stable, unstable = agreement.hear("".join(segment.text for segment in segments))
        self._events.put_nowait(Hypothesis(recording.utterance, stable, unstable, recording.end))

    async def _conclude(self, recording: UtteranceAudio) -> None:
        carried = self._context.carried
        language, segments = await self._transcribe(recording, carried or self._context.fresh)
        if carried and self._context.is_misled(_words(segments, recording)):
            language, segments = await self._transcribe(recording, self._context.careful)
        self._context.hear(language, segments)
        heard = _words(segments, recording)
        words = settled(self._agreement.stable, heard)
        self._agreement = Agreement()
        tokens = sum(len(segment.tokens) for segment in segments)
        self.recognised_seconds += recording.audio.seconds
        self.output_tokens += tokens
        transcript = UtteranceTranscript(
            recording.utterance, recording.start, recording.end, words, language, tokens
        )
        self._call.show(transcript.text)
        self._events.put_nowait(transcript)

    async def _transcribe(
        self, recording: UtteranceAudio, options: TranscriptionOptions
    ) -> tuple[Language, list[Segment]]:
        stream = self._session.start(partial(_transcript, recording=recording, options=options))
        segments: list[Segment] = []
        language = Language("und")
        try:
            async for ready in stream:
                for one in ready:
                    if isinstance(one, Segment):
                        segments.append(one)
                    else:
                        language = one
        finally:
            stream.close()
        return language, segments


def _transcript(
    backend: Transcriber, recording: UtteranceAudio, options: TranscriptionOptions
) -> Generator[Language | Segment, None, None]:
    """Yields the language, and then the segments; runs on the model's thread."""
    working_on(lambda: hash(recording.audio.samples.tobytes()))
    rate = backend.info.sample_rate_hertz
    samples = np.concatenate([chunk.samples for chunk in resample([recording.audio], rate)])
    transcript = backend.transcribe(Audio(samples, rate), options)
    yield transcript.language
    with closing(transcript.segments) as segments:
        yield from segments


def _words(segments: list[Segment], recording: UtteranceAudio) -> list[Word]:
    """Returns the words with times of the stream, none after the end of the utterance."""
    return [
        replace(
            word,
            start=min(word.start + recording.start, recording.end),
            end=min(word.end + recording.start, recording.end),
        )
        for segment in segments
        for word in segment.words or evenly_timed(segment)
    ]
