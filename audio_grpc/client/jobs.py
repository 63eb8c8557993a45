"""The methods of the clients for long texts; protos/audio_grpc/v1/job.proto says what each does."""

from collections.abc import AsyncGenerator, Iterator
from typing import TYPE_CHECKING, Unpack

import grpc

from audio_grpc.client.calls import AsyncCalls, Calls
from audio_grpc.client.errors import ServiceError
from audio_grpc.client.options import (
    DownloadOptions,
    JobOptions,
    create_job_request,
    download_job_request,
)
from audio_grpc.client.pages import AsyncPages, Pages
from audio_grpc.client.streams import AsyncSpeech, AsyncStream, Speech, Stream, audio
from audio_grpc.v1.job_pb2 import (
    CancelSpeechJobRequest,
    CreateSpeechJobResponse,
    DeleteSpeechJobRequest,
    GetSpeechJobRequest,
    ListSpeechJobsRequest,
    ListSpeechJobsResponse,
    PauseSpeechJobRequest,
    ResumeSpeechJobRequest,
    RetrySpeechJobRequest,
    SpeechJob,
    WatchSpeechJobRequest,
)
from audio_grpc.v1.job_pb2_grpc import JobServiceStub

if TYPE_CHECKING:
    from audio_grpc.v1.job_pb2_grpc import JobServiceAsyncStub


class AsyncJobs(AsyncCalls):
    """The methods of :class:`AsyncClient` for jobs."""

    _jobs: "JobServiceAsyncStub"

    async def create_job(
        self, text: str, *, request_id: str = "", **options: Unpack[JobOptions]
    ) -> SpeechJob:
        """A job that speaks the text in the background.

        ``request_id``, a UUID, is for who may have to call again: the same request makes one job. Without,
        the client takes a random one, so that it can try again by itself if the server cannot be reached.
        """
        return (await self.submit_job(text, request_id=request_id, **options)).job

    async def submit_job(
        self, text: str, *, request_id: str = "", **options: Unpack[JobOptions]
    ) -> CreateSpeechJobResponse:
        """Creates a job as ``create_job`` does; the reply also names the options that the model ignores."""
        request = create_job_request(text, request_id, options)
        return await self._repeatable(self._jobs.CreateSpeechJob, request)

    def list_jobs(
        self, page_size: int = 0, page_token: str = ""
    ) -> AsyncPages[ListSpeechJobsResponse, SpeechJob]:
        """The jobs, newest first: all that come after ``page_token``, in pages of at most so many."""
        request = ListSpeechJobsRequest(page_size=page_size, page_token=page_token)
        return self._pages(self._jobs.ListSpeechJobs, request, lambda page: page.jobs)

    async def get_job(self, job_id: str) -> SpeechJob:
        """Returns the job of this id. Raises ServiceError if there is none."""
        return (await self._unary(self._jobs.GetSpeechJob, GetSpeechJobRequest(id=job_id))).job

    async def watch_job(self, job_id: str) -> AsyncGenerator[SpeechJob, None]:
        """The job whenever it has changed, until it has ended."""
        request = WatchSpeechJobRequest(id=job_id)
        try:
            async for response in self._jobs.WatchSpeechJob(request, metadata=self._metadata):
                yield response.job
        except grpc.RpcError as error:
            raise ServiceError.of(error) from error

    async def pause_job(self, job_id: str) -> SpeechJob:
        """The job, which rests once the piece that is being spoken is done."""
        return (await self._unary(self._jobs.PauseSpeechJob, PauseSpeechJobRequest(id=job_id))).job

    async def resume_job(self, job_id: str) -> SpeechJob:
        """Resumes a paused job; returns it."""
        return (await self._unary(self._jobs.ResumeSpeechJob, ResumeSpeechJobRequest(id=job_id))).job

    async def retry_job(self, job_id: str) -> SpeechJob:
        """The job, which failed and goes on with the piece that did."""
        return (await self._unary(self._jobs.RetrySpeechJob, RetrySpeechJobRequest(id=job_id))).job

    async def cancel_job(self, job_id: str) -> SpeechJob:
        """The job, which ends."""
        return (await self._unary(self._jobs.CancelSpeechJob, CancelSpeechJobRequest(id=job_id))).job

    async def delete_job(self, job_id: str) -> None:
        """Deletes a job, its text and its audio."""
        await self._unary(self._jobs.DeleteSpeechJob, DeleteSpeechJobRequest(id=job_id))

    def download_job(self, job_id: str, **options: Unpack[DownloadOptions]) -> AsyncSpeech:
        """The bytes of a job's sound file."""
        timeout = options.pop("timeout", None)
        request = download_job_request(job_id, options)
        call = self._jobs.DownloadSpeechJob(request, timeout=timeout, metadata=self._metadata)
        return AsyncStream(call, audio)


class Jobs(Calls):
    """The methods of :class:`Client` for jobs."""

    _jobs: JobServiceStub

    def create_job(self, text: str, *, request_id: str = "", **options: Unpack[JobOptions]) -> SpeechJob:
        """A job that speaks the text in the background; see :meth:`AsyncJobs.create_job`."""
        return self.submit_job(text, request_id=request_id, **options).job

    def submit_job(
        self, text: str, *, request_id: str = "", **options: Unpack[JobOptions]
    ) -> CreateSpeechJobResponse:
        """Creates a job as ``create_job`` does; the reply also names the options that the model ignores."""
        return self._repeatable(self._jobs.CreateSpeechJob, create_job_request(text, request_id, options))

    def list_jobs(self, page_size: int = 0, page_token: str = "") -> Pages[ListSpeechJobsResponse, SpeechJob]:
        """The jobs, newest first: all that come after ``page_token``, in pages of at most so many."""
        request = ListSpeechJobsRequest(page_size=page_size, page_token=page_token)
        return self._pages(self._jobs.ListSpeechJobs, request, lambda page: page.jobs)

    def get_job(self, job_id: str) -> SpeechJob:
        """Returns the job of this id. Raises ServiceError if there is none."""
        return self._unary(self._jobs.GetSpeechJob, GetSpeechJobRequest(id=job_id)).job

    def watch_job(self, job_id: str) -> Iterator[SpeechJob]:
        """The job whenever it has changed, until it has ended."""
        request = WatchSpeechJobRequest(id=job_id)
        try:
            for response in self._jobs.WatchSpeechJob(request, metadata=self._metadata):
                yield response.job
        except grpc.RpcError as error:
            raise ServiceError.of(error) from error

    def pause_job(self, job_id: str) -> SpeechJob:
        """The job, which rests once the piece that is being spoken is done."""
        return self._unary(self._jobs.PauseSpeechJob, PauseSpeechJobRequest(id=job_id)).job

    def resume_job(self, job_id: str) -> SpeechJob:
        """Resumes a paused job; returns it."""
        return self._unary(self._jobs.ResumeSpeechJob, ResumeSpeechJobRequest(id=job_id)).job

    def retry_job(self, job_id: str) -> SpeechJob:
        """The job, which failed and goes on with the piece that did."""
        return self._unary(self._jobs.RetrySpeechJob, RetrySpeechJobRequest(id=job_id)).job

    def cancel_job(self, job_id: str) -> SpeechJob:
        """The job, which ends."""
        return self._unary(self._jobs.CancelSpeechJob, CancelSpeechJobRequest(id=job_id)).job

    def delete_job(self, job_id: str) -> None:
        """Deletes a job, its text and its audio."""
        self._unary(self._jobs.DeleteSpeechJob, DeleteSpeechJobRequest(id=job_id))

    def download_job(self, job_id: str, **options: Unpack[DownloadOptions]) -> Speech:
        """The bytes of a job's sound file."""
        timeout = options.pop("timeout", None)
        request = download_job_request(job_id, options)
        call = self._jobs.DownloadSpeechJob(request, timeout=timeout, metadata=self._metadata)
        return Stream(call, audio)
