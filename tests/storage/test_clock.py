"""The database's clock decides who is alive, and whose a job is, however wrong the clock of a server is."""

import time
from collections.abc import AsyncIterator

import pytest

from audio_grpc.storage import ActivityStore, Database, JobBounds, JobStore, Leases, NewJob
from audio_grpc.types import Job

HOUR_SECONDS = 3600.0
UNBOUNDED = JobBounds(waiting=100, characters=10_000, kept=100)


@pytest.fixture
async def database(postgresql_url: str) -> AsyncIterator[Database]:
    """A database whose clock need not be that of the servers."""
    database = Database(postgresql_url)
    yield database
    await database.close()


@pytest.fixture(params=[HOUR_SECONDS, -HOUR_SECONDS], ids=["ahead", "behind"])
def wrong_by(request: pytest.FixtureRequest) -> float:
    """The seconds by which the clock of one server is wrong."""
    return float(request.param)


@pytest.fixture
async def job(database: Database) -> AsyncIterator[Job]:
    """A job that nobody runs."""
    jobs = JobStore(database)
    job = await jobs.add(NewJob("", b"", "Hello.", ["Hello."], 24_000), UNBOUNDED)
    yield job
    await jobs.remove(job.id, None)


def set_clock(patch: pytest.MonkeyPatch, seconds: float) -> None:
    """The clock of this machine is wrong from now on."""
    right = time.time
    patch.setattr(time, "time", lambda: right() + seconds)


async def test_a_server_takes_no_job_that_another_runs(
    database: Database, job: Job, wrong_by: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, other = (Leases(database, name, seconds=60.0) for name in ("one", "other"))
    claimed = await one.claim()
    assert claimed is not None
    assert claimed.id == job.id
    with monkeypatch.context() as patch:
        set_clock(patch, wrong_by)
        assert await other.claim() is None


async def test_a_server_keeps_the_job_that_it_runs(
    database: Database, job: Job, wrong_by: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, other = (Leases(database, name, seconds=60.0) for name in ("one", "other"))
    with monkeypatch.context() as patch:
        set_clock(patch, wrong_by)
        assert await one.claim() is not None
        await one.renew(job.id)
    assert await other.claim() is None


async def test_a_lease_that_has_run_out_is_anybodys(
    database: Database, job: Job, wrong_by: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, other = (Leases(database, name, seconds=0.0) for name in ("one", "other"))
    assert await one.claim() is not None
    set_clock(monkeypatch, wrong_by)
    taken_over = await other.claim()
    assert taken_over is not None
    assert taken_over.id == job.id
    assert await one.renew(job.id) is None


async def test_activities_of_a_server_are_seen_by_the_others(
    database: Database, wrong_by: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, other = (ActivityStore(database, name) for name in ("one", "other"))
    await one.write({"key": b"of one"})
    set_clock(monkeypatch, wrong_by)
    await other.write({"key": b"of the other"})
    assert (await other.read("key")).snapshots == [b"of one"]
    assert (await one.read("key")).snapshots == [b"of the other"]
