"""Scopes and revocation of keys, as callers of the gateway see them."""

import json
from pathlib import Path
from typing import Any

import httpx2
import pytest
from websockets.asyncio.client import connect

from audio_grpc.access import key_file
from audio_grpc.access.limits import KeyLimits
from audio_grpc.access.policies import ORDINARY, Scope
from tests.gateway.conftest import Open
from tests.gateway.test_live_speech import PATH
from tests.gateway.test_realtime import calling
from tests.gateway.test_transcriptions import RECORDING

LONG = "A text that takes the slowed speaker some minutes to say. " * 60
SPEECH = {"model": "tts-1", "voice": "tone", "input": "Hi."}


@pytest.fixture
def keys(tmp_path: Path) -> Path:
    return tmp_path / "keys.json"


def bearer(secret: str) -> dict[str, str]:
    return {"authorization": f"Bearer {secret}"}


@pytest.mark.parametrize(
    ("method", "path", "request_of", "scope"),
    [
        ("POST", "/v1/audio/speech", {"json": SPEECH}, "speech"),
        ("POST", "/v1/audio/speech", {"json": {"input": "Hi."}}, "speech"),
        (
            *("POST", "/v1/audio/transcriptions"),
            {"data": {"model": "whisper-1"}, "files": {"file": RECORDING}},
            "transcription",
        ),
        ("POST", "/chatterbox/audio/speech", {"json": {"input": "Hi."}}, "speech"),
        ("POST", "/chatterbox/audio/speech/long", {"json": {"input": LONG}}, "jobs"),
        ("DELETE", "/chatterbox/voices/default", {}, "admin"),
        ("POST", "/chatterbox/voices/cleanup", {}, "admin"),
        ("GET", "/memory", {}, "admin"),
    ],
)
async def test_a_key_without_the_scope_is_forbidden(
    open_door: Open, keys: Path, method: str, path: str, request_of: dict[str, Any], scope: Scope
) -> None:
    others = [other for other in Scope if other != scope]
    _, secret = key_file.add(keys, "alice", KeyLimits(), others)
    door = await open_door(keys_file=keys)
    answer = await door.http.request(method, path, headers=bearer(secret), **request_of)
    assert answer.status_code == 403, answer.text
    assert f"needs the scope {scope}" in answer.text
    assert "audio-grpc keys scopes alice" in answer.text
    assert "missing_scope" in answer.text or "SCOPE_MISSING" in answer.text


@pytest.mark.parametrize(
    ("path", "field"),
    [
        ("/status?include_memory=true", "memory_info"),
        ("/stats?include_memory=true", "current_memory"),
        ("/info", "memory_info"),
        ("/health", "memory_info"),
    ],
)
async def test_the_status_has_the_memory_for_operators_only(
    open_door: Open, keys: Path, path: str, field: str
) -> None:
    ordinary = key_file.add(keys, "alice", KeyLimits())[1]
    operators = key_file.add(keys, "olga", KeyLimits(), [Scope.ADMIN])[1]
    door = await open_door(keys_file=keys)
    found = [await door.http.get(path, headers=bearer(secret)) for secret in (ordinary, operators)]
    assert [one.status_code for one in found] == [200, 200]
    assert found[0].json()[field] is None
    assert found[1].json()[field]["cpu_memory_mb"] > 0


async def test_what_a_key_needs_no_scope_for_is_served(open_door: Open, keys: Path) -> None:
    _, secret = key_file.add(keys, "alice", KeyLimits(), [Scope.HISTORY])
    door = await open_door(keys_file=keys)
    for path in ("/v1/models", "/v1/audio/voices", "/chatterbox/voices", "/chatterbox/status"):
        answer = await door.http.get(path, headers=bearer(secret))
        assert answer.status_code == 200, (path, answer.text)


async def test_a_socket_without_the_scope_is_closed_with_the_reason(open_door: Open, keys: Path) -> None:
    _, secret = key_file.add(keys, "alice", KeyLimits(), [Scope.SPEECH])
    door = await open_door(keys_file=keys)
    async with calling(door, additional_headers=bearer(secret)) as caller:
        await caller.append(bytes(3200))
        event = (await caller.until("error"))[-1]
        assert event["error"]["code"] == "missing_scope"
        assert await caller.closed() == (4403, "missing_scope")


async def test_a_revoked_key_ends_server_sent_events_with_an_error(open_door: Open, keys: Path) -> None:
    _, secret = key_file.add(keys, "alice", KeyLimits(), ORDINARY)
    door = await open_door(keys_file=keys, options={"delay_seconds": 0.02})
    body = {**SPEECH, "input": LONG, "stream_format": "sse"}
    async with door.http.stream("POST", "/v1/audio/speech", headers=bearer(secret), json=body) as answer:
        assert answer.status_code == 200
        lines = answer.aiter_lines()
        assert "speech.audio.delta" in await anext(line async for line in lines if line.startswith("data"))
        key_file.revoke(keys, "alice")
        events = [json.loads(line.removeprefix("data: ")) async for line in lines if line.startswith("data")]
    assert events[-1]["error"]["code"] == "invalid_api_key"
    assert not any(event.get("type") == "speech.audio.done" for event in events)


async def test_a_revoked_key_breaks_off_a_sound_file(open_door: Open, keys: Path) -> None:
    _, secret = key_file.add(keys, "alice", KeyLimits(), ORDINARY)
    door = await open_door(keys_file=keys, options={"delay_seconds": 0.02})
    body = {**SPEECH, "input": LONG, "response_format": "pcm"}
    async with door.http.stream("POST", "/v1/audio/speech", headers=bearer(secret), json=body) as answer:
        assert answer.status_code == 200
        key_file.revoke(keys, "alice")
        with pytest.raises(httpx2.RemoteProtocolError):
            await answer.aread()


async def test_a_revoked_key_ends_sockets_with_an_error(open_door: Open, keys: Path) -> None:
    _, secret = key_file.add(keys, "alice", KeyLimits(), ORDINARY)
    door = await open_door(keys_file=keys)
    live_speech = f"ws{door.url.removeprefix('http')}{PATH}"
    async with (
        calling(door, additional_headers=bearer(secret)) as caller,
        connect(live_speech, additional_headers=bearer(secret)) as live,
    ):
        assert (await caller.event())["type"] == "session.created"
        await caller.append(bytes(3200))
        await live.send(json.dumps({"type": "start"}))
        await live.recv()
        key_file.revoke(keys, "alice")
        assert (await caller.until("error"))[-1]["error"]["code"] == "invalid_api_key"
        assert await caller.closed() == (4401, "invalid_api_key")
        await live.wait_closed()
        assert live.close_code == 4401
