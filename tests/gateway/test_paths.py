"""Paths with slashes too many, paths that miss something, and requests for a head."""

import httpx2
import pytest

from tests.gateway.conftest import Door, Open

SPEECH = {"model": "tts-1", "input": "Hi."}


@pytest.mark.parametrize("path", ["/v1/audio/speech/", "//v1//audio/speech", "/v1/audio/speech//"])
async def test_slashes_too_many_do_not_matter(door: Door, path: str) -> None:
    reply = await door.http.post(f"{door.url}{path}", json=SPEECH)
    assert (reply.status_code, reply.headers["content-type"]) == (200, "audio/mpeg")


async def test_a_name_at_the_end_of_a_path_ends_before_its_slash(door: Door) -> None:
    reply = await door.http.get("/v1/models/tts-1/")
    assert reply.json()["id"] == "tts-1"
    encoded = await door.http.get("/v1/models/tts-1%2F")
    assert "no model is named 'tts-1/'" in encoded.json()["error"]["message"]


@pytest.mark.parametrize(
    "path", ["/audio/transcriptions", "/v1/v1/audio/transcriptions", "/V1/Audio/Transcriptions"]
)
async def test_a_path_that_is_not_there_names_the_one_that_is(door: Door, path: str) -> None:
    reply = await door.http.post(path, data={"model": "whisper-1"})
    assert reply.status_code == 404
    assert "there is /v1/audio/transcriptions; is the base URL right?" in reply.json()["error"]["message"]


async def test_a_path_like_no_other_names_the_documentation(door: Door) -> None:
    reply = await door.http.post("/v1/chat/completions", json={})
    assert "see /docs" in reply.json()["error"]["message"]


@pytest.mark.parametrize("path", ["/livez", "/readyz", "/metrics", "/v1/models", "/health", "/", "/docs"])
async def test_the_head_of_what_can_be_got_is_that_of_the_answer(door: Door, path: str) -> None:
    head, whole = await door.http.head(path), await door.http.get(path)
    assert (head.status_code, head.content) == (whole.status_code, b"") == (200, b"")
    assert head.headers["content-type"] == whole.headers["content-type"]


async def test_the_head_of_a_stream_without_end_comes_without_waiting_for_it(open_door: Open) -> None:
    door = await open_door(jobs_at_once=0)
    job = (await door.http.post("/audio/speech/long", json={"input": "Hi."})).json()
    head = await door.http.head(f"/audio/speech/long/{job['job_id']}/sse")
    assert (head.status_code, head.headers["content-type"]) == (200, "text/event-stream")


async def test_the_head_of_what_only_takes_posts_is_refused(door: Door) -> None:
    reply: httpx2.Response = await door.http.head("/v1/audio/speech")
    assert (reply.status_code, reply.headers["allow"]) == (405, "POST")
