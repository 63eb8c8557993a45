"""Changes of a job's state while it runs, and the order of jobs and calls."""

import asyncio
from pathlib import Path

import grpc

from audio_grpc.v1 import job_pb2 as pb
from tests.conftest import Start
from tests.eventually import eventually
from tests.jobs.conftest import PIECES, TEXT, Speaker, ended, files, reached, refused, sound, spoken

PAUSED, FAILED = pb.SPEECH_JOB_STATE_PAUSED, pb.SPEECH_JOB_STATE_FAILED
QUEUED, RUNNING = pb.SPEECH_JOB_STATE_QUEUED, pb.SPEECH_JOB_STATE_RUNNING
COMPLETED, CANCELLED = pb.SPEECH_JOB_STATE_COMPLETED, pb.SPEECH_JOB_STATE_CANCELLED


async def test_a_paused_job_finishes_its_piece_and_goes_on_with_the_next(
    start: Start, speaker: Speaker
) -> None:
    _, client = await start()
    speaker.hold("number 3,")
    job = await client.create_job(TEXT, **PIECES)
    await asyncio.to_thread(speaker.reached.wait, 60)
    assert (await client.pause_job(job.id)).state == PAUSED
    assert (await client.pause_job(job.id)).state == PAUSED, "twice is once"
    speaker.go_on.set()
    paused = await reached(client, job.id, lambda job: job.pieces_done == 4)
    assert paused.state == PAUSED
    assert (await refused(client.retry_job(job.id))).reason == "JOB_STATE"
    other = await client.create_job("Another one has its turn meanwhile.")
    assert (await ended(client, other.id)).state == COMPLETED
    assert (await client.get_job(job.id)).pieces_done == 4
    assert (await client.resume_job(job.id)).state == QUEUED
    assert (await ended(client, job.id)).state == COMPLETED
    once = [said for said in speaker.said if "sentence" in said]
    assert len(once) == len(set(once)) == 12
    assert await sound(client, job.id) == await spoken(client, TEXT, **PIECES)


async def test_a_job_that_is_resumed_before_its_piece_is_done_just_goes_on(
    start: Start, speaker: Speaker
) -> None:
    _, client = await start()
    speaker.hold("number 3,")
    job = await client.create_job(TEXT, **PIECES)
    await asyncio.to_thread(speaker.reached.wait, 60)
    await client.pause_job(job.id)
    await client.resume_job(job.id)
    speaker.go_on.set()
    assert (await ended(client, job.id)).state == COMPLETED
    assert len(speaker.said) == 12


async def test_a_job_that_waits_can_be_paused_and_cancelled(start: Start, speaker: Speaker) -> None:
    _, client = await start()
    speaker.hold("hold")
    first = await client.create_job("Please hold the line.")
    await asyncio.to_thread(speaker.reached.wait, 60)
    waiting = await client.create_job("Never heard.")
    assert (await client.pause_job(waiting.id)).state == PAUSED
    assert (await client.cancel_job(waiting.id)).state == CANCELLED
    error = await refused(client.resume_job(waiting.id))
    assert (error.code, error.reason) == (grpc.StatusCode.FAILED_PRECONDITION, "JOB_STATE")
    assert error.message == "the job is cancelled; this can be done to one that is paused"
    speaker.go_on.set()
    await ended(client, first.id)
    assert speaker.said == ["Please hold the line."]


async def test_a_cancelled_job_stops_in_the_middle_of_its_piece(start: Start, speaker: Speaker) -> None:
    _, client = await start()
    speaker.endless_word = "number 3,"
    job = await client.create_job(TEXT, **PIECES)
    await asyncio.to_thread(speaker.reached.wait, 60)
    cancelled = await client.cancel_job(job.id)
    assert cancelled.state == CANCELLED
    assert cancelled.HasField("end_time")
    following = await client.create_job("The next one.")
    assert (await ended(client, following.id)).state == COMPLETED
    assert [said for said in speaker.closed if "number 3," in said], "its generator was closed"
    assert (await client.get_job(job.id)).pieces_done == 3


async def test_a_job_that_is_deleted_while_it_runs_leaves_nothing(
    start: Start, speaker: Speaker, tmp_path: Path
) -> None:
    _, client = await start()
    speaker.hold("number 3,")
    job = await client.create_job(TEXT, **PIECES)
    await asyncio.to_thread(speaker.reached.wait, 60)
    await client.delete_job(job.id)
    following = await client.create_job("The next one.")
    speaker.go_on.set()
    await ended(client, following.id)
    await client.delete_job(following.id)
    assert files(tmp_path / "results") == []
    assert not [said for said in speaker.said if "number 4," in said]


async def test_a_piece_that_fails_once_is_tried_again(start: Start, speaker: Speaker) -> None:
    _, client = await start()
    speaker.failing_word = "number 3,"
    job = await client.create_job(TEXT, **PIECES)
    await eventually(lambda: [said for said in speaker.said if "number 3," in said])
    speaker.failing_word = ""
    assert (await ended(client, job.id)).state == COMPLETED
    assert len(speaker.said) == 13


async def test_a_job_that_failed_goes_on_with_the_piece_that_did(start: Start, speaker: Speaker) -> None:
    _, client = await start()
    speaker.failing_word = "number 3,"
    job = await client.create_job(TEXT, **PIECES)
    failed = await ended(client, job.id)
    assert (failed.state, failed.pieces_done, failed.error.reason) == (FAILED, 3, "MODEL_FAILED")
    assert "the server's log has the details" in failed.error.message
    assert len(speaker.said) == 3 + 3, "three attempts"
    for call in (client.pause_job, client.resume_job, client.cancel_job):
        assert (await refused(call(job.id))).reason == "JOB_STATE"
    assert (await refused(client.download_job(job.id, follow=True))).reason == "JOB_INCOMPLETE"
    speaker.failing_word = ""
    retried = await client.retry_job(job.id)
    assert (retried.state, retried.error.reason, retried.pieces_done) == (QUEUED, "", 3)
    assert not retried.HasField("end_time")
    assert (await ended(client, job.id)).state == COMPLETED
    assert await sound(client, job.id) == await spoken(client, TEXT, **PIECES)


async def test_two_jobs_at_once_keep_to_their_own_audio(start: Start, speaker: Speaker) -> None:
    _, client = await start(jobs_at_once=2, threads=2)
    texts = [TEXT, TEXT.replace("sentence", "utterance")]
    speaker.hold("number 5,")
    jobs = [await client.create_job(text, **PIECES) for text in texts]
    for job in jobs:
        await reached(client, job.id, lambda job: job.pieces_done == 5)
    speaker.go_on.set()
    for job, text in zip(jobs, texts, strict=True):
        assert (await ended(client, job.id)).state == COMPLETED
        assert await sound(client, job.id) == await spoken(client, text, **PIECES)


async def test_a_call_comes_before_the_next_piece_of_a_job(start: Start, speaker: Speaker) -> None:
    """The model has one place."""
    server, client = await start(concurrency=1)
    speaker.hold("number 3,")
    job = await client.create_job(TEXT, **PIECES)
    await asyncio.to_thread(speaker.reached.wait, 60)
    calls = [asyncio.create_task(spoken(client, f"Call {number}.")) for number in range(3)]
    (model,) = server.models.synthesizers
    await eventually(lambda: model.admission.waiting >= len(calls))
    speaker.go_on.set()
    await asyncio.gather(*calls)
    await ended(client, job.id)
    assert sorted(speaker.said[4:7]) == ["Call 0.", "Call 1.", "Call 2."]
    assert "number 4," in speaker.said[7]


async def test_jobs_leave_the_last_place_to_calls(start: Start, speaker: Speaker) -> None:
    server, client = await start(concurrency=3, threads=4, jobs_at_once=4)
    speaker.hold("hold")
    jobs = [await client.create_job("Please hold the line.") for _ in range(4)]
    for job in jobs:
        await reached(client, job.id, lambda job: job.state == RUNNING)
    (model,) = server.models.synthesizers
    assert model.admission.running <= 2
    assert await spoken(client, "At once.")
    speaker.go_on.set()
    for job in jobs:
        assert (await ended(client, job.id)).state == COMPLETED


async def test_a_server_can_leave_jobs_to_others(start: Start, tmp_path: Path) -> None:
    _, client = await start(jobs_at_once=0)
    job = await client.create_job(TEXT, **PIECES)
    assert (await anext(client.watch_job(job.id))).state == QUEUED
    await start()  # another, on the same database
    assert (await ended(client, job.id)).state == COMPLETED


async def test_jobs_that_ended_long_ago_are_forgotten(start: Start, tmp_path: Path) -> None:
    _, client = await start()
    job = await client.create_job("Soon forgotten.")
    await ended(client, job.id)
    kept = await client.create_job(TEXT)
    await client.pause_job(kept.id)
    await start(job_retention_days=1e-9)

    async def forgotten() -> bool:
        return [each.id for each in (await client.list_jobs().page()).jobs] == [kept.id]

    await eventually(forgotten)
    await eventually(lambda: not files(tmp_path / "results" / job.id))
    assert (await client.resume_job(kept.id)).state == QUEUED
