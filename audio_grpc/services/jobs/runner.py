"""Finds jobs to run, keeps their leases, ends those of revoked keys, and forgets those of long ago."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from uuid import uuid4

from audio_grpc.access.revocation import RunningCalls
from audio_grpc.errors import JobNotFound, SpeechError, StorageFailed, Unauthenticated
from audio_grpc.runtime.models import Models
from audio_grpc.services.cloning import SampleFinder
from audio_grpc.services.jobs.synthesizer import JobSynthesizer
from audio_grpc.services.tasks import end, stopping
from audio_grpc.storage import JobStorage, Leases
from audio_grpc.types import Job, JobState

LOOK_SECONDS = 1.0
"""The seconds between two looks for jobs that other servers took in or let go, and for revoked keys."""
LONGEST_PAUSE_SECONDS = 60.0
"""The longest time between two looks, in seconds, while the database fails."""
TIDY_SECONDS = 3600.0
KEY_REVOKED = Unauthenticated(
    "the key that made this job was revoked; ask the operator for another one, and make the job again with it"
)

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class JobConfig:
    """Rules on a server's work for the jobs that are kept."""

    at_once: int
    """The number of jobs that it runs at the same time; 0: none."""
    lease_seconds: float
    """The seconds without a sign of life after which others take its jobs."""
    retention_seconds: float
    """The seconds for which jobs that have ended are kept; 0: until they are deleted."""


class JobRunner:
    """Runs the jobs that nobody else runs."""

    def __init__(
        self,
        models: Models,
        samples: SampleFinder,
        storage: JobStorage,
        rules: JobConfig,
        calls: RunningCalls | None,
    ) -> None:
        self._storage = storage
        self._rules = rules
        self._calls = calls
        self._leases = Leases(storage.database, uuid4().hex, rules.lease_seconds)
        self._narrator = JobSynthesizer(models, samples, self._leases, storage.blobs)
        self._tasks: list[asyncio.Task[None]] = []
        self._running: dict[str, asyncio.Task[None]] = {}
        self._news = asyncio.Event()
        self._stopped = asyncio.Event()
        self._changed: dict[str, asyncio.Event] = {}

    async def wait(self, seconds: float) -> None:
        """Let time pass. ServerStopping once the runner is stopped: nothing more happens here."""
        await _wait(self._stopped, seconds)
        if self._stopped.is_set():
            raise stopping()

    def start(self) -> None:
        """Starts to run jobs."""
        work = [self._tidy()]
        if self._rules.at_once:
            work.append(_again(self._claim, self._news))
        if self._calls is not None:
            work.append(_again(partial(self._end_revoked, self._calls), asyncio.Event()))
        self._tasks = [asyncio.create_task(each, name="jobs") for each in work]

    async def stop(self) -> None:
        """Let go of the running jobs, for another server or a later time; the pieces in progress are lost."""
        self._stopped.set()
        for tasks in (self._tasks, list(self._running.values())):
            await end(*tasks)

    def wake(self, job_id: str) -> None:
        """Look at this job: it may be to run now, or not to run any more."""
        self._news.set()
        if job_id in self._changed:
            self._changed[job_id].set()

    async def _claim(self) -> None:
        while len(self._running) < self._rules.at_once and (job := await self._leases.claim()):
            self._running[job.id] = asyncio.create_task(self._run(job), name=job.id)

    async def _end_revoked(self, calls: RunningCalls) -> None:
        if revoked := calls.keys.revoked_ids(await self._leases.waiting_keys()):
            calls.end_revoked()  # first: who watches a job is told of the key, not of the job that fails
            for job_id in await self._leases.fail_all(revoked, KEY_REVOKED):
                log.warning("job %s failed: its key was revoked", job_id)
                self.wake(job_id)

    async def _run(self, job: Job) -> None:
        log.info("job %s goes on at piece %d of %d", job.id, job.pieces_done, job.pieces_total)
        self._changed[job.id] = asyncio.Event()
        work = asyncio.create_task(self._narrator.speak(job), name=f"speak {job.id}")
        watch = asyncio.create_task(self._watch(job.id), name=f"watch {job.id}")
        try:
            await asyncio.wait((work, watch), return_when=asyncio.FIRST_COMPLETED)
        finally:
            await end(work, watch)
            with suppress(StorageFailed):  # and logged; its lease runs out by itself
                await self._let_go(job, None if work.cancelled() else work.exception())
            del self._changed[job.id], self._running[job.id]
            self._news.set()

    async def _watch(self, job_id: str) -> None:
        """Keep the lease, until the job was ended or deleted or is another server's."""
        state: JobState | None = JobState.RUNNING
        while state is not None and not state.has_ended:
            await _wait(self._changed[job_id], self._leases.seconds / 3)
            self._changed[job_id].clear()
            with suppress(StorageFailed):  # and logged; what is spoken is kept only under a lease
                state = await self._leases.renew(job_id)

    async def _let_go(self, job: Job, error: BaseException | None) -> None:
        if error is not None:
            log.error("job %s failed", job.id, exc_info=error)
            if not isinstance(error, SpeechError):
                error = SpeechError("an internal error; the server's log has the details")
            await self._leases.fail(job.id, error)
        await self._leases.release(job.id)

    async def _tidy(self) -> None:
        while kept := self._rules.retention_seconds:
            with suppress(StorageFailed):  # and logged
                if self._storage.database.is_there:
                    for job_id in await self._storage.jobs.ended_for(kept):
                        await self._forget(job_id)
            await asyncio.sleep(TIDY_SECONDS)

    async def _forget(self, job_id: str) -> None:
        with suppress(JobNotFound):  # another server forgets it too
            await self._storage.jobs.remove(job_id, None)
        await self._storage.blobs.clear(job_id)
        log.info("job %s has ended long ago and is forgotten", job_id)


async def _again(look: Callable[[], Awaitable[None]], news: asyncio.Event) -> None:
    """Look at once when there are news, and else every second; more seldom while the database fails."""
    pause = LOOK_SECONDS
    while True:
        news.clear()
        try:
            await look()
            pause = LOOK_SECONDS
        except StorageFailed:  # and logged
            pause = min(2 * pause, LONGEST_PAUSE_SECONDS)
        await _wait(news, pause)


async def _wait(event: asyncio.Event, seconds: float) -> None:
    """Waits for the event, at most so many seconds."""
    with suppress(TimeoutError):
        await asyncio.wait_for(event.wait(), seconds)
