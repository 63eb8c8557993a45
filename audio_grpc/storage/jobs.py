"""The rows of jobs, as callers see and change them; ``leases.py`` is for those who run them."""

import re
import secrets
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from itertools import takewhile
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, and_, delete, func, insert, select, update

from audio_grpc.errors import JobInOtherState, JobNotFound, quoted
from audio_grpc.storage.admission import (
    JobBounds,
    job_of_request,
    lock_key,
    remember_request,
    require_room,
)
from audio_grpc.storage.blobs import Blobs
from audio_grpc.storage.database import Database, now
from audio_grpc.storage.pages import Listing, Page, Position
from audio_grpc.storage.tables import JOB_SAMPLES, JOBS, PIECES
from audio_grpc.types import Job, JobState, RequestId

ID = re.compile(r"job_[0-9a-f]{16}")
COLUMNS = tuple(JOBS.c[name] for name in Job.__dataclass_fields__)
LISTING = Listing(JOBS.c.id, JOBS.c.created, func.length(JOBS.c.request), COLUMNS)


@dataclass(frozen=True)
class NewJob:
    """A job that is to be made; the names are those of :class:`Job`."""

    key_id: str
    request: bytes
    text_start: str
    pieces: Sequence[str]
    sample_rate_hertz: int
    sample: bytes = b""
    """The recording of the speaker whose voice it borrows; empty if it borrows none."""
    request_id: RequestId | None = None
    """The id and the fingerprint that its request is known by if that comes again."""


class JobStore:
    """Keeps jobs and their texts.

    ``key_id`` is whose jobs are seen; None: everybody's. Every method raises StorageFailed if the database
    fails, and JobNotFound where it is asked for one job that is not seen.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    async def made_for(self, key_id: str, request: RequestId) -> Job | None:
        """The job that was made for a request, if one was. Raises RequestIdReused."""

        def work(connection: Connection) -> Job | None:
            job_id = job_of_request(connection, key_id, request)
            return None if job_id is None else _find(connection, JOBS.c.id == job_id)

        return await self._database.run("keep the job", work) if self._database.is_there else None

    async def add(self, new: NewJob, bounds: JobBounds) -> Job:
        """Adds a job, or returns that of the same request. Raises TooManyJobs, RequestIdReused."""

        def work(connection: Connection) -> Job:
            lock_key(connection, new.key_id)
            if new.request_id and (earlier := job_of_request(connection, new.key_id, new.request_id)):
                return _find(connection, JOBS.c.id == earlier)
            require_room(connection, new.key_id, sum(map(len, new.pieces)), bounds)
            return _add(connection, new)

        return await self._database.run("keep the job", work)

    async def page(self, key_id: str | None, limit: int, after: Position | None) -> Page[Job]:
        """Returns at most ``limit`` jobs, newest first, that come after that position."""
        whose = [] if key_id is None else [JOBS.c.key_id == key_id]
        return await self._database.run(
            "list the jobs", lambda connection: LISTING.page(connection, whose, limit, after, job_of)
        )

    async def find(self, job_id: str, key_id: str | None) -> Job:
        """Returns the job of this id if the key sees it. Raises JobNotFound."""
        return await self._database.run("read the job", _checked(job_id, key_id, _find))

    async def move(self, job_id: str, key_id: str | None, sources: Collection[JobState], to: JobState) -> Job:
        """Moves a job from one of the ``sources`` to ``to``, or leaves it there. Raises JobInOtherState."""

        def work(connection: Connection, seen: ColumnElement[bool]) -> Job:
            values: dict[str, Any] = {"state": to.value}
            if to is JobState.QUEUED:
                values |= {"ended": None, "error_reason": "", "error_message": "", "claims": 0}
            elif to.has_ended:
                values |= {"ended": now(connection)}
            movable = JOBS.c.state.in_([source.value for source in sources])
            connection.execute(update(JOBS).where(seen, movable).values(values))
            job = _find(connection, seen)
            if job.state is not to:
                raise JobInOtherState(
                    f"the job is {job.state.value}; this can be done to one that is "
                    f"{' or '.join(source.value for source in sources)}",
                    field="id",
                )
            return job

        return await self._database.run("change the job", _checked(job_id, key_id, work))

    async def remove(self, job_id: str, key_id: str | None) -> None:
        """Deletes a job and its text. Raises JobNotFound."""

        def work(connection: Connection, seen: ColumnElement[bool]) -> None:
            _find(connection, seen)
            connection.execute(delete(JOBS).where(seen))

        await self._database.run("remove the job", _checked(job_id, key_id, work))

    async def ended_for(self, seconds: float) -> list[str]:
        """Returns the ids of the jobs that ended so many seconds ago, or earlier."""

        def work(connection: Connection) -> list[str]:
            wanted = select(JOBS.c.id).where(JOBS.c.ended < now(connection) - seconds)
            return list(connection.execute(wanted).scalars())

        return await self._database.run("list the jobs", work)

    async def blobs(self, job_id: str, start: int) -> list[str]:
        """The names of what is spoken of a job without a gap, from the piece of this number on."""
        following = and_(PIECES.c.job_id == job_id, PIECES.c.number >= start)
        wanted = select(PIECES.c.blob).where(following).order_by(PIECES.c.number)
        return await self._database.run(
            "read the job", lambda connection: list(takewhile(bool, connection.execute(wanted).scalars()))
        )


class JobStorage:
    """All that is kept of jobs: their rows, and their sound."""

    def __init__(self, database: Database, blobs: Blobs) -> None:
        self.database = database
        self.jobs = JobStore(database)
        self.blobs = blobs

    async def count_lost(self, job: Job) -> int:
        """Counts the pieces of a completed job that have no sound any more. Raises StorageFailed."""
        kept = await self.blobs.sizes(job.id)
        return sum(blob not in kept for blob in await self.jobs.blobs(job.id, 0))


def job_of(row: Row[Any]) -> Job:
    """The job of a row of :data:`COLUMNS`."""
    return Job(**{**row._mapping, "state": JobState(row.state)})


def _add(connection: Connection, new: NewJob) -> Job:
    job_id = f"job_{secrets.token_hex(8)}"
    job = {
        "id": job_id,
        "key_id": new.key_id,
        "state": JobState.QUEUED.value,
        "request": new.request,
        "text_start": new.text_start,
        "characters": sum(map(len, new.pieces)),
        "pieces_total": len(new.pieces),
        "sample_rate_hertz": new.sample_rate_hertz,
        "created": now(connection),
    }
    connection.execute(insert(JOBS).values(job))
    rows = [{"job_id": job_id, "number": number, "text": text} for number, text in enumerate(new.pieces)]
    connection.execute(insert(PIECES), rows)
    if new.sample:
        connection.execute(insert(JOB_SAMPLES).values(job_id=job_id, audio=new.sample))
    if new.request_id is not None:
        remember_request(connection, new.key_id, new.request_id, job_id)
    return _find(connection, JOBS.c.id == job_id)


def _find(connection: Connection, seen: ColumnElement[bool]) -> Job:
    row = connection.execute(select(*COLUMNS).where(seen)).first()
    if row is None:
        raise JobNotFound("there is no job of this id; ListSpeechJobs lists them", field="id")
    return job_of(row)


def _checked(
    job_id: str, key_id: str | None, work: Callable[[Connection, ColumnElement[bool]], Any]
) -> Callable[[Connection], Any]:
    """``work`` on the one job that is meant, if that is an id at all. Raises JobNotFound."""
    if not ID.fullmatch(job_id):
        raise JobNotFound(f"{quoted(job_id)} is no id of a job; ListSpeechJobs lists them", field="id")
    seen = JOBS.c.id == job_id
    if key_id is not None:
        seen = and_(seen, JOBS.c.key_id == key_id)
    return lambda connection: work(connection, seen)
