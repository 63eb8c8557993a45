"""SpeechToTextService."""

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from functools import partial
from typing import Any

from grpc.aio import ServicerContext

from audio_grpc.convert import from_heard, from_seconds, from_segment
from audio_grpc.runtime.budget import COPIES
from audio_grpc.runtime.models import Models
from audio_grpc.services.live_hearing import LiveHearing
from audio_grpc.services.live_requests import opening
from audio_grpc.services.live_stages import HearingStage
from audio_grpc.services.pipeline import TranscriptFinished, TranscriptStarted, recognise
from audio_grpc.services.requests import Limits, collect_upload, read_transcription
from audio_grpc.telemetry.call import Call, current_call
from audio_grpc.telemetry.timing import timing
from audio_grpc.types import Segment
from audio_grpc.v1 import speech_to_text_pb2 as pb
from audio_grpc.v1.speech_to_text_pb2_grpc import SpeechToTextServiceServicer

Context = ServicerContext[Any, Any]


class SpeechToTextServicer(SpeechToTextServiceServicer):
    """Listens with the configured transcribers."""

    def __init__(self, models: Models, limits: Limits, stage: HearingStage) -> None:
        self._models = models
        self._limits = limits
        self._stage = stage

    async def Transcribe(
        self, request: pb.TranscribeRequest, context: Context
    ) -> AsyncIterator[pb.TranscribeResponse]:
        """The events of :func:`recognise`, as messages."""
        async with aclosing(self._events(request, request.audio)) as events:
            async for event in events:
                yield pb.TranscribeResponse(**event)

    async def TranscribeUpload(
        self, requests: AsyncIterator[pb.TranscribeUploadRequest], context: Context
    ) -> AsyncIterator[pb.TranscribeUploadResponse]:
        """Yields the events of :func:`recognise` as messages, once the recording has arrived."""
        async with self._models.memory.budget.uploads.upload(self._limits.audio_bytes) as share:
            async with share.arriving(longest_seconds=None):
                options, audio = await collect_upload(requests, self._limits)
            share.shrink(COPIES * len(audio))
            current_call.get().arrive()
            async with aclosing(self._events(options, audio)) as events:
                async for event in events:
                    yield pb.TranscribeUploadResponse(**event)

    async def StreamingTranscribe(
        self, requests: AsyncIterator[pb.StreamingTranscribeRequest], context: Context
    ) -> AsyncIterator[pb.StreamingTranscribeResponse]:
        """The events of :class:`LiveHearing`, as messages."""
        call = current_call.get()
        options = await opening(requests, self._limits.idle_seconds)
        call.arrive()
        async with self._stage.open(options, self._limits.idle_seconds) as (hearing, started):
            yield pb.StreamingTranscribeResponse(started=started)
            async with aclosing(hearing.events(requests)) as events:
                async for event in events:
                    yield from_heard(event)
            yield pb.StreamingTranscribeResponse(finished=_heard(hearing, call))

    async def _events(self, request: pb.TranscribeRequest, audio: bytes) -> AsyncGenerator[Any, None]:
        """Yields the fields of responses, one at a time, by name."""
        call = current_call.get()
        model = self._models.transcriber(request.model)
        call.model = model.name
        job = read_transcription(request, audio, self._limits)
        index = 0
        async with model.stream(partial(recognise, job=job, call=call)) as events:
            async for ready in events:
                for event in ready:
                    if isinstance(event, Segment):
                        yield {"segment": from_segment(index, event)}
                        index += 1
                    elif isinstance(event, TranscriptStarted):
                        yield {"started": _started(model.name, event)}
                    else:
                        yield {"finished": _finished(event, call)}


def _started(model: str, event: TranscriptStarted) -> pb.TranscriptionStarted:
    return pb.TranscriptionStarted(
        model=model,
        language_code=event.language.code,
        language_probability=event.language.probability,
        audio_duration=None if event.audio_seconds is None else from_seconds(event.audio_seconds),
        ignored_fields=event.ignored_fields,
    )


def _finished(event: TranscriptFinished, call: Call) -> pb.TranscriptionFinished:
    duration = from_seconds(event.audio_seconds)
    return pb.TranscriptionFinished(
        language_code=event.language.code,
        language_probability=event.language.probability,
        audio_duration=duration,
        usage=pb.TranscriptionUsage(audio_duration=duration, output_tokens=event.output_tokens),
        timing=timing(call),
    )


def _heard(hearing: LiveHearing, call: Call) -> pb.StreamingTranscriptionFinished:
    return pb.StreamingTranscriptionFinished(
        audio_duration=from_seconds(call.audio_seconds_in),
        usage=pb.TranscriptionUsage(
            audio_duration=from_seconds(hearing.recognised_seconds), output_tokens=hearing.output_tokens
        ),
        timing=timing(call),
    )
