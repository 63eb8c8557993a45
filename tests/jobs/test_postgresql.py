"""Jobs in PostgreSQL."""

import asyncio
from collections import Counter
from functools import partial
from pathlib import Path

import pytest

from audio_grpc.v1 import job_pb2 as pb
from tests.conftest import Start
from tests.jobs.conftest import PIECES, TEXT, Speaker, ended, files, refused, sound, spoken

COMPLETED = pb.SPEECH_JOB_STATE_COMPLETED


@pytest.fixture
def start_there(start: Start, postgresql_url: str) -> Start:
    """Starts servers that keep their jobs there."""
    return partial(start, database_url=postgresql_url)


async def test_a_jobs_life(start_there: Start, tmp_path: Path) -> None:
    _, client = await start_there()
    job = await client.create_job(TEXT, **PIECES)
    assert (await ended(client, job.id)).state == COMPLETED
    assert await sound(client, job.id) == await spoken(client, TEXT, **PIECES)
    assert not (tmp_path / "jobs.db").exists()
    for call in (client.pause_job, client.resume_job, client.retry_job, client.cancel_job):
        assert (await refused(call(job.id))).reason == "JOB_STATE"
    await client.delete_job(job.id)
    assert (await refused(client.get_job(job.id))).reason == "JOB_NOT_FOUND"
    assert files(tmp_path / "results") == []


async def test_the_list_has_pages(start_there: Start) -> None:
    _, client = await start_there(jobs_at_once=0)
    made = [(await client.create_job(f"Number {number}.")).id for number in range(5)]
    page = await client.list_jobs(3).page()
    rest = await client.list_jobs(3, page.next_page_token).page()
    assert [job.id for job in [*page.jobs, *rest.jobs]] == made[::-1]
    for job_id in made:
        await client.delete_job(job_id)


async def test_pause_resume_fail_and_retry(start_there: Start, speaker: Speaker) -> None:
    _, client = await start_there()
    speaker.hold("number 3,")
    speaker.failing_word = "number 7,"
    job = await client.create_job(TEXT, **PIECES)
    await asyncio.to_thread(speaker.reached.wait, 60)
    await client.pause_job(job.id)
    await client.resume_job(job.id)
    speaker.go_on.set()
    failed = await ended(client, job.id)
    assert (failed.state, failed.pieces_done) == (pb.SPEECH_JOB_STATE_FAILED, 7)
    speaker.failing_word = ""
    await client.retry_job(job.id)
    assert (await ended(client, job.id)).state == COMPLETED
    await client.delete_job(job.id)


async def test_servers_share_the_jobs_and_speak_nothing_twice(start_there: Start, speaker: Speaker) -> None:
    clients = await asyncio.gather(*(start_there(jobs_at_once=2) for _ in range(3)))
    texts = [TEXT.replace("This", f"T{number}") for number in range(8)]
    jobs = [await clients[number % 3][1].create_job(text, **PIECES) for number, text in enumerate(texts)]
    for number, job in enumerate(jobs):
        assert (await ended(clients[(number + 1) % 3][1], job.id)).state == COMPLETED
    assert max(Counter(speaker.said).values()) == 1
    assert len(speaker.said) == sum(job.pieces_total for job in jobs)


async def test_any_text_is_kept_as_it_is(start_there: Start) -> None:
    _, client = await start_there()
    text = "Ärger & 日本語!\x00 And: «quotes»; '); DROP TABLE jobs; --🙂. " * 3
    job = await client.create_job(text)
    assert (await ended(client, job.id)).state == COMPLETED
    assert await sound(client, job.id) == await spoken(client, text)
    await client.delete_job(job.id)
