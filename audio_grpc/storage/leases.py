"""Leases of jobs: of all servers on one database, only the one that holds a job's lease runs it.

A lease runs out unless it is renewed, so that another server goes on with the jobs of one that was killed. A
server that comes back after that finds its lease gone, and nothing that it made in the meantime is kept. The
clock is the database's, so those of the servers need not agree.
"""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from sqlalchemy import ColumnElement, Connection, and_, bindparam, case, delete, func, select, update
from sqlalchemy.dialects import postgresql, sqlite

from audio_grpc.errors import ServerCrashed, SpeechError
from audio_grpc.storage.blobs import SAMPLE_BYTES
from audio_grpc.storage.database import POSTGRESQL, Database, now
from audio_grpc.storage.jobs import COLUMNS, job_of
from audio_grpc.storage.tables import JOB_SAMPLES, JOB_TURNS, JOBS, PIECES
from audio_grpc.types import Job, JobState

TO_RUN = (JobState.QUEUED.value, JobState.RUNNING.value)
UNENDED = (*TO_RUN, JobState.PAUSED.value)
FORGOTTEN_SECONDS = 86400.0
"""The seconds after which a key that had a turn counts as one that had none."""
MOST_CLAIMS = 5
"""The number of servers killed in a row at one piece of a job before it is taken for the cause."""
GIVEN_UP = ServerCrashed(
    f"{MOST_CLAIMS} times in a row, the server that spoke this piece was killed; its operator has to see to "
    "its memory, and to what the model makes of the text"
)

T = TypeVar("T")


@dataclass(frozen=True)
class JobPiece:
    """A piece of a job's text."""

    number: int
    text: str


@dataclass(frozen=True)
class JobAudio:
    """The sound of a piece, and what it took to make it."""

    blob: str
    """The name of the sound among the results."""
    samples: int
    input_tokens: int
    seconds: float


class Leases:
    """The jobs of one server, which is ``owner``. Every method raises StorageFailed if the database fails."""

    def __init__(self, database: Database, owner: str, seconds: float) -> None:
        self.seconds = seconds
        self._database = database
        self._owner = owner

    async def claim(self) -> Job | None:
        """A job that nobody runs, to be run here; None if there is none.

        It is the oldest of the key that has waited longest for a turn.
        """
        return await self._run("find a job to run", self._claim) if self._database.is_there else None

    async def renew(self, job_id: str) -> JobState | None:
        """Keep a job; its state, or None if it is not this server's any more."""
        renewed = update(JOBS).where(self._held(job_id)).returning(JOBS.c.state)

        def work(connection: Connection) -> JobState | None:
            state = connection.execute(renewed.values(lease_until=self._until(now(connection)))).scalar()
            return None if state is None else JobState(state)

        return await self._run("keep the job", work)

    async def sample(self, job_id: str) -> bytes:
        """The recording of the speaker whose voice a job borrows; empty if it borrows none."""
        wanted = select(JOB_SAMPLES.c.audio).where(JOB_SAMPLES.c.job_id == job_id)
        return await self._run("read the job", lambda connection: connection.scalar(wanted) or b"")

    async def gives_way(self, job_id: str) -> bool:
        """Let go of a job for now if one of another key waits, or if it is not this server's any more."""
        return await self._run("take turns", lambda connection: self._gives_way(connection, job_id))

    async def next_piece(self, job_id: str) -> JobPiece | None:
        """Returns the first piece that is not spoken; None if all are."""
        unspoken = and_(PIECES.c.job_id == job_id, PIECES.c.blob.is_(None))
        wanted = select(PIECES.c.number, PIECES.c.text).where(unspoken).order_by(PIECES.c.number).limit(1)

        def work(connection: Connection) -> JobPiece | None:
            row = connection.execute(wanted).first()
            return None if row is None else JobPiece(row.number, row.text)

        return await self._run("read the job", work)

    async def keep(self, job_id: str, piece: JobPiece, sound: JobAudio) -> JobState | None:
        """Count a piece as spoken; the job's state then, or None if the sound is of no use any more."""
        return await self._run(
            "keep what is spoken of the job", lambda connection: self._keep(connection, job_id, piece, sound)
        )

    async def settle(self, job_id: str, kept: Mapping[str, int]) -> JobState | None:
        """Complete a job that is spoken to its end; its state then, or None if it is not to be run here.

        ``kept`` are the names of the sounds that are there, and their bytes. Pieces whose sound is not are
        unspoken again.
        """
        return await self._run("complete the job", lambda connection: self._settle(connection, job_id, kept))

    async def release(self, job_id: str) -> None:
        """Let another server, or this one, take the job when its turn comes."""
        running = JOBS.c.state == JobState.RUNNING.value
        state = case((running, JobState.QUEUED.value), else_=JOBS.c.state)
        released = update(JOBS).where(self._held(job_id))
        values = {"state": state, "lease_owner": "", "lease_until": 0.0, "claims": 0}
        await self._run("release the job", lambda connection: connection.execute(released.values(values)))

    async def fail(self, job_id: str, error: SpeechError) -> None:
        """The job has failed, unless it was ended before."""
        failed = update(JOBS).where(self._held(job_id), JOBS.c.state.in_(UNENDED))

        def work(connection: Connection) -> None:
            connection.execute(failed.values(_failure(error, now(connection))))

        await self._run("keep the job", work)

    async def waiting_keys(self) -> set[str]:
        """The ids of the keys that have jobs which have not ended, on whatever server."""
        wanted = select(JOBS.c.key_id).where(JOBS.c.state.in_(UNENDED), JOBS.c.key_id != "").distinct()

        def work(connection: Connection) -> set[str]:
            return set(connection.execute(wanted).scalars())

        return await self._run("list the jobs", work) if self._database.is_there else set()

    async def fail_all(self, key_ids: Collection[str], error: SpeechError) -> list[str]:
        """All jobs of these keys that have not ended have failed, whoever runs them; their ids."""
        unended = and_(JOBS.c.key_id.in_(key_ids), JOBS.c.state.in_(UNENDED))
        failed = update(JOBS).where(unended).returning(JOBS.c.id)

        def work(connection: Connection) -> list[str]:
            return list(connection.execute(failed.values(_failure(error, now(connection)))).scalars())

        return await self._run("keep the jobs", work)

    def _claim(self, connection: Connection) -> Job | None:
        moment = now(connection)
        free = _free(moment)
        given_up = update(JOBS).where(free, JOBS.c.claims >= MOST_CLAIMS)
        connection.execute(given_up.values(_failure(GIVEN_UP, moment)))
        turn = select(JOB_TURNS.c.turn).where(JOB_TURNS.c.key_id == JOBS.c.key_id).scalar_subquery()
        order = func.coalesce(turn, 0.0), JOBS.c.created, JOBS.c.id
        first = select(JOBS.c.id, JOBS.c.key_id).where(free).order_by(*order).limit(1)
        # PostgreSQL passes over what another server is claiming; SQLite has one writer at a time anyway.
        row = connection.execute(first.with_for_update(skip_locked=True)).first()
        if row is None:
            return None
        job_id, key_id = row
        _count_turn(connection, key_id, moment)
        claimed = update(JOBS).where(JOBS.c.id == job_id).returning(*COLUMNS)
        values = {
            "state": JobState.RUNNING.value,
            "started": func.coalesce(JOBS.c.started, moment),
            "lease_owner": self._owner,
            "lease_until": self._until(moment),
            "claims": JOBS.c.claims + 1,
        }
        return job_of(connection.execute(claimed.values(values)).one())

    def _gives_way(self, connection: Connection, job_id: str) -> bool:
        key_id = connection.scalar(select(JOBS.c.key_id).where(self._held(job_id)))
        if key_id is None:
            return True
        moment = now(connection)
        _count_turn(connection, key_id, moment)
        others = select(JOBS.c.id).where(_free(moment), JOBS.c.key_id != key_id).limit(1)
        if connection.scalar(others) is None:
            return False
        # It stays running: with the next turn of its key it goes on, here or on another server.
        let_go = {"lease_owner": "", "lease_until": 0.0}
        connection.execute(update(JOBS).where(self._held(job_id)).values(let_go))
        return True

    def _keep(self, connection: Connection, job_id: str, piece: JobPiece, sound: JobAudio) -> JobState | None:
        counted = update(JOBS).where(self._held(job_id), JOBS.c.state.in_(UNENDED)).returning(*COLUMNS)
        values: dict[str, Any] = {
            "pieces_done": JOBS.c.pieces_done + 1,
            "characters_done": JOBS.c.characters_done + len(piece.text),
            "input_tokens": JOBS.c.input_tokens + sound.input_tokens,
            "samples": JOBS.c.samples + sound.samples,
            "spoken_seconds": JOBS.c.spoken_seconds + sound.seconds,
            "lease_until": self._until(now(connection)),
            "claims": 0,
        }
        row = connection.execute(counted.values(values)).first()
        if row is None:
            return None
        spoken = and_(PIECES.c.job_id == job_id, PIECES.c.number == piece.number)
        connection.execute(update(PIECES).where(spoken).values(blob=sound.blob))
        return job_of(row).state

    def _settle(self, connection: Connection, job_id: str, kept: Mapping[str, int]) -> JobState | None:
        held = and_(self._held(job_id), JOBS.c.state.in_(UNENDED))
        state = connection.scalar(select(JOBS.c.state).where(held).with_for_update())
        if state is None:
            return None
        of_job = PIECES.c.job_id == job_id
        spoken = select(PIECES.c.number, PIECES.c.blob, func.length(PIECES.c.text)).where(of_job)
        rows = connection.execute(spoken.where(PIECES.c.blob.is_not(None))).all()
        there = [(blob, characters) for _, blob, characters in rows if blob in kept]
        if gone := [{"gone": number} for number, blob, _ in rows if blob not in kept]:
            forgotten = update(PIECES).where(of_job, PIECES.c.number == bindparam("gone")).values(blob=None)
            connection.execute(forgotten, gone)
            left = {
                "pieces_done": len(there),
                "characters_done": sum(characters for _, characters in there),
                "samples": sum(kept[blob] for blob, _ in there) // SAMPLE_BYTES,
            }
            connection.execute(update(JOBS).where(held).values(left))
        done = {"state": JobState.COMPLETED.value, "ended": now(connection)}
        completed = update(JOBS).where(held, JOBS.c.pieces_total == len(there)).values(done)
        return JobState.COMPLETED if connection.execute(completed).rowcount else JobState(state)

    def _held(self, job_id: str) -> ColumnElement[bool]:
        return and_(JOBS.c.id == job_id, JOBS.c.lease_owner == self._owner)

    def _until(self, moment: float) -> float:
        return moment + self.seconds

    async def _run(self, what: str, work: Callable[[Connection], T]) -> T:
        return await self._database.run(what, work)


def _free(moment: float) -> ColumnElement[bool]:
    """To be run, and run by nobody."""
    return and_(JOBS.c.state.in_(TO_RUN), JOBS.c.lease_until < moment)


def _count_turn(connection: Connection, key_id: str, moment: float) -> None:
    """A key has its turn. Those that had none for long are as good as new, and forgotten."""
    connection.execute(delete(JOB_TURNS).where(JOB_TURNS.c.turn < moment - FORGOTTEN_SECONDS))
    dialect = postgresql if connection.dialect.name == POSTGRESQL else sqlite
    turn = dialect.insert(JOB_TURNS).values(key_id=key_id, turn=moment)
    connection.execute(turn.on_conflict_do_update(index_elements=["key_id"], set_={"turn": moment}))


def _failure(error: SpeechError, moment: float) -> dict[str, Any]:
    """Returns the column values of a job that failed with this error at that moment."""
    return {
        "state": JobState.FAILED.value,
        "ended": moment,
        "error_reason": error.reason,
        "error_message": error.message,
    }
