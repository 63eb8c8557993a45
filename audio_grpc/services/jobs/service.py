"""JobService."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing
from dataclasses import replace
from typing import Any

from grpc.aio import ServicerContext

from audio_grpc.audio import CODECS
from audio_grpc.convert import FROM_ENCODING, from_job, from_seconds
from audio_grpc.errors import JobIncomplete, StorageFailed
from audio_grpc.runtime.models import Models
from audio_grpc.services.callers import key_of_caller
from audio_grpc.services.cloning import SampleFinder
from audio_grpc.services.fields import fields_of
from audio_grpc.services.jobs.download import Download
from audio_grpc.services.jobs.requests import (
    cut,
    read_delivery,
    read_speech,
)
from audio_grpc.services.jobs.runner import JobRunner
from audio_grpc.services.pages import page_size, page_token, position_before
from audio_grpc.services.pipeline import settled
from audio_grpc.services.request_ids import read_request_id
from audio_grpc.services.requests import spoken_by
from audio_grpc.storage import JobBounds, JobStorage, NewJob
from audio_grpc.telemetry.call import Call, current_call
from audio_grpc.telemetry.timing import timing
from audio_grpc.types import Encoding, Job, JobState
from audio_grpc.v1 import job_pb2 as pb
from audio_grpc.v1.audio_pb2 import AudioFormat
from audio_grpc.v1.job_pb2_grpc import JobServiceServicer
from audio_grpc.v1.text_to_speech_pb2 import (
    SynthesisFinished,
    SynthesisStarted,
    SynthesisUsage,
    SynthesizeRequest,
)

Context = ServicerContext[Any, Any]

SHOWN_CHARACTERS = 80
WATCH_SECONDS = 0.5
"""The seconds between two looks at a job that is watched: another server may be running it."""
UNENDED = (JobState.QUEUED, JobState.RUNNING, JobState.PAUSED)


class JobServicer(JobServiceServicer):
    """Makes jobs, tells about them, and changes their states; the runner runs them."""

    def __init__(
        self,
        models: Models,
        samples: SampleFinder,
        storage: JobStorage,
        runner: JobRunner,
        max_characters: int,
        bounds: JobBounds,
    ) -> None:
        self._models = models
        self._samples = samples
        self._storage = storage
        self._store = storage.jobs
        self._blobs = storage.blobs
        self._runner = runner
        self._max_characters = max_characters
        self._bounds = bounds

    async def CreateSpeechJob(
        self, request: pb.CreateSpeechJobRequest, context: Context
    ) -> pb.CreateSpeechJobResponse:
        """The job, once it is kept; of a request that comes again, the one that it made."""
        request_id = read_request_id(request.request_id, request.speech)
        if request_id and (made := await self._store.made_for(current_call.get().key_id, request_id)):
            return pb.CreateSpeechJobResponse(job=from_job(made))
        with fields_of("speech"):
            new, ignored = await self._prepared(request.speech)
        job = await self._store.add(replace(new, request_id=request_id), self._bounds)
        self._runner.wake(job.id)
        return pb.CreateSpeechJobResponse(job=from_job(job), ignored_fields=ignored)

    async def ListSpeechJobs(
        self, request: pb.ListSpeechJobsRequest, context: Context
    ) -> pb.ListSpeechJobsResponse:
        """Returns a page of the caller's jobs."""
        page = await self._store.page(key_of_caller(), page_size(request), position_before(request))
        return pb.ListSpeechJobsResponse(
            jobs=map(from_job, page.entries), next_page_token=page_token(request, page.next)
        )

    async def GetSpeechJob(
        self, request: pb.GetSpeechJobRequest, context: Context
    ) -> pb.GetSpeechJobResponse:
        """Returns the job of this id. Raises JobNotFound."""
        return pb.GetSpeechJobResponse(job=from_job(await self._find(request.id)))

    async def WatchSpeechJob(
        self, request: pb.WatchSpeechJobRequest, context: Context
    ) -> AsyncIterator[pb.WatchSpeechJobResponse]:
        """The job whenever it has changed, until it has ended."""
        told = None
        while True:
            job = await self._find(request.id)
            if job != told:
                yield pb.WatchSpeechJobResponse(job=from_job(job))
                told = job
            if job.state.has_ended:
                return
            await self._runner.wait(WATCH_SECONDS)

    async def PauseSpeechJob(
        self, request: pb.PauseSpeechJobRequest, context: Context
    ) -> pb.PauseSpeechJobResponse:
        """The job, which rests after the piece that is being spoken."""
        job = await self._move(request.id, (JobState.QUEUED, JobState.RUNNING), JobState.PAUSED)
        return pb.PauseSpeechJobResponse(job=from_job(job))

    async def ResumeSpeechJob(
        self, request: pb.ResumeSpeechJobRequest, context: Context
    ) -> pb.ResumeSpeechJobResponse:
        """Resumes a paused job; returns it, waiting for its turn."""
        job = await self._move(request.id, (JobState.PAUSED,), JobState.QUEUED)
        return pb.ResumeSpeechJobResponse(job=from_job(job))

    async def RetrySpeechJob(
        self, request: pb.RetrySpeechJobRequest, context: Context
    ) -> pb.RetrySpeechJobResponse:
        """Retries a job that failed, or whose sound is lost; returns it, waiting for its turn."""
        job = await self._find(request.id)
        is_lost = job.state is JobState.COMPLETED and await self._storage.count_lost(job)
        sources = (JobState.FAILED, JobState.COMPLETED) if is_lost else (JobState.FAILED,)
        job = await self._move(request.id, sources, JobState.QUEUED)
        return pb.RetrySpeechJobResponse(job=from_job(job))

    async def CancelSpeechJob(
        self, request: pb.CancelSpeechJobRequest, context: Context
    ) -> pb.CancelSpeechJobResponse:
        """Cancels a job that has not ended; returns it."""
        job = await self._move(request.id, UNENDED, JobState.CANCELLED)
        return pb.CancelSpeechJobResponse(job=from_job(job))

    async def DeleteSpeechJob(
        self, request: pb.DeleteSpeechJobRequest, context: Context
    ) -> pb.DeleteSpeechJobResponse:
        """Deletes the job and its sound; returns an empty message. Raises JobNotFound."""
        await self._store.remove(request.id, key_of_caller())
        self._runner.wake(request.id)
        await self._blobs.clear(request.id)
        return pb.DeleteSpeechJobResponse()

    async def DownloadSpeechJob(
        self, request: pb.DownloadSpeechJobRequest, context: Context
    ) -> AsyncIterator[pb.DownloadSpeechJobResponse]:
        """The events of a download, as messages."""
        call = current_call.get()
        job = await self._find(request.id)
        call.characters = job.characters
        encoding, rate = read_delivery(request, job)
        if not request.follow and job.state is not JobState.COMPLETED:
            raise JobIncomplete(
                f"the job is {job.state.value}; wait until it is completed (WatchSpeechJob), or set follow",
                field="id",
            )
        if job.state is JobState.COMPLETED and (lost := await self._storage.count_lost(job)):
            raise StorageFailed(
                f"the sound of {lost} of the job's {job.pieces_total} pieces is gone from where the server "
                "keeps it; RetrySpeechJob has them spoken again",
                field="id",
            )
        call.begin()
        yield pb.DownloadSpeechJobResponse(started=_started(job, encoding, rate))
        download = Download(self._store, self._blobs, job, call, self._runner.wait)
        async with aclosing(download.parts(encoding, rate)) as parts:
            async for part in parts:
                call.result()
                yield pb.DownloadSpeechJobResponse(audio=part)
        yield pb.DownloadSpeechJobResponse(finished=_finished(await self._find(request.id), call))

    async def _prepared(self, request: SynthesizeRequest) -> tuple[NewJob, list[str]]:
        """Returns the job to store, and the names of the fields that its model ignores."""
        call = current_call.get()
        model = self._models.synthesizer(request.model)
        call.model = model.name
        speech = read_speech(request, self._max_characters)
        call.characters = len(speech.text)
        voice, sample = await self._samples.asked_for(model, request)
        await model.load()  # some models know their voices only then
        info = model.backend.info
        speech, started = settled(info, spoken_by(speech, voice), model.spec.voice_aliases, sample)
        pieces = await asyncio.to_thread(cut, speech, info.max_piece_size)
        kept = SynthesizeRequest()
        kept.CopyFrom(request)
        kept.MergeFrom(SynthesizeRequest(model=model.name, voice=started.voice))
        kept.ClearField("text")
        if kept.HasField("sample"):
            kept.sample.ClearField("audio")  # which is kept apart
        new = NewJob(
            key_id=call.key_id,
            request=kept.SerializeToString(),
            text_start="".join(pieces[:SHOWN_CHARACTERS])[:SHOWN_CHARACTERS],
            pieces=pieces,
            sample_rate_hertz=info.sample_rate_hertz,
            sample=request.sample.audio,
        )
        return new, started.ignored_fields

    async def _find(self, job_id: str) -> Job:
        return await self._store.find(job_id, key_of_caller())

    async def _move(self, job_id: str, sources: tuple[JobState, ...], to: JobState) -> Job:
        job = await self._store.move(job_id, key_of_caller(), sources, to)
        self._runner.wake(job_id)
        return job


def _started(job: Job, encoding: Encoding, sample_rate_hertz: int) -> SynthesisStarted:
    speech = SynthesizeRequest.FromString(job.request)
    return SynthesisStarted(
        model=speech.model,
        voice=speech.voice,
        format=AudioFormat(
            encoding=FROM_ENCODING[encoding],
            sample_rate_hertz=sample_rate_hertz,
            channel_count=1,
            media_type=CODECS[encoding].media_type,
        ),
    )


def _finished(job: Job, call: Call) -> SynthesisFinished:
    return SynthesisFinished(
        usage=SynthesisUsage(
            characters=job.characters,
            input_tokens=job.input_tokens,
            audio_duration=from_seconds(call.audio_seconds_out),
        ),
        timing=timing(call),
    )
