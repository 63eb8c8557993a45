"""Long texts over Chatterbox's API: the life of a job, and what cannot be done to it."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from typing import Any

import httpx2
import pytest

from audio_gateway.dialects.chatterbox import long_routes
from audio_grpc.text import split
from audio_grpc.types import Strategy
from tests.gateway.chatterbox.conftest import OpenActing
from tests.gateway.chatterbox.test_speech import PREFIXES, PROSE
from tests.gateway.conftest import Door, Open
from tests.gateway.test_errors import error_of
from tests.gateway.test_speech import heard
from tests.jobs.conftest import TEXT, Speaker, speaker

__all__ = ["speaker"]

LONG = "/audio/speech/long"
JOB: dict[str, Any] = {"input": TEXT, "streaming_chunk_size": 50, "response_format": "wav"}
"""One sentence in each of 12 chunks."""
UNKNOWN = "job_0123456789abcdef"
ACTIONS = [("PUT", "/pause"), ("PUT", "/resume"), ("POST", "/retry"), ("DELETE", "")]


async def made(door: Door, path: str = LONG, **changes: Any) -> str:
    """The id of a new job."""
    reply = await door.http.post(path, json={**JOB, **changes})
    assert reply.status_code == 200, reply.text
    job_id: str = reply.json()["job_id"]
    return job_id


async def events(door: Door, job_id: str, path: str = LONG) -> AsyncIterator[tuple[str, dict[str, Any]]]:
    """Name and data of each event, as they come."""
    async with door.http.stream("GET", f"{path}/{job_id}/sse") as reply:
        assert (reply.status_code, reply.headers["content-type"]) == (200, "text/event-stream")
        name = ""
        async for line in reply.aiter_lines():
            field, _, value = line.partition(": ")
            if field == "event":
                name = value
            elif field == "data":
                yield name, json.loads(value)


async def ended(door: Door, job_id: str, path: str = LONG) -> dict[str, Any]:
    """The last event of a job."""
    return [data async for _, data in events(door, job_id, path)][-1]


async def reached(door: Door, job_id: str, condition: Callable[[dict[str, Any]], bool]) -> None:
    """Return once the progress fulfils the condition."""
    stream = events(door, job_id)
    async for _, data in stream:
        if condition(data):
            await stream.aclose()  # type: ignore[attr-defined]
            return
    raise AssertionError("the job ended before")


async def told(door: Door, job_id: str) -> dict[str, Any]:
    reply = await door.http.get(f"{LONG}/{job_id}")
    assert reply.status_code == 200
    found: dict[str, Any] = reply.json()
    return found


async def done(door: Door, job_id: str, method: str, action: str = "") -> httpx2.Response:
    return await door.http.request(method, f"{LONG}/{job_id}{action}")


async def held(speaker: Speaker, door: Door, word: str = "number 3,", **changes: Any) -> str:
    """A job whose speaker is held amid a chunk."""
    speaker.hold(word)
    job_id = await made(door, **changes)
    assert await asyncio.to_thread(speaker.reached.wait, 60)
    return job_id


@pytest.mark.parametrize("prefix", PREFIXES)
async def test_a_job_lives_from_its_text_to_its_sound(door: Door, prefix: str) -> None:
    path = prefix + LONG
    reply = await door.http.post(path, json=JOB)
    job = reply.json()
    url = f"{path}/{job['job_id']}"
    assert job == {
        "job_id": job["job_id"],
        "status": "pending",
        "message": "Job submitted for processing",
        "estimated_processing_time_seconds": None,
        "total_chunks": 12,
        "status_url": url,
        "sse_url": f"{url}/sse",
    }
    seen = [event async for event in events(door, job["job_id"], path)]
    assert [name for name, _ in seen] == ["progress"] * (len(seen) - 1) + ["completed"]
    assert seen[-1][1] == {
        "type": "completed",
        "job_id": job["job_id"],
        "status": "completed",
        "message": "Job completed successfully",
    }
    status = (await door.http.get(url)).json()
    assert (status["status"], status["download_url"]) == ("completed", f"{url}/download")
    assert (status["can_pause"], status["can_resume"], status["can_cancel"]) == (False, False, False)
    assert status["metadata"]["completed_chunks"] == status["metadata"]["total_chunks"] == 12
    sound = await door.http.get(status["download_url"])
    assert (sound.status_code, sound.headers["content-type"]) == (200, "audio/wav")
    name = f"long_text_{job['job_id']}.wav"
    assert sound.headers["content-disposition"] == f'attachment; filename="{name}"'
    assert await heard(door, sound.content) == TEXT
    listed = (await door.http.get(path)).json()
    assert (listed["total_jobs"], listed["active_jobs"], listed["completed_jobs"]) == (1, 0, 1)
    assert listed["jobs"][0]["download_url"] == f"{url}/download"
    assert (await door.http.delete(f"{url}?action=delete")).json()["success"] is True
    assert (await door.http.get(url)).status_code == 404
    assert (await door.http.get(path)).json()["jobs"] == []


async def test_a_request_that_comes_again_makes_one_job(door: Door) -> None:
    headers = {"idempotency-key": "any text: 17"}
    replies = [await door.http.post(LONG, json=JOB, headers=headers) for _ in range(2)]
    first, second = (reply.json()["job_id"] for reply in replies)
    assert first == second != await made(door)
    other = await door.http.post(LONG, json={**JOB, "speed": 1.5}, headers=headers)
    assert (other.status_code, error_of(other)["code"]) == (409, "request_id_reused")


async def test_more_jobs_than_a_caller_may_have(open_door: Open) -> None:
    door = await open_door(jobs_at_once=0, max_waiting_jobs=1)
    await made(door)
    reply = await door.http.post(LONG, json=JOB)
    assert (reply.status_code, error_of(reply)["code"]) == (429, "too_many_jobs")
    assert int(reply.headers["retry-after"]) > 0


async def test_events_count_the_chunks_with_the_fields_of_the_progress(door: Door, speaker: Speaker) -> None:
    job_id = await held(speaker, door)
    progress: list[dict[str, Any]] = []
    async for name, data in events(door, job_id):
        speaker.go_on.set()
        if name == "progress":
            progress.append(data)
    idle = (await door.http.get("/status/progress")).json()
    assert all(idle.keys() <= each.keys() for each in progress)
    first = progress[0]
    assert (first["status"], first["is_processing"], first["current_chunk"]) == ("processing", True, 4)
    assert first["current_step"] == "Generating audio for chunk 4/12"
    assert first["progress_percentage"] == first["progress"] == pytest.approx(25)
    assert first["text_preview"] == TEXT[:80]
    percentages = [each["progress_percentage"] for each in progress]
    assert percentages == sorted(percentages)
    last = progress[-1]
    assert (last["status"], last["current_chunk"], last["progress_percentage"]) == ("completed", 12, 100)
    assert (last["is_processing"], last["estimated_completion"]) == (False, None)


async def test_a_job_is_paused_and_resumed(door: Door, speaker: Speaker) -> None:
    job_id = await held(speaker, door)
    paused = await done(door, job_id, "PUT", "/pause")
    assert (paused.status_code, paused.json()["status"]) == (200, "paused")
    speaker.go_on.set()
    await reached(door, job_id, lambda data: data["progress_percentage"] == pytest.approx(100 / 3))
    status = await told(door, job_id)
    assert (status["status"], status["can_pause"], status["can_resume"]) == ("paused", False, True)
    assert status["progress"]["is_processing"] is False
    assert (await done(door, job_id, "PUT", "/resume")).json()["status"] == "pending"
    assert (await ended(door, job_id))["status"] == "completed"
    assert len(speaker.said) == 12
    assert await heard(door, (await done(door, job_id, "GET", "/download")).content) == TEXT


async def test_a_cancelled_job_ends_with_an_error_and_stays_until_it_is_deleted(
    door: Door, speaker: Speaker
) -> None:
    job_id = await held(speaker, door)
    cancelled = await done(door, job_id, "DELETE")
    assert (cancelled.status_code, cancelled.json()["status"]) == (200, "cancelled")
    speaker.go_on.set()
    last = await ended(door, job_id)
    assert (last["type"], last["status"], last["error"]["code"]) == ("error", "cancelled", "job_cancelled")
    assert (await told(door, job_id))["download_url"] is None
    assert (await done(door, job_id, "GET", "/download")).status_code == 409
    assert (await done(door, job_id, "DELETE", "?action=delete")).status_code == 200
    assert (await done(door, job_id, "GET")).status_code == 404


async def test_a_failed_job_says_why_and_is_retried(door: Door, speaker: Speaker) -> None:
    speaker.failing_word = "number 3,"
    job_id = await made(door)
    last = await ended(door, job_id)
    assert (last["type"], last["status"], last["error"]["code"]) == ("error", "failed", "model_failed")
    assert last["message"] == last["error"]["message"]
    status = await told(door, job_id)
    assert (status["can_retry"], status["metadata"]["completed_chunks"]) == (True, 3)
    assert status["progress"]["error"] == status["metadata"]["error"] == last["message"]
    speaker.failing_word = ""
    retried = (await door.http.post(f"{LONG}/{job_id}/retry", json={"preserve_chunks": True})).json()
    assert (retried["job_id"], retried["status"], retried["total_chunks"]) == (job_id, "pending", 12)
    assert retried["sse_url"] == f"{LONG}/{job_id}/sse"
    assert (await ended(door, job_id))["status"] == "completed"
    assert await heard(door, (await done(door, job_id, "GET", "/download")).content) == TEXT


@pytest.mark.parametrize("body", [{"preserve_chunks": False}, {"new_parameters": {"temperature": 1.0}}])
async def test_a_job_is_retried_only_as_it_was_made(door: Door, body: dict[str, Any]) -> None:
    reply = await door.http.post(f"{LONG}/{UNKNOWN}/retry", json=body)
    assert (reply.status_code, error_of(reply)["param"]) == (400, next(iter(body)))
    assert "make a new job" in error_of(reply)["message"]


async def test_what_cannot_be_done_in_a_state_is_a_conflict(door: Door, speaker: Speaker) -> None:
    job_id = await held(speaker, door)
    for method, action in (("PUT", "/resume"), ("POST", "/retry"), ("GET", "/download")):
        reply = await done(door, job_id, method, action)
        assert (reply.status_code, error_of(reply)["param"]) == (409, "job_id"), action
        assert "the job is running" in error_of(reply)["message"]
    speaker.go_on.set()
    await ended(door, job_id)
    for method, action in ACTIONS:
        reply = await done(door, job_id, method, action)
        assert (reply.status_code, error_of(reply)["code"]) == (409, "job_state"), action


async def test_a_job_that_is_still_being_spoken_can_be_followed(door: Door, speaker: Speaker) -> None:
    job_id = await held(speaker, door)
    url = f"{LONG}/{job_id}/download?follow=true"
    async with door.http.stream("GET", url) as reply:
        assert reply.status_code == 200
        sound = reply.aiter_raw()
        data = await anext(sound)
        assert (await told(door, job_id))["status"] == "processing"
        speaker.go_on.set()
        data += b"".join([chunk async for chunk in sound])
    assert await heard(door, data) == TEXT


async def test_following_a_job_that_comes_to_nothing_never_looks_complete(
    door: Door, speaker: Speaker
) -> None:
    job_id = await held(speaker, door)
    with pytest.raises(httpx2.RemoteProtocolError):
        async with door.http.stream("GET", f"{LONG}/{job_id}/download?follow=true") as reply:
            sound = reply.aiter_raw()
            await anext(sound)
            await done(door, job_id, "DELETE")
            async for _ in sound:
                pass


async def test_a_job_that_nothing_was_spoken_of_cannot_be_followed(door: Door, speaker: Speaker) -> None:
    job_id = await held(speaker, door, word="number 0,")
    await done(door, job_id, "DELETE")
    reply = await done(door, job_id, "GET", "/download?follow=true")
    assert (reply.status_code, error_of(reply)["code"]) == (409, "job_incomplete")


async def test_a_job_is_downloaded_in_another_format(door: Door) -> None:
    job_id = await made(door, response_format="mp3")
    await ended(door, job_id)
    for form, media_type in (("", "audio/mpeg"), ("wav", "audio/wav"), ("flac", "audio/flac")):
        reply = await done(door, job_id, "GET", f"/download?response_format={form}" if form else "/download")
        assert reply.headers["content-type"] == media_type
        assert f'.{form or "mp3"}"' in reply.headers["content-disposition"]
        if form == "wav":
            assert await heard(door, reply.content) == TEXT


async def test_two_jobs_keep_to_their_own_sound(open_door: Open) -> None:
    door = await open_door(jobs_at_once=2, threads=2)
    texts = [TEXT, TEXT.replace("sentence", "utterance")]
    jobs = [await made(door, input=text) for text in texts]
    ends = await asyncio.gather(*(ended(door, job_id) for job_id in jobs))
    assert [end["job_id"] for end in ends] == jobs
    for job_id, text in zip(jobs, texts, strict=True):
        assert await heard(door, (await done(door, job_id, "GET", "/download")).content) == text


async def test_options_reach_the_model_and_are_told(open_acting: OpenActing) -> None:
    door, actor = await open_acting()
    options: dict[str, Any] = {"exaggeration": 0.7, "cfg_weight": 0.25, "temperature": 1.5, "speed": 2.0}
    job_id = await made(door, **options, voice="tone")
    await ended(door, job_id)
    spoken = actor.options[0]
    assert (spoken.exaggeration, spoken.cfg_weight, spoken.temperature, spoken.speed) == (0.7, 0.25, 1.5, 2.0)
    metadata = (await told(door, job_id))["metadata"]
    assert metadata["voice"] == "tone"
    assert metadata["parameters"] == {
        **options,
        "model": "speaker",
        "response_format": "wav",
        "streaming_strategy": "sentence",
        "streaming_chunk_size": 50,
    }


@pytest.mark.parametrize(
    ("options", "strategy", "size"),
    [
        ({}, "sentence", 200),
        ({"streaming_strategy": "fixed", "streaming_chunk_size": 60}, "fixed", 60),
        ({"chunking_strategy": "word", "chunk_size": 70}, "word", 70),
        ({"streaming_quality": "fast"}, "word", 100),
        ({"quality_preset": "high"}, "paragraph", 300),
        ({"quality_preset": "high", "chunk_size": 90}, "paragraph", 90),
        ({"chunk_size": 90, "streaming_chunk_size": 80}, "sentence", 80),
    ],
)
async def test_the_text_is_cut_as_was_asked_for(
    open_acting: OpenActing, options: dict[str, Any], strategy: str, size: int
) -> None:
    door, actor = await open_acting()
    reply = await door.http.post(LONG, json={"input": PROSE, **options})
    job = reply.json()
    await ended(door, job["job_id"])
    assert actor.pieces == list(split(PROSE, strategy=Strategy(strategy), target_size=size))
    assert job["total_chunks"] == len(actor.pieces)


async def test_options_that_the_model_has_no_use_for_are_named(door: Door) -> None:
    reply = await door.http.post(LONG, json={"input": "x", "exaggeration": 1.0, "cfg_weight": 0.5})
    assert reply.headers["x-ignored-fields"] == "exaggeration, cfg_weight"
    assert "x-ignored-fields" not in (await door.http.post(LONG, json={"input": "x"})).headers


@pytest.mark.parametrize(
    ("options", "status", "param"),
    [
        ({"exaggeration": 0.24}, 400, "exaggeration"),
        ({"exaggeration": "much"}, 400, "exaggeration"),
        ({"cfg_weight": 1.1}, 400, "cfg_weight"),
        ({"temperature": 5.1}, 400, "temperature"),
        ({"speed": 0.2}, 400, "speed"),
        ({"streaming_chunk_size": 49}, 400, "streaming_chunk_size"),
        ({"chunk_size": 501}, 400, "streaming_chunk_size"),
        ({"streaming_strategy": "syllable"}, 400, "streaming_strategy"),
        ({"chunking_strategy": "syllable"}, 400, "streaming_strategy"),
        ({"streaming_quality": "best"}, 400, "streaming_quality"),
        ({"response_format": "midi"}, 400, "response_format"),
        ({"voice": "nobody"}, 404, "voice"),
        ({"voice": "../../etc/passwd"}, 404, "voice"),
        ({"model": "nobody"}, 404, "model"),
        ({"input": ""}, 400, "input"),
        ({"input": "  "}, 400, "input"),
        ({"input": 7}, 400, "input"),
    ],
)
async def test_what_cannot_be_is_refused_at_once(
    door: Door, options: dict[str, Any], status: int, param: str
) -> None:
    reply = await door.http.post(LONG, json={"input": TEXT, **options})
    assert (reply.status_code, error_of(reply)["param"]) == (status, param)
    assert (await door.http.get(LONG)).json()["total_jobs"] == 0


async def test_a_text_that_is_too_long_even_for_a_job(open_door: Open) -> None:
    door = await open_door(max_job_characters=100)
    reply = await door.http.post(LONG, json=JOB)
    assert (reply.status_code, error_of(reply)["param"]) == (400, "input")
    assert error_of(reply)["code"] == "text_too_long"


@pytest.mark.parametrize(
    ("path", "param"),
    [
        *(("?limit=0", "limit"), ("?limit=101", "limit"), ("?status=running", "status")),
        *((f"/{UNKNOWN}/download?response_format=midi", "response_format"),),
        *((f"/{UNKNOWN}/download?follow=perhaps", "follow"),),
    ],
)
async def test_queries_that_cannot_be(door: Door, path: str, param: str) -> None:
    reply = await door.http.get(LONG + path)
    assert (reply.status_code, error_of(reply)["param"]) == (400, param)


async def test_an_action_that_is_none(door: Door) -> None:
    reply = await door.http.delete(f"{LONG}/{UNKNOWN}?action=archive")
    assert (reply.status_code, error_of(reply)["param"]) == (400, "action")


@pytest.mark.parametrize(
    "job_id", [UNKNOWN, "job", "..", "%2e%2e%2f%2e%2e%2fetc%2fpasswd", "..%5c..%5cx", "%00", "x%0d%0ay: z"]
)
async def test_an_unknown_id_is_not_found_whatever_it_looks_like(door: Door, job_id: str) -> None:
    calls = [*ACTIONS, ("GET", ""), ("GET", "/sse"), ("GET", "/download"), ("DELETE", "?action=delete")]
    for method, action in calls:
        reply = await done(door, job_id, method, action)
        assert reply.status_code == 404 or (job_id == ".." and reply.status_code == 405), action
        if job_id == UNKNOWN:
            assert (error_of(reply)["param"], error_of(reply)["code"]) == ("job_id", "job_not_found")


async def test_the_list_is_newest_first_and_of_a_state(open_door: Open) -> None:
    door = await open_door(jobs_at_once=0)
    jobs = [await made(door, input=f"This is text {number}.") for number in range(3)]
    await done(door, jobs[1], "PUT", "/pause")
    listed = (await door.http.get(LONG)).json()
    assert [job["job_id"] for job in listed["jobs"]] == jobs[::-1]
    assert listed["jobs"][0]["text_preview"] == "This is text 2."
    assert (listed["total_jobs"], listed["active_jobs"], listed["completed_jobs"]) == (3, 2, 0)
    paused = (await door.http.get(f"{LONG}?status=paused")).json()
    assert [(job["job_id"], job["can_resume"]) for job in paused["jobs"]] == [(jobs[1], True)]
    assert len((await door.http.get(f"{LONG}?limit=2")).json()["jobs"]) == 2


async def test_more_jobs_than_a_page_has_are_counted(
    open_door: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(long_routes, "PAGE", 2)
    door = await open_door(jobs_at_once=0)
    jobs = [await made(door, input=f"This is text {number}.") for number in range(5)]
    listed = (await door.http.get(LONG)).json()
    assert listed["total_jobs"] == 5
    assert [job["job_id"] for job in listed["jobs"]] == jobs[::-1]


async def test_a_server_that_ends_ends_the_events_with_an_error(open_door: Open) -> None:
    door = await open_door(jobs_at_once=0)
    job_id = await made(door)
    seen: list[tuple[str, dict[str, Any]]] = []
    async for event in events(door, job_id):
        seen.append(event)
        if len(seen) == 1:
            await door.server.stop(0)
    name, data = seen[-1]
    assert (name, data["type"], len(seen)) == ("error", "error", 2)
    assert data["error"]["type"] == "server_error"
