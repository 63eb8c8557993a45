"""Limits the jobs of a key, and adds one job for each request, however often it is repeated."""

from dataclasses import dataclass

from sqlalchemy import Connection, case, delete, func, insert, select, text

from audio_grpc.errors import TooManyJobs, request_id_reused
from audio_grpc.storage.database import POSTGRESQL, now
from audio_grpc.storage.tables import JOB_REQUESTS, JOBS
from audio_grpc.types import JobState, RequestId

REMEMBERED_SECONDS = 86400.0
"""The time in which a request may come again and be told of the job that it made."""
RETRY_SECONDS = 30.0
"""The time to retry; the end of a job is unknown."""
KEY_LOCK = 0x6A6F6273
"""Names the locks under which the jobs of one key are added in PostgreSQL, one at a time."""
WAITING = tuple(state.value for state in (JobState.QUEUED, JobState.RUNNING, JobState.PAUSED))


@dataclass(frozen=True)
class JobBounds:
    """The most that one key may have; without keys, all callers together."""

    waiting: int
    """Jobs that have not ended."""
    characters: int
    """Characters of the texts of all jobs that are not completed. One job alone may have more."""
    kept: int
    """Jobs, also those that have ended."""


def lock_key(connection: Connection, key_id: str) -> None:
    """Let nobody else add a job of this key before the transaction ends; SQLite has one writer anyway."""
    if connection.dialect.name == POSTGRESQL:
        held = {"lock": KEY_LOCK, "key_id": key_id}
        connection.execute(text("SELECT pg_advisory_xact_lock(:lock, hashtext(:key_id))"), held)


def job_of_request(connection: Connection, key_id: str, request: RequestId) -> str | None:
    """The id of the job that was made for this request, if one was. RequestIdReused if for another one."""
    forgotten = JOB_REQUESTS.c.created < now(connection) - REMEMBERED_SECONDS
    connection.execute(delete(JOB_REQUESTS).where(forgotten))
    of_request = JOB_REQUESTS.c.key_id == key_id, JOB_REQUESTS.c.request_id == request.id
    wanted = select(JOB_REQUESTS.c.fingerprint, JOB_REQUESTS.c.job_id).where(*of_request)
    row = connection.execute(wanted).first()
    if row is None:
        return None
    if row.fingerprint != request.fingerprint:
        raise request_id_reused()
    found: str = row.job_id
    return found


def remember_request(connection: Connection, key_id: str, request: RequestId, job_id: str) -> None:
    """Stores the request, so that :func:`job_of_request` finds its job."""
    row = {
        "key_id": key_id,
        "request_id": request.id,
        "fingerprint": request.fingerprint,
        "job_id": job_id,
        "created": now(connection),
    }
    connection.execute(insert(JOB_REQUESTS).values(row))


def require_room(connection: Connection, key_id: str, characters: int, bounds: JobBounds) -> None:
    """Raises TooManyJobs if the key may not have one more with so many characters."""
    waits = case((JOBS.c.state.in_(WAITING), 1), else_=0)
    unspoken = case((JOBS.c.state != JobState.COMPLETED.value, JOBS.c.characters), else_=0)
    wanted = select(func.count(), func.sum(waits), func.sum(unspoken)).where(JOBS.c.key_id == key_id)
    kept, waiting, before = (int(amount or 0) for amount in connection.execute(wanted).one())
    if waiting >= bounds.waiting:
        problem = f"{waiting} jobs that have not ended, and may have {bounds.waiting} (max_waiting_jobs)"
    elif before and before + characters > bounds.characters:
        problem = (
            f"{before} characters in jobs that are not completed; with the {characters} of this one, they "
            f"would be more than {bounds.characters} (max_waiting_job_characters)"
        )
    elif kept >= bounds.kept:
        problem = f"{kept} jobs, and may have {bounds.kept} (max_kept_jobs)"
    else:
        return
    raise TooManyJobs(
        f"this key has {problem}; wait until some have ended, or delete some",
        retry_after_seconds=RETRY_SECONDS,
    )
