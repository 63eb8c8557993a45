"""Opens a live stream on a model: for a transcript, for speech, or for a conversation, which has both."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

from audio_grpc.audio import CODECS
from audio_grpc.backends.base import Synthesizer
from audio_grpc.backends.silero import Silero
from audio_grpc.convert import FROM_ENCODING
from audio_grpc.live import Loudness, UtteranceSegmenter
from audio_grpc.runtime.model import Model
from audio_grpc.runtime.models import Models
from audio_grpc.runtime.session import ModelSession
from audio_grpc.services.cloning import SampleFinder
from audio_grpc.services.live_hearing import LiveHearing
from audio_grpc.services.live_options import LiveJob, read_live_job
from audio_grpc.services.live_speech import LiveSynthesis
from audio_grpc.services.pipeline import SpeechProperties, settled
from audio_grpc.services.requests import Limits, ignored_fields, read_live_speech, spoken_by
from audio_grpc.telemetry.call import current_call
from audio_grpc.v1.audio_pb2 import AudioFormat
from audio_grpc.v1.speech_to_text_pb2 import StreamingTranscriptionOptions, StreamingTranscriptionStarted
from audio_grpc.v1.text_to_speech_pb2 import StreamingSynthesisOptions, SynthesisStarted


class HearingStage:
    """Opens live transcripts."""

    def __init__(self, models: Models, silero: Silero) -> None:
        self._models = models
        self._silero = silero

    @asynccontextmanager
    async def open(
        self, options: StreamingTranscriptionOptions, idle_seconds: float
    ) -> AsyncIterator[tuple[LiveHearing, StreamingTranscriptionStarted]]:
        """A place on the model that was asked for. Raises InvalidRequest, ModelNotFound, QueueFull."""
        call = current_call.get()
        model = self._models.transcriber(options.model)
        call.model = model.name
        job = read_live_job(options)
        segmenter = await self._segmenter(job)
        async with model.session(live=True) as session:
            call.begin()
            hearing = LiveHearing(session, segmenter, job, idle_seconds, call)
            # Nobody asks for the times of words: a live transcript has them anyhow.
            asked = replace(job.options, word_timestamps=False)
            ignored = ignored_fields(asked, session.backend.info.options)
            yield hearing, StreamingTranscriptionStarted(model=model.name, ignored_fields=ignored)

    async def _segmenter(self, job: LiveJob) -> UtteranceSegmenter:
        detector = Loudness() if job.is_manual else await asyncio.to_thread(self._silero.detector)
        return UtteranceSegmenter(detector, job.endpointing)


class SpeakingStage:
    """Opens live speech."""

    def __init__(self, models: Models, samples: SampleFinder) -> None:
        self._models = models
        self._samples = samples

    @asynccontextmanager
    async def open(
        self, options: StreamingSynthesisOptions, limits: Limits, *, skips_unspeakable: bool = False
    ) -> AsyncIterator[tuple[LiveSynthesis, SynthesisStarted, ModelSession[Synthesizer]]]:
        """A place on the model that was asked for. InvalidRequest, ModelNotFound, VoiceNotFound, Busy."""
        call = current_call.get()
        model = self._models.synthesizer(options.speech.model)
        call.model = model.name
        job = read_live_speech(options)
        voice, sample = await self._samples.asked_for(model, options.speech)
        speech = spoken_by(job.speech, voice)
        async with model.session() as session:
            call.begin()
            speech, started = settled(session.backend.info, speech, model.spec.voice_aliases, sample)
            call.voice = started.voice
            job = replace(job, speech=speech, skips_unspeakable=skips_unspeakable)
            live = LiveSynthesis(session, job, started, limits, call)
            yield live, synthesis_started(model, started), session


def synthesis_started(model: Model[Synthesizer], event: SpeechProperties) -> SynthesisStarted:
    """The opening message of speech."""
    return SynthesisStarted(
        model=model.name,
        voice=event.voice,
        format=AudioFormat(
            encoding=FROM_ENCODING[event.encoding],
            sample_rate_hertz=event.sample_rate_hertz,
            channel_count=1,
            media_type=CODECS[event.encoding].media_type,
        ),
        ignored_fields=event.ignored_fields,
    )
