"""Speaking a job: piece by piece, each kept before the next is begun."""

import asyncio
import logging
import time
from collections.abc import Generator
from contextlib import closing
from dataclasses import dataclass
from functools import partial

from audio_grpc.audio import resample, to_pcm
from audio_grpc.backends.base import Synthesizer
from audio_grpc.errors import ModelFailed, ModelLoadFailed, StorageFailed
from audio_grpc.runtime.model import Model
from audio_grpc.runtime.models import Models
from audio_grpc.services.cloning import SampleFinder
from audio_grpc.services.pipeline import SpeechFinished, require_pronounceable, say, settled
from audio_grpc.services.requests import SpeechJob, speech_job, spoken_by
from audio_grpc.storage import SAMPLE_BYTES, Blobs, JobAudio, JobPiece, Leases
from audio_grpc.telemetry.call import Call, current_call
from audio_grpc.types import Job, JobState
from audio_grpc.v1 import job_pb2
from audio_grpc.v1.text_to_speech_pb2 import SynthesizeRequest

SERVICE = job_pb2.DESCRIPTOR.services_by_name["JobService"].full_name
RETRY_SECONDS = (0.5, 2.0)
"""The seconds to wait before each new attempt at a piece that the model failed at."""
MOST_ROUNDS = 3
"""The number of times that a job is spoken to its end, if sound of it is gone then."""

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class _JobConfig:
    """The model, the options and the sample rate with which a job is spoken."""

    model: Model[Synthesizer]
    speech: SpeechJob
    sample_rate_hertz: int


class JobSynthesizer:
    """Speaks jobs that this server holds the leases of."""

    def __init__(self, models: Models, samples: SampleFinder, leases: Leases, blobs: Blobs) -> None:
        self._models = models
        self._samples = samples
        self._leases = leases
        self._blobs = blobs

    async def speak(self, job: Job) -> None:
        """Speaks a job until it is completed or paused, gives way to another key, or is another server's.

        Raises SpeechError if it fails.
        """
        current_call.set(Call(SERVICE, "", job.id, key_id=job.key_id))  # in the context of this task
        config = await self._config(job)
        for _ in range(MOST_ROUNDS):
            has_spoken = False
            while piece := await self._leases.next_piece(job.id):
                if has_spoken and await self._leases.gives_way(job.id):
                    return
                has_spoken = True
                if await self._keep(job, piece, config) is not JobState.RUNNING:
                    break
            if await self._leases.settle(job.id, await self._blobs.sizes(job.id)) is not JobState.RUNNING:
                return
            log.warning("of job %s sound is gone that was kept; it is spoken again", job.id)
        raise StorageFailed(
            "sound that was kept is gone again and again; the operator has to see to what removes it "
            "from the results_url, and RetrySpeechJob goes on then"
        )

    async def _keep(self, job: Job, piece: JobPiece, config: _JobConfig) -> JobState | None:
        """Speak a piece; the job's state then, or None if it is not this server's any more."""
        began = time.monotonic()
        pcm, input_tokens = await _patiently(config, piece)
        blob = await self._blobs.add(job.id, piece.number, pcm)
        sound = JobAudio(blob, len(pcm) // SAMPLE_BYTES, input_tokens, time.monotonic() - began)
        # Where this fails, the sound may be kept nevertheless: so it is not removed then.
        state = await self._leases.keep(job.id, piece, sound)
        if state is None:
            await self._blobs.remove(job.id, blob)
        return state

    async def _config(self, job: Job) -> _JobConfig:
        request = SynthesizeRequest.FromString(job.request)
        if borrowed := await self._leases.sample(job.id):
            request.sample.audio = borrowed
        model = self._models.synthesizer(request.model)
        voice, sample = await self._samples.asked_for(model, request)
        await model.load()  # some models know their voices only then
        speech, _ = settled(
            model.backend.info, spoken_by(speech_job(request), voice), model.spec.voice_aliases, sample
        )
        return _JobConfig(model, speech, job.sample_rate_hertz)


async def _patiently(config: _JobConfig, piece: JobPiece) -> tuple[bytes, int]:
    """The sound of a piece, and how many tokens it took; a model that fails gets another chance or two."""
    for pause in RETRY_SECONDS:
        try:
            return await _sound(config, piece)
        except (ModelFailed, ModelLoadFailed) as error:
            log.warning("trying a piece again in %g s: %s", pause, error)
        await asyncio.sleep(pause)
    return await _sound(config, piece)


async def _sound(config: _JobConfig, piece: JobPiece) -> tuple[bytes, int]:
    total = SpeechFinished()
    pcm = bytearray()
    utter = partial(_utter, config=config, text=piece.text, total=total)
    async with config.model.stream(utter, background=True) as chunks:
        async for ready in chunks:
            for data in ready:
                pcm += data
    return bytes(pcm), total.input_tokens


def _utter(
    backend: Synthesizer, config: _JobConfig, text: str, total: SpeechFinished
) -> Generator[bytes, None, None]:
    """Yields 16-bit samples; runs on the model's thread."""
    require_pronounceable(backend, text)
    with closing(resample(say(backend, text, config.speech, total), config.sample_rate_hertz)) as chunks:
        for chunk in chunks:
            if len(chunk.samples):
                yield to_pcm(chunk.samples).tobytes()
