"""Bodies of any size and kind, with a key and without, at every path of the gateway."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast
from urllib.parse import urlsplit

import grpc
import pytest
from fastapi.routing import APIRoute
from starlette.routing import BaseRoute

from audio_gateway import bodies
from audio_gateway.app import make_app
from audio_gateway.bodies import FREE_BYTES, HOPELESS_BYTES, MAX_DISCARDED_BYTES, MAX_JSON_BYTES, JsonRoute
from audio_gateway.config import GatewaySettings
from audio_gateway.keys import SECONDS, AcceptedKeys
from audio_grpc.access import key_file
from audio_grpc.access.limits import KeyLimits
from audio_grpc.client import AsyncClient, ServiceError
from tests.conftest import PATIENCE_SECONDS
from tests.eventually import eventually
from tests.gateway.conftest import Door, Open

HUGE = 600 << 20
BUFFERED_BYTES = 8 << 20
"""The bytes that the system buffers on the way between the two."""
SPEECH = "/v1/audio/speech"
PIPELINE = "/v1/audio/pipelines"
JSON = "content-type: application/json\r\n"
FORM = "content-type: multipart/form-data; boundary=b\r\n"
CHUNKED = "transfer-encoding: chunked\r\n"


def all_routes() -> list[APIRoute]:
    """Every route of the gateway, below all of its prefixes."""

    def within(routes: list[BaseRoute], prefix: str = "") -> list[tuple[str, APIRoute]]:
        found = []
        for route in routes:
            if isinstance(route, APIRoute):
                found.append((prefix, route))
            elif router := getattr(route, "original_router", None):
                found += within(router.routes, prefix)
        return found

    app = cast("Any", make_app(GatewaySettings()))
    while not hasattr(app, "routes"):
        app = app._app
    return [route for _, route in within(app.routes)]


@pytest.fixture
async def locked(open_door: Open, tmp_path: Path) -> tuple[Door, str]:
    """A gateway in front of a server that asks for keys, and one of its keys."""
    _, secret = key_file.add(tmp_path / "keys.json", "alice", KeyLimits())
    return await open_door(keys_file=tmp_path / "keys.json"), secret


class Connection:
    """One request, sent as it is told to be."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self.writer = writer

    async def answer(self) -> tuple[int, dict[str, str], dict[str, Any]]:
        """Status, headers, and a body of JSON."""
        status, headers = await self.head()
        body = await self._reader.readexactly(int(headers.get("content-length", 0)))
        return status, headers, json.loads(body or b"{}")

    async def head(self) -> tuple[int, dict[str, str]]:
        """Status and headers."""
        head = (await self._reader.readuntil(b"\r\n\r\n")).decode()
        status, *lines = head.strip().split("\r\n")
        return int(status.split()[1]), dict(line.lower().split(": ", 1) for line in lines)

    async def is_closed(self) -> bool:
        try:
            return await self._reader.read() == b""
        except ConnectionError:
            return True

    async def send_without_end(self) -> int:
        """Chunks until the gateway takes no more; how many bytes it took."""
        piece = b"%x\r\n%s\r\n" % (1 << 16, b" " * (1 << 16))
        sent = 0
        try:
            while sent < HUGE:
                self.writer.write(piece)
                await self.writer.drain()
                sent += 1 << 16
        except ConnectionError:
            pass
        return sent


@asynccontextmanager
async def request(door: Door, method: str, path: str, headers: str) -> AsyncIterator[Connection]:
    """A request of which only the head has been sent."""
    where = urlsplit(door.url)
    reader, writer = await asyncio.open_connection(where.hostname, where.port)
    try:
        writer.write(f"{method} {path} HTTP/1.1\r\nhost: gateway\r\n{headers}\r\n".encode())
        await writer.drain()
        yield Connection(reader, writer)
    finally:
        writer.close()


PATHS = (SPEECH, "/openai/v1/audio/speech", "/gateflow/v1/audio/speech", "/chatterbox/audio/speech")
JSON_PATHS = (*PATHS, "/audio/speech/stream", "/audio/speech/long", PIPELINE)
FORM_PATHS = (
    *(
        f"{prefix}/audio/{kind}"
        for prefix in ("/v1", "/gateflow/v1")
        for kind in ("transcriptions", "voices")
    ),
    *("/v1/audio/translations", "/chatterbox/voices", "/voices/default", "/tts/upload", PIPELINE),
)


@pytest.mark.parametrize("length", [f"content-length: {HUGE}\r\n", CHUNKED], ids=["declared", "chunked"])
@pytest.mark.parametrize(
    ("path", "kind"), [*((path, JSON) for path in JSON_PATHS), *((path, FORM) for path in FORM_PATHS)]
)
async def test_without_a_key_nothing_of_a_body_is_read(
    locked: tuple[Door, str], path: str, kind: str, length: str
) -> None:
    door, _ = locked
    async with request(door, "POST", path, kind + length) as connection:
        status, headers, body = await connection.answer()
        assert (status, body["error"]["code"]) == (401, "invalid_api_key")
        assert headers["www-authenticate"] == "bearer"
        assert headers["connection"] == "close"
        most = MAX_DISCARDED_BYTES if length == CHUNKED else HOPELESS_BYTES
        assert await connection.send_without_end() <= most + BUFFERED_BYTES


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
async def test_every_route_answers_without_the_body(locked: tuple[Door, str], method: str) -> None:
    door, _ = locked

    async def answers(path: str) -> None:
        filled = path.replace("{", "").replace("}", "").replace(":path", "")
        async with request(door, method, filled, f"{JSON}content-length: {HUGE}\r\n") as connection:
            status, _, body = await connection.answer()
        if status == 200:  # without confirm=true, nothing is done
            assert "confirm=true" in body["message"], (method, path)
            return
        assert status in (400, 401, 404, 405), (method, path)  # 400: it is no form, or not confirmed
        assert body["error"]["message"]

    # At once: each waits a while for the body that it discards.
    async with asyncio.TaskGroup() as all_at_once:
        for path in {route.path for route in all_routes() if method in (route.methods or ())} | {"/nowhere"}:
            all_at_once.create_task(answers(path))


def test_every_route_that_declares_a_body_has_a_bound() -> None:
    declared = [route for route in all_routes() if route.body_field is not None]
    assert len(declared) > 4
    assert [route.path for route in declared if not isinstance(route, JsonRoute)] == []


@pytest.mark.parametrize("path", [*PATHS, "/v1/nothing-is-here"])
async def test_a_declared_length_beyond_the_bound_is_refused_at_once(door: Door, path: str) -> None:
    async with request(door, "POST", path, f"{JSON}content-length: {MAX_JSON_BYTES + 1}\r\n") as connection:
        status, _, body = await connection.answer()
    assert status == (404 if "nothing" in path else 413)
    assert "MiB" in body["error"]["message"] or status == 404


@pytest.mark.parametrize(
    ("path", "kind", "most"),
    [
        (SPEECH, JSON, MAX_JSON_BYTES),
        ("/audio/speech/long", JSON, 12 << 20),
        (PIPELINE, JSON, 35 << 20),
        ("/voices/default", "content-type: application/x-www-form-urlencoded\r\n", 1 << 20),
        ("/v1/audio/transcriptions", FORM, 27 << 20),
    ],
)
async def test_a_body_without_end_is_read_up_to_the_bound(
    door: Door, path: str, kind: str, most: int
) -> None:
    async with request(door, "POST", path, kind + CHUNKED) as connection:
        async with asyncio.TaskGroup() as both:
            # The rest of the answer may be lost where the connection of one who goes on sending is closed.
            head = both.create_task(connection.head())
            sent = both.create_task(connection.send_without_end())
        assert head.result()[0] in (413, 400)  # blanks are no form
        assert sent.result() <= most + MAX_DISCARDED_BYTES + BUFFERED_BYTES


async def test_a_body_just_within_the_bound_is_read(door: Door) -> None:
    asked = json.dumps({"model": "tts-1", "input": "Hi.", "voice": ""}).encode()
    for size, status in ((MAX_JSON_BYTES, 200), (MAX_JSON_BYTES + 1, 413)):
        answer = await door.http.post(
            SPEECH, content=asked.ljust(size), headers={"content-type": "application/json"}
        )
        assert answer.status_code == status


async def test_a_caller_whose_body_stops_is_told(open_door: Open) -> None:
    door = await open_door({"max_idle_seconds": 0.05})
    async with request(door, "POST", SPEECH, f"{JSON}content-length: 100\r\n") as connection:
        connection.writer.write(b"{")
        status, _, body = await connection.answer()
    assert (status, body["error"]["code"]) == (408, "idle")


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b'{"input": NaN}', "JSON"),
        (b'{"input": "a", "speed": -Infinity}', "JSON"),
        (b'{"input": "a", "speed": 1e999}', "speed"),
        (b'{"input": "a", "speed": ' + b"9" * 5000 + b"}", "JSON"),
        (b'{"input": "a", "streaming_chunk_size": ' + b"9" * 400 + b"}", "streaming_chunk_size"),
        (b'{"input": "\\ud800"}', "JSON"),
        (b'{"input": "\\udfff\\ud800"}', "JSON"),
        (b'{"input": "caf\xe9"}', "JSON"),
        (b'{"input": "a\x00b"}', "JSON"),
        (b'{"input": ' + b"[" * 100_000 + b"]" * 100_000 + b"}", "JSON"),
        (b'{"input":[' + b"1," * ((MAX_JSON_BYTES - 20) // 2) + b"1]}", "input"),
        (b'{"input":[' + b"[]," * ((MAX_JSON_BYTES - 20) // 3) + b"1]}", "brackets"),
        ('{"input": "a"}'.encode("utf-16"), "JSON"),
        (b"", "missing"),
        (b"[]", "JSON object"),
    ],
    ids=range(15),
)
@pytest.mark.parametrize("path", [SPEECH, "/chatterbox/tts", "/chatterbox/audio/speech/long"])
async def test_odd_json_is_refused_in_words(door: Door, path: str, body: bytes, said: str) -> None:
    answer = await door.http.post(path, content=body, headers={"content-type": "application/json"})
    assert 400 <= answer.status_code < 500, answer.text
    assert said.lower() in answer.text.lower()
    assert len(answer.content) < 4096


async def test_a_compressed_body_is_refused(door: Door) -> None:
    headers = {"content-type": "application/json", "content-encoding": "gzip"}
    answer = await door.http.post(SPEECH, content=b"\x1f\x8b", headers=headers)
    assert answer.status_code == 415
    assert answer.json()["error"]["code"] == "unsupported_encoding"


async def test_json_may_begin_with_a_byte_order_mark(door: Door) -> None:
    body = json.dumps({"model": "tts-1", "input": "Hi."}).encode("utf-8-sig")
    answer = await door.http.post(SPEECH, content=body, headers={"content-type": "application/json"})
    assert answer.status_code == 200


async def test_what_all_bodies_hold_is_bounded_and_free_again(open_door: Open) -> None:
    door = await open_door({"max_body_bytes_in_flight": 1 << 20})
    large = {"template": "", "audio": "A" * (2 << 20)}

    async def let_in() -> bool:
        return not await refused()

    async def refused() -> bool:
        answer = await door.http.post(PIPELINE, json=large | {"audio": "A" * (800 << 10)})
        if answer.status_code == 429:
            assert answer.headers["retry-after"] == "1"
        return answer.status_code == 429

    assert (await door.http.post(PIPELINE, json=large)).status_code == 429
    async with request(door, "POST", PIPELINE, f"{JSON}content-length: {900 << 10}\r\n") as connection:
        connection.writer.write(b" " * (800 << 10))
        await connection.writer.drain()
        await eventually(refused)
        small = await door.http.post(SPEECH, json={"model": "tts-1", "input": "a" * (FREE_BYTES // 32)})
        assert small.status_code == 200
    await eventually(let_in)


async def test_a_body_that_comes_slowly_gives_way_to_those_who_find_no_memory(
    open_door: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bodies, "SLOW_SECONDS", 0.0)
    door = await open_door({"max_body_bytes_in_flight": 1 << 20})
    body = {"template": "", "audio": "A" * (800 << 10)}

    async def refused() -> bool:
        return (await door.http.post(PIPELINE, json=body)).status_code == 429

    async def let_in() -> bool:
        return not await refused()

    async with request(door, "POST", PIPELINE, f"{JSON}content-length: {900 << 10}\r\n") as stalled:
        stalled.writer.write(b" " * (800 << 10))
        await stalled.writer.drain()
        await eventually(refused)
        await eventually(let_in)
        async with asyncio.timeout(PATIENCE_SECONDS):
            assert (await stalled.answer())[0] == 429


class Service:
    """The question that a gateway asks."""

    def __init__(self) -> None:
        self.asked = 0
        self.error: ServiceError | None = None

    async def get_key(self) -> None:
        self.asked += 1
        if self.error:
            raise self.error


async def test_a_key_is_asked_about_once_in_some_seconds_and_a_refusal_is_not_remembered() -> None:
    clock = SimpleNamespace(now=100.0)
    service, keys = Service(), AcceptedKeys(lambda: clock.now)
    asking = cast("AsyncClient", service)
    for _ in range(3):
        await keys.require("Bearer a", asking)
    assert service.asked == 1
    service.error = ServiceError(grpc.StatusCode.UNAUTHENTICATED, "no")
    await keys.require("Bearer a", asking)
    clock.now += SECONDS
    for _ in range(2):
        with pytest.raises(ServiceError):
            await keys.require("Bearer a", asking)
    assert service.asked == 3
    service.error = ServiceError(grpc.StatusCode.UNIMPLEMENTED, "a server of before")
    await keys.require("Bearer a", asking)
