"""Fields that are null, empty or unknown: they are ignored, and the answer says which had no effect."""

import json
from typing import Any

import pytest
from websockets.asyncio.client import connect

from tests.gateway.conftest import Door
from tests.gateway.test_speech import TEXT, heard
from tests.gateway.test_transcriptions import posted, spoken

IGNORED = "x-ignored-fields"
NULLS = dict.fromkeys(
    ("response_format", "speed", "instructions", "stream_format", "voice", "stream", "sample_rate")
)


@pytest.mark.parametrize("path", ["/v1", "/openai/v1", "/gateflow/v1"])
async def test_nulls_in_a_request_for_speech_count_as_left_out(door: Door, path: str) -> None:
    body = {**NULLS, "model": "tts-1", "input": TEXT}
    reply = await door.http.post(f"{path}/audio/speech", json=body)
    assert (reply.status_code, reply.headers["content-type"]) == (200, "audio/mpeg")
    assert IGNORED not in reply.headers
    assert await heard(door, reply.content) == TEXT


async def test_null_is_no_name_of_a_model_and_no_text(door: Door) -> None:
    chatterbox = await door.http.post("/v1/audio/speech", json={**NULLS, "model": None, "input": TEXT})
    assert chatterbox.headers["content-type"] == "audio/wav", "its requests name none"
    refused = await door.http.post("/v1/audio/speech", json={"model": "tts-1", "input": None})
    assert (refused.status_code, refused.json()["error"]["param"]) == (400, "input")


@pytest.mark.parametrize("form", [{"stream": True}, {"stream": False}, {"stream_format": "sse"}])
async def test_what_nobody_knows_in_a_request_for_speech_is_named(door: Door, form: dict[str, Any]) -> None:
    unknown = {
        "lang_code": "a",
        "volume_multiplier": 2,
        "überraschung": 1,
        "a\r\nb": 1,
        "x" * 100: 1,
        "nil": None,
    }
    body = {"model": "tts-1", "input": TEXT, "instructions": "Whisper.", **form, **unknown}
    reply = await door.http.post("/v1/audio/speech", json=body)
    assert reply.status_code == 200
    assert reply.headers[IGNORED] == "instructions, lang_code, volume_multiplier"


async def test_the_names_of_what_is_ignored_are_bounded(door: Door) -> None:
    body = {"model": "tts-1", "input": TEXT, **{f"unknown_{number}": 1 for number in range(5000)}}
    reply = await door.http.post("/v1/audio/speech", json=body)
    assert len(reply.headers[IGNORED].split(", ")) == 20


@pytest.mark.parametrize("form", ["json", "text", "srt", "vtt"])
@pytest.mark.parametrize("granularity", ["segment", "word"])
async def test_times_that_a_format_has_no_place_for_are_ignored(
    door: Door, form: str, granularity: str
) -> None:
    fields = [("model", "whisper-1"), ("response_format", form), ("timestamp_granularities[]", granularity)]
    reply = await posted(door, fields, await spoken(door))
    assert (reply.status_code, reply.headers[IGNORED]) == (200, "timestamp_granularities")
    plain = await posted(door, fields[:2], await spoken(door))
    assert plain.text == reply.text
    assert IGNORED not in plain.headers


@pytest.mark.parametrize(
    "format_fields",
    [[], [("response_format", "verbose_json")], [("response_format", "vtt")], [("stream", "true")]],
)
async def test_what_nobody_knows_in_a_form_is_named_and_what_is_empty_is_left_out(
    door: Door, format_fields: list[tuple[str, str]]
) -> None:
    empty = [
        *[("language", ""), ("prompt", ""), ("temperature", ""), ("include[]", ""), ("keywords[]", "")],
        *[("timestamp_granularities[]", ""), ("languages", ""), ("chunking_strategy", "")],
        *[("chunking_strategy[type]", ""), ("vad_filter", ""), ("response_format", ""), ("stream", "")],
    ]
    unknown = [("hallucination_silence_threshold", "2"), ("beam[]", "5")]
    fields = [("model", "whisper-1"), *empty, *unknown, *format_fields]
    reply = await posted(door, fields, await spoken(door))
    assert reply.status_code == 200, reply.text
    assert reply.headers[IGNORED] == "hallucination_silence_threshold, beam[]"


async def test_what_the_model_has_no_use_for_is_named_as_in_openais_form(door: Door) -> None:
    reply = await posted(door, [("model", "whisper-1"), ("keywords[]", "Elinor")], await spoken(door))
    assert reply.headers[IGNORED] == "keywords"


@pytest.mark.parametrize(
    ("path", "first", "answer"),
    [
        ("audio/speech/stream", {"type": "start", "model": None, "voice": None, "max_wait": None}, "started"),
        (
            "realtime",
            {"type": "session.update", "session": {"include": None, "audio": None}},
            "session.created",
        ),
    ],
)
async def test_nulls_in_messages_count_as_left_out(
    door: Door, path: str, first: dict[str, Any], answer: str
) -> None:
    async with connect(f"ws{door.url.removeprefix('http')}/v1/{path}") as socket:
        await socket.send(json.dumps(first))
        assert json.loads(await socket.recv())["type"] == answer
        if path == "realtime":
            assert json.loads(await socket.recv())["type"] == "session.updated"
