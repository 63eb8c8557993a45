"""SpeechToTextService."""

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from functools import partial
from typing import Any

from grpc.aio import ServicerContext

from audio_grpc.convert import from_seconds, from_segment
from audio_grpc.runtime.models import Models
from audio_grpc.services.pipeline import TranscriptFinished, TranscriptStarted, recognise
from audio_grpc.services.requests import Limits, collect_upload, read_transcription
from audio_grpc.services.timing import timing
from audio_grpc.telemetry.call import Call, current_call
from audio_grpc.types import Segment
from audio_grpc.v1 import speech_to_text_pb2 as pb
from audio_grpc.v1.speech_to_text_pb2_grpc import SpeechToTextServiceServicer

Context = ServicerContext[Any, Any]


class SpeechToText(SpeechToTextServiceServicer):
    """Listens with the configured transcribers."""

    def __init__(self, models: Models, limits: Limits) -> None:
        self._models = models
        self._limits = limits

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
        """The same, once the recording has arrived."""
        options, audio = await collect_upload(requests, self._limits)
        current_call.get().arrive()
        async with aclosing(self._events(options, audio)) as events:
            async for event in events:
                yield pb.TranscribeUploadResponse(**event)

    async def _events(self, request: pb.TranscribeRequest, audio: bytes) -> AsyncGenerator[Any, None]:
        """One field of a response each, by its name."""
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
