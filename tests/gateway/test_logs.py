"""The gateway's log: for programs and for people, each line with its request, and none with what was said."""

import asyncio
import json
from collections.abc import Iterator
from typing import Any

import httpx2
import pytest

from audio_grpc.client import AsyncClient
from tests.conftest import Start
from tests.gateway.conftest import Door, Open, gateway_process
from tests.lines import Lines, reading

ACCESS = "request ended"
SECRETS = ("Xylophones", "sk-very-secret", "in-the-query")


@pytest.fixture
def lines() -> Iterator[Lines]:
    with reading() as lines:
        yield lines


async def test_the_command_logs_json_and_neither_texts_nor_keys_nor_queries(start: Start) -> None:
    text, key, query = SECRETS
    server, _ = await start()
    process = gateway_process("--log-format", "json", "--log-level", "debug", "--server", server.address)
    headers = {"authorization": f"Bearer {key}", "x-request-id": "one"}
    async with httpx2.AsyncClient(base_url=f"http://{process.address}", headers=headers) as http:
        speech = {"model": "tts-1", "input": f"{text} quarrel.", "response_format": "wav"}
        audio = (await http.post("/v1/audio/speech", params={"q": query}, json=speech)).content
        file = {"file": ("Xylophones.wav", audio)}
        form = {"model": "listener", "prompt": text}
        heard = await http.post("/v1/audio/transcriptions", files=file, data=form)
        assert text in heard.json()["text"]
        wrong = await http.post("/v1/audio/speech", json={**speech, "voice": text})
        assert wrong.status_code == 404
    assert process.stop() == 0
    entries = [json.loads(line) for line in process.log]
    assert all({"time", "level", "logger", "message"} <= entry.keys() for entry in entries)
    assert {"uvicorn.error", "audio_gateway.access"} <= {entry["logger"] for entry in entries}
    own, first, *others = [entry for entry in entries if entry["message"] == ACCESS]
    assert own["path"] == "/livez", "of the gateway itself, before it listens"
    assert first.pop("milliseconds") > 0
    del first["time"]
    assert first == {
        "level": "INFO",
        "logger": "audio_gateway.access",
        "message": ACCESS,
        "request_id": "one",
        "method": "POST",
        "path": "/v1/audio/speech",
        "status": 200,
        "complete": True,
    }
    assert [entry["status"] for entry in others] == [200, 404]
    assert not [secret for secret in SECRETS if secret in "".join(process.log)]


async def test_an_answer_that_breaks_has_its_request_in_every_line(open_door: Open, lines: Lines) -> None:
    door = await open_door(options={"fail_after": 3})
    body = {"model": "tts-1", "input": "abcdef", "response_format": "pcm"}
    with pytest.raises(httpx2.RemoteProtocolError):
        await door.http.post("/v1/audio/speech", json=body, headers={"x-request-id": "two"})
    line = await lines.ended("two", ACCESS)
    assert (line["status"], line["complete"]) == (200, False)
    said = {
        line["message"]: line for line in lines.all if line["logger"].startswith(("audio_gateway", "uvicorn"))
    }
    assert said["broke off an answer that had begun"]["exception"].startswith("Traceback")
    assert said["ASGI callable returned without completing response."]["request_id"] == "two"
    assert said["broke off an answer that had begun"]["request_id"] == "two"


async def test_an_error_that_nobody_foresaw_is_logged_under_the_id_that_the_caller_is_told(
    door: Door, lines: Lines, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def broken(self: AsyncClient) -> Any:
        raise RuntimeError("nobody foresaw this")

    monkeypatch.setattr(AsyncClient, "list_models", broken)
    reply = await door.http.get("/v1/models")
    assert reply.status_code == 500
    await lines.ended(reply.headers["x-request-id"], ACCESS)
    (failure,) = (
        line for line in lines.of(reply.headers["x-request-id"]) if line["logger"] == "uvicorn.error"
    )
    assert "nobody foresaw this" in failure["exception"]


async def test_requests_at_once_have_lines_of_their_own(door: Door, lines: Lines) -> None:
    await asyncio.gather(
        *(door.http.get(f"/v1/models/{name}", headers={"x-request-id": name}) for name in ("three", "four"))
    )
    for name in ("three", "four"):
        assert (await lines.ended(name, ACCESS))["path"] == f"/v1/models/{name}"
        assert (await lines.ended(name))["method"] == "GetModel", "the server's line"


def test_people_read_one_line_whatever_is_in_the_path() -> None:
    process = gateway_process()
    httpx2.get(f"http://{process.address}/no%20such%0Apath")
    try:
        process.wait_for(
            r"INFO audio_gateway\.access: request ended request_id=[0-9a-f-]{36} method=GET "
            r'path="/no such\\npath" status=404 complete=True milliseconds=[\d.]+$'
        )
    finally:
        assert process.stop() == 0


def test_the_first_request_is_the_gateways_own() -> None:
    process = gateway_process("--log-level", "DEBUG")
    try:
        assert any(" path=/livez status=200" in line for line in process.log), "before it listens"
    finally:
        assert process.stop() == 0
