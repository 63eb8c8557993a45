"""Refusals below /chatterbox, in the shape of Chatterbox's own server."""

from typing import Any

import pytest

from tests.gateway.conftest import Door

SPEECH = "/chatterbox/v1/audio/speech"


@pytest.mark.parametrize(
    ("body", "kind", "place"),
    [
        ({"input": ""}, "string_too_short", ["body", "input"]),
        ({"input": " \n"}, "value_error", ["body", "input"]),
        ({}, "missing", ["body", "input"]),
        ({"input": None}, "missing", ["body", "input"]),
        ({"input": "a", "exaggeration": 3.0}, "less_than_equal", ["body", "exaggeration"]),
        ({"input": "a", "cfg_weight": -0.1}, "greater_than_equal", ["body", "cfg_weight"]),
        ({"input": "a", "temperature": "hot"}, "float_parsing", ["body", "temperature"]),
        ({"input": "a", "stream_format": "x"}, "literal_error", ["body", "stream_format"]),
        ({"input": "a", "streaming_chunk_size": 49}, "greater_than_equal", ["body", "streaming_chunk_size"]),
    ],
)
@pytest.mark.parametrize("path", [SPEECH, "/chatterbox/tts", "/chatterbox/audio/speech/stream"])
async def test_a_field_that_cannot_be(
    door: Door, path: str, body: dict[str, Any], kind: str, place: list[str]
) -> None:
    reply = await door.http.post(path, json=body)
    assert reply.status_code == 422
    found = reply.json()
    assert [(one["type"], one["loc"]) for one in found["detail"]] == [(kind, place)]
    assert found["detail"][0]["msg"]
    assert found["error"]["param"] == place[-1]
    at_the_root = await door.http.post(path.removeprefix("/chatterbox"), json=body)
    assert at_the_root.status_code == 400
    assert "detail" not in at_the_root.json()


@pytest.mark.parametrize(
    ("path", "sent", "place"),
    [
        ("/audio/speech/upload", {"data": {"input": ""}}, "input"),
        ("/audio/speech/upload", {"data": {"input": "a", "exaggeration": "9"}}, "exaggeration"),
        ("/audio/speech/upload", {"data": {"input": "a", "temperature": "nan"}}, "temperature"),
        ("/voices", {"data": {"voice_name": "a"}}, "voice_file"),
        ("/voices", {"files": {"voice_file": b"x"}}, "voice_name"),
        ("/voices/default", {"data": {"voice_name": "a" * 101}}, "voice_name"),
        ("/audio/speech/long", {"json": {}}, "input"),
        ("/status/history/clear?confirm=perhaps", {}, "confirm"),
    ],
)
async def test_a_form_or_a_query_that_cannot_be(
    door: Door, path: str, sent: dict[str, Any], place: str
) -> None:
    reply = await door.http.post(f"/chatterbox{path}", **sent)
    assert reply.status_code == 422, reply.text
    assert reply.json()["detail"][0]["loc"][-1] == place


@pytest.mark.parametrize("body", [b"{", b"", b"[]", b'"text"'])
async def test_a_body_that_is_no_object(door: Door, body: bytes) -> None:
    reply = await door.http.post(SPEECH, content=body, headers={"content-type": "application/json"})
    assert reply.status_code == 422
    assert reply.json()["detail"][0]["loc"][0] == "body"


async def test_as_many_problems_as_anybody_reads_are_told(door: Door) -> None:
    fields = ("voice", "model", "speed", "exaggeration", "cfg_weight")
    body = {field: ["x" * 1000] for field in fields}
    reply = await door.http.post(SPEECH, json=body)
    assert len(reply.json()["detail"]) == 6
    assert len(reply.content) < 4096


async def test_nulls_and_numbers_in_text_are_taken(door: Door) -> None:
    fields = ("voice", "response_format", "speed", "stream_format", "streaming_quality", "exaggeration")
    reply = await door.http.post(SPEECH, json={"input": "Hi.", "temperature": "0.8"} | dict.fromkeys(fields))
    assert (reply.status_code, reply.headers["content-type"]) == (200, "audio/wav")


async def test_what_is_not_found_keeps_its_status(door: Door) -> None:
    reply = await door.http.post(SPEECH, json={"input": "Hi.", "voice": "nobody"})
    assert reply.status_code == 404
    assert "nobody" in reply.json()["error"]["message"]
    assert (await door.http.get("/chatterbox/nowhere")).status_code == 404
