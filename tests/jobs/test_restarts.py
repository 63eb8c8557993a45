"""Jobs outlive servers: killed ones, stopped ones, and those that come back too late."""

import asyncio
import os
import signal
from collections import Counter
from pathlib import Path

import grpc
import pytest

from audio_grpc.client import AsyncClient, Client
from audio_grpc.storage import Database, Leases
from audio_grpc.v1 import job_pb2 as pb
from tests.conftest import PATIENCE_SECONDS, ServerProcess, Start
from tests.jobs.conftest import PIECES, TEXT, Speaker, ended, files, reached, refused, sound, spoken

COMPLETED, RUNNING = pb.SPEECH_JOB_STATE_COMPLETED, pb.SPEECH_JOB_STATE_RUNNING
SLOW_SECONDS, FAST_SECONDS = 0.02, 0.002
TONE_SERVER = f"""
database_url = "sqlite:///jobs.db"
results_url = "results"
job_lease_seconds = 1
[synthesizers.speaker]
backend = "tone"
options = {{ delay_seconds = {SLOW_SECONDS} }}
[transcribers.listener]
backend = "tone"
"""


def started_again(home: Path) -> ServerProcess:
    """Another server, ten times as fast as the first, which takes some ten seconds for a job."""
    configuration = home / "audio-grpc.toml"
    configuration.write_text(TONE_SERVER.replace(str(SLOW_SECONDS), str(FAST_SECONDS)))
    return ServerProcess(cwd=home)


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A folder with the servers' configuration, for their data too."""
    (tmp_path / "audio-grpc.toml").write_text(TONE_SERVER)
    return tmp_path


def begun(client: Client) -> pb.SpeechJob:
    """A job of which some pieces are spoken."""
    made = client.create_job(TEXT, **PIECES)
    for job in client.watch_job(made.id):
        if job.pieces_done >= 3:
            assert job.state == RUNNING
            return job
    raise AssertionError("it has ended already")


def test_a_server_that_is_killed_goes_on_where_it_was(home: Path) -> None:
    server = ServerProcess(cwd=home)
    with Client(server.address) as client:
        job = begun(client)
        server.stop(signal.SIGKILL)
    again = started_again(home)
    try:
        goes_on = again.wait_for(rf"job {job.id} goes on at piece (\d+) of 12")
        assert 3 <= int(goes_on.group(1)) < 12
        with Client(again.address) as client:
            assert list(client.watch_job(job.id))[-1].state == COMPLETED
            uninterrupted = b"".join(client.synthesize(TEXT, **PIECES))
            assert b"".join(client.download_job(job.id)) == uninterrupted
            client.delete_job(job.id)
            assert files(home / "results") == []
    finally:
        assert again.stop() == 0


def test_a_server_that_is_told_to_stop_hands_its_job_on_at_once(home: Path) -> None:
    server = ServerProcess(cwd=home)
    with Client(server.address) as client:
        job = begun(client)
    assert server.stop() == 0
    again = started_again(home)
    try:
        with Client(again.address) as client:
            assert list(client.watch_job(job.id))[-1].state == COMPLETED
            assert b"".join(client.download_job(job.id)) == b"".join(client.synthesize(TEXT, **PIECES))
    finally:
        assert again.stop() == 0


def test_a_server_that_was_frozen_too_long_adds_nothing_to_what_another_did(home: Path) -> None:
    frozen, other = ServerProcess(cwd=home), None
    try:
        with Client(frozen.address) as client:
            job = begun(client)
        os.kill(frozen.process.pid, signal.SIGSTOP)
        other = started_again(home)
        with Client(other.address) as client:
            other.wait_for(rf"job {job.id} goes on at piece \d+ of 12")
            os.kill(frozen.process.pid, signal.SIGCONT)
            done = list(client.watch_job(job.id))[-1]
            assert (done.state, done.pieces_done) == (COMPLETED, 12)
            assert done.audio_duration.ToMilliseconds() == 100 * len(TEXT)
            assert b"".join(client.download_job(job.id)) == b"".join(client.synthesize(TEXT, **PIECES))
    finally:
        os.kill(frozen.process.pid, signal.SIGCONT)
        assert frozen.stop() == 0
        if other is not None:
            assert other.stop() == 0


async def test_who_watches_or_follows_a_job_is_told_when_the_server_ends(
    start: Start, speaker: Speaker
) -> None:
    """Watchers are told at once, not after the time that running calls have."""
    server, client = await start()
    speaker.hold("number 3,")
    job = await client.create_job(TEXT, **PIECES)
    await reached(client, job.id, lambda job: job.pieces_done == 3)
    watching, following = client.watch_job(job.id), client.download_job(job.id, follow=True)
    await anext(watching)
    await anext(following)
    speaker.go_on.set()
    stopping = asyncio.create_task(server.stop(PATIENCE_SECONDS))
    for call in (watching, following):
        error = await refused(call)
        assert (error.code, error.reason) == (grpc.StatusCode.UNAVAILABLE, "SERVER_STOPPING")
    await stopping


async def test_servers_on_one_database_share_the_jobs_and_speak_nothing_twice(
    start: Start, speaker: Speaker
) -> None:
    clients = [(await start(jobs_at_once=2))[1] for _ in range(3)]
    texts = [f"Text {number} begins. " + TEXT.replace("This", f"T{number}") for number in range(8)]
    jobs = [await clients[number % 3].create_job(text, **PIECES) for number, text in enumerate(texts)]
    for number, job in enumerate(jobs):
        assert (await ended(clients[(number + 1) % 3], job.id)).state == COMPLETED
    twice = [said for said, times in Counter(speaker.said).items() if times > 1]
    assert twice == []
    assert len(speaker.said) == sum(job.pieces_total for job in jobs)
    for text, job in zip(texts, jobs, strict=True):
        assert await sound(clients[0], job.id) == await spoken(clients[1], text, **PIECES)


async def test_a_job_that_kills_every_server_is_given_up(start: Start, tmp_path: Path) -> None:
    """Else it would, for ever."""
    _, client = await start(jobs_at_once=0)
    job = await client.create_job(TEXT, **PIECES)
    database = Database(f"sqlite:///{tmp_path / 'jobs.db'}")
    for number in range(5):
        killed = Leases(database, f"server {number}", seconds=0.0)
        claimed = await killed.claim()
        assert claimed is not None
        assert claimed.id == job.id
    assert await Leases(database, "another server", seconds=60.0).claim() is None
    await database.close()
    failed = await client.get_job(job.id)
    assert (failed.state, failed.error.reason) == (pb.SPEECH_JOB_STATE_FAILED, "SERVER_CRASHED")
    await client.retry_job(job.id)
    await start()
    assert (await ended(client, job.id)).state == COMPLETED


async def test_a_job_is_cancelled_through_another_server(start: Start, speaker: Speaker) -> None:
    _, runs = await start(job_lease_seconds=1)
    speaker.hold("number 3,")
    job = await runs.create_job(TEXT, **PIECES)
    await asyncio.to_thread(speaker.reached.wait, 60)
    _, other = await start(jobs_at_once=0)
    await other.cancel_job(job.id)
    await _renewed(runs, speaker, job.id)


async def _renewed(client: AsyncClient, speaker: Speaker, job_id: str) -> None:
    """The server that runs the job notices when it renews its lease, and its generator is closed."""
    following = await client.create_job("The next one.")
    await reached(client, following.id, lambda job: job.state in (RUNNING, COMPLETED))
    speaker.go_on.set()
    await ended(client, following.id)
    assert [said for said in speaker.closed if "number 3," in said]
    assert (await client.get_job(job_id)).pieces_done == 3
