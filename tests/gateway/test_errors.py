"""Refusals of the gateway: the status, field and advice, and the openai package's exception for each."""

import json
from typing import Any

import httpx2
import openai
import pytest

from tests.gateway.conftest import Door, Open, running
from tests.gateway.test_speech import LONG, SLOW
from tests.gateway.test_transcriptions import RECORDING, posted

SPEECH = "/v1/audio/speech"
GOOD = {"model": "tts-1", "input": "Hi."}


def error_of(reply: httpx2.Response) -> dict[str, Any]:
    """Returns the error of a body, which must have all four keys and no others."""
    error: dict[str, Any] = reply.json()["error"]
    assert error.keys() == {"message", "type", "param", "code"}
    assert reply.headers["x-request-id"]
    return error


@pytest.mark.parametrize(
    ("change", "status", "param", "code", "advice"),
    [
        ({"model": 5}, 400, "model", "invalid_value", "string"),
        ({"model": "gpt"}, 404, "model", "model_not_found", "there are: speaker"),
        ({"model": "listener"}, 404, "model", "model_not_found", "there are: speaker"),
        ({"input": ""}, 400, "input", "invalid_value", "at least 1"),
        ({"input": " \n"}, 400, "input", "text_empty", "send at least one"),
        ({"input": "\u200b"}, 400, "input", "text_empty", "send at least one"),
        ({"input": "x" * 4097}, 400, "input", "invalid_value", "4096"),
        ({"input": ["Hi."]}, 400, "input", "invalid_value", "string"),
        ({"voice": "nobody"}, 404, "voice", "voice_not_found", "it has: tone"),
        ({"voice": {"id": "nobody"}}, 404, "voice", "voice_not_found", "it has: tone"),
        ({"voice": {"name": "tone"}}, 400, "voice", "invalid_value", "string"),
        ({"voice": 7}, 400, "voice", "invalid_value", "string"),
        ({"speed": 0.24}, 400, "speed", "invalid_value", "0.25"),
        ({"speed": 4.01}, 400, "speed", "invalid_value", "4"),
        ({"speed": "1.0"}, 400, "speed", "invalid_value", "number"),
        ({"response_format": "aiff"}, 400, "response_format", "invalid_value", "'mp3'"),
        ({"stream_format": "ndjson"}, 400, "stream_format", "invalid_value", "'sse'"),
        ({"sample_rate": 7999}, 400, "sample_rate", "invalid_value", "8000"),
        (
            {"response_format": "opus", "sample_rate": 22050},
            *(400, "sample_rate", "invalid_field", "24000"),
        ),
    ],
)
async def test_speech_that_cannot_be(
    door: Door, change: dict[str, Any], status: int, param: str, code: str, advice: str
) -> None:
    reply = await door.http.post(SPEECH, json={**GOOD, **change})
    error = error_of(reply)
    assert (reply.status_code, error["param"], error["code"]) == (status, param, code)
    assert advice in error["message"]
    assert error["type"] == "invalid_request_error"


@pytest.mark.parametrize("field", ["model", "voice", "response_format", "stream_format", "sample_rate"])
async def test_a_long_value_is_refused_in_few_words(door: Door, field: str) -> None:
    reply = await door.http.post(SPEECH, json={**GOOD, field: "v" * 70_000})
    assert (reply.status_code in (400, 404), error_of(reply)["param"]) == (True, field)
    assert len(reply.content) < 4096
    assert "v" * 101 not in reply.text


@pytest.mark.parametrize("field", ["model", "language", "response_format", "temperature"])
async def test_a_long_field_of_a_form_is_refused_in_few_words(door: Door, field: str) -> None:
    form = {"model": "listener", field: "v" * 70_000}
    reply = await door.http.post("/v1/audio/transcriptions", data=form, files={"file": ("a.flac", RECORDING)})
    assert (reply.status_code in (400, 404, 413), error_of(reply)["param"]) == (True, field)
    assert len(reply.content) < 4096
    assert "v" * 101 not in reply.text


@pytest.mark.parametrize("missing", ["model", "input"])
async def test_a_field_that_is_missing_is_named(door: Door, missing: str) -> None:
    # Where no other dialect has the path.
    path = f"/openai{SPEECH}"
    reply = await door.http.post(path, json={name: GOOD[name] for name in GOOD if name != missing})
    assert (reply.status_code, error_of(reply)["param"]) == (400, missing)


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b'"Hi."', b"null", b"\xff\xfe", b'{"model": NaN}'])
async def test_a_body_that_is_no_json_object(door: Door, body: bytes) -> None:
    reply = await door.http.post(SPEECH, content=body, headers={"content-type": "application/json"})
    assert reply.status_code == 400
    assert error_of(reply)["message"]


@pytest.mark.parametrize(
    ("fields", "param", "advice"),
    [
        ([], "model", "required"),
        ([("model", "")], None, ""),
        ([("model", "listener"), ("response_format", "docx")], "response_format", "'srt'"),
        ([("model", "listener"), ("response_format", "diarized_json")], "response_format", "speakers"),
        ([("model", "listener"), ("known_speaker_names[]", "Ann")], "known_speaker_names", "speakers"),
        ([("model", "listener"), ("temperature", "hot")], "temperature", "number"),
        ([("model", "listener"), ("temperature", "1.1")], "temperature", "1"),
        ([("model", "listener"), ("temperature", "nan")], "temperature", ""),
        ([("model", "listener"), ("stream", "perhaps")], "stream", "boolean"),
        ([("model", "listener"), ("stream", "true"), ("response_format", "srt")], "stream", "json or text"),
        ([("model", "listener"), ("timestamp_granularities[]", "day")], "timestamp_granularities", "'word'"),
        ([("model", "listener"), ("include[]", "everything")], "include", "'logprobs'"),
        (
            [("model", "listener"), ("include[]", "logprobs"), ("response_format", "text")],
            *("include", "json"),
        ),
        (
            [("model", "listener"), ("languages", "en"), ("languages", "d" * 65)],
            "languages",
            "at most 64",
        ),
        ([("model", "listener"), ("chunking_strategy", "manual")], "chunking_strategy", "auto"),
        ([("model", "listener"), ("chunking_strategy", "{")], "chunking_strategy", ""),
        ([("model", "listener"), ("chunking_strategy", '{"type":"x"}')], "chunking_strategy", ""),
        ([("model", "listener"), ("prompt", "x" * 4097)], "prompt", "4096"),
        ([("model", "listener"), ("keywords[]", "x" * 65)], "keywords", "64"),
    ],
)
async def test_transcripts_that_cannot_be(
    door: Door, fields: list[tuple[str, str]], param: str | None, advice: str
) -> None:
    reply = await posted(door, fields, RECORDING)
    if param is None:  # an empty model is the default one, as over gRPC
        assert reply.status_code == 200
        return
    error = error_of(reply)
    assert (reply.status_code, error["param"]) == (400, param)
    assert advice in error["message"]


@pytest.mark.parametrize(
    ("audio", "code"),
    [
        (b"", "audio_empty"),
        (b"This is no sound.", "audio_undecodable"),
    ],
)
async def test_recordings_that_cannot_be_heard(door: Door, audio: bytes, code: str) -> None:
    reply = await posted(door, [("model", "listener")], audio)
    error = error_of(reply)
    assert (reply.status_code, error["param"], error["code"]) == (400, "file", code)


async def test_a_file_that_is_too_large_for_the_gateway(open_door: Open) -> None:
    door = await open_door(gateway={"max_file_bytes": 1000})
    reply = await posted(door, [("model", "listener")], bytes(1001))
    assert (reply.status_code, error_of(reply)["param"]) == (413, "file")


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/v1/none", 404),
        ("GET", SPEECH, 405),
        ("GET", "/v1/models/none", 404),
        ("DELETE", "/v1/audio/voices/none", 404),
    ],
)
async def test_what_is_not_there(door: Door, method: str, path: str, status: int) -> None:
    reply = await door.http.request(method, path)
    assert reply.status_code == status
    assert error_of(reply)["message"]


async def test_the_openai_package_raises_what_it_should(door: Door) -> None:
    speak = door.openai.audio.speech.create
    with pytest.raises(openai.BadRequestError, match=r"0\.25") as bad:
        await speak(model="tts-1", voice="tone", input="Hi.", speed=0.1)
    assert bad.value.param == "speed"
    with pytest.raises(openai.NotFoundError, match="there are: speaker") as missing:
        await speak(model="gpt", voice="tone", input="Hi.")
    assert (missing.value.code, missing.value.param) == ("model_not_found", "model")
    with pytest.raises(openai.NotFoundError, match="it has: tone"):
        await speak(model="tts-1", voice="nobody", input="Hi.")
    with pytest.raises(openai.NotFoundError):
        await door.openai.models.retrieve("none")


async def test_a_full_queue_is_a_rate_limit_with_a_time_to_retry(open_door: Open) -> None:
    door = await open_door(**SLOW, queue=0)
    speak = door.openai.audio.speech.create
    busy = door.openai.audio.speech.with_streaming_response.create
    async with busy(model="tts-1", voice="tone", input=LONG, response_format="pcm") as reply:
        await anext(reply.iter_bytes())
        with pytest.raises(openai.RateLimitError, match="retry later") as full:
            await speak(model="tts-1", voice="tone", input="Hi.")
    assert full.value.code == "rate_limit_exceeded"
    assert int(full.value.response.headers["retry-after"]) >= 1
    assert int(full.value.response.headers["retry-after-ms"]) >= 1


async def test_a_failure_in_the_midst_of_events_is_their_last_event(open_door: Open) -> None:
    door = await open_door(listener={"options": {"fail_after": 1}}, options={"fail_after": 20})
    body = {**GOOD, "input": LONG, "stream_format": "sse"}
    reply = await door.http.post(SPEECH, json=body)
    *deltas, last = (json.loads(line.removeprefix("data: ")) for line in reply.text.split("\n\n") if line)
    assert deltas
    assert (last["error"]["type"], last["error"]["code"]) == ("server_error", "model_failed")
    sound = await door.http.post(SPEECH, json={**GOOD, "input": "One. Two. Six.", "response_format": "wav"})
    events = await door.openai.audio.transcriptions.create(
        model="listener", file=("a.wav", sound.content), stream=True
    )
    with pytest.raises(openai.APIError, match="broke"):
        async for _ in events:
            pass


@pytest.mark.parametrize("form", ["mp3", "wav", "pcm"])
async def test_audio_that_was_cut_does_not_look_complete(open_door: Open, form: str) -> None:
    door = await open_door(options={"fail_after": 60})
    with pytest.raises(httpx2.RemoteProtocolError):
        await door.http.post(SPEECH, json={**GOOD, "input": LONG, "response_format": form})


async def test_a_transcript_that_was_cut_does_not_look_complete(open_door: Open) -> None:
    door = await open_door(listener={"options": {"fail_after": 1}})
    sound = await door.http.post(SPEECH, json={**GOOD, "input": "One. Two. Six.", "response_format": "wav"})
    with pytest.raises(httpx2.RemoteProtocolError):
        await posted(door, [("model", "listener"), ("response_format", "srt")], sound.content)
    reply = await posted(door, [("model", "listener")], sound.content)
    assert (reply.status_code, error_of(reply)["code"]) == (500, "model_failed")


async def test_a_failure_before_the_first_byte_has_its_own_status(open_door: Open) -> None:
    door = await open_door(options={"fail_after": 0})
    reply = await door.http.post(SPEECH, json=GOOD)
    assert (reply.status_code, error_of(reply)["type"]) == (500, "server_error")
    assert "content-encoding" not in reply.headers


async def test_a_model_that_cannot_be_loaded_is_503(open_door: Open) -> None:
    door = await open_door(options={"fail_loading": True})
    reply = await door.http.post(SPEECH, json=GOOD)
    assert (reply.status_code, error_of(reply)["code"]) == (503, "model_load_failed")


async def test_without_a_service_behind_it_the_gateway_says_so() -> None:
    async with running(server="127.0.0.1:1") as url, httpx2.AsyncClient(base_url=url) as http:
        assert (await http.get("/livez")).status_code == 200
        assert (await http.get("/readyz")).status_code == 503
        reply = await http.post(SPEECH, json=GOOD)
        assert reply.status_code == 503
        assert reply.headers["retry-after"] == "1"
        assert error_of(reply)["type"] == "server_error"


@pytest.mark.parametrize("size", [100, 2 << 20])
async def test_a_file_by_another_name_is_told_its_own(door: Door, size: int) -> None:
    files = {"audio": ("a.wav", b"\xff" * size)}
    reply = await door.http.post("/v1/audio/transcriptions", files=files, data={"model": "whisper-1"})
    assert reply.status_code == 400
    assert error_of(reply)["message"] == "no file is named 'audio' here; name it 'file'"


async def test_a_file_of_text_by_another_name_is_told_its_own(door: Door) -> None:
    files = {"audio": ("a.wav", b"text")}
    reply = await door.http.post("/v1/audio/transcriptions", files=files, data={"model": "whisper-1"})
    assert error_of(reply)["message"] == "the form has no file 'file'; name 'audio' so"
