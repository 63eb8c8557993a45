"""The reader of forms, against hostile and unusual bodies, through the door."""

from collections.abc import AsyncIterator
from itertools import pairwise
from types import SimpleNamespace
from typing import Any

import httpx2
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from starlette.requests import Request

from audio_gateway.bodies import BodyMemory, BodyShare
from audio_gateway.config import GatewaySettings
from audio_gateway.errors import ApiError
from audio_gateway.keys import AcceptedKeys
from audio_gateway.multipart import MAX_FIELD_BYTES, MAX_FIELDS, Fields, FileField, read_form
from audio_grpc.client import AsyncClient
from tests.gateway.conftest import Door
from tests.gateway.test_errors import error_of

BOUNDARY = "b0undary"
NAMES = st.text("abc[]xyz_", min_size=1, max_size=12).filter(lambda name: name != "file")
VALUES = st.text(max_size=40).filter(lambda value: BOUNDARY not in value)


class Nobody:
    """A service that is not asked."""

    def with_metadata(self, metadata: dict[str, str]) -> "Nobody":
        return self


class Anybody(AcceptedKeys):
    """Lets in everybody."""

    async def require(self, authorization: str, service: AsyncClient) -> None: ...


APP = SimpleNamespace(
    state=SimpleNamespace(settings=GatewaySettings(), accepted_keys=Anybody(), client=Nobody())
)


def part(disposition: str, value: bytes) -> bytes:
    return f"--{BOUNDARY}\r\nContent-Disposition: {disposition}\r\n\r\n".encode() + value + b"\r\n"


def form(fields: list[tuple[str, str]], file: bytes) -> bytes:
    body = part('form-data; name="file"; filename="a"', file)
    body += b"".join(part(f'form-data; name="{name}"', value.encode()) for name, value in fields)
    return body + f"--{BOUNDARY}--\r\n".encode()


def request(chunks: list[bytes], content_type: str) -> Request:
    waiting = [{"type": "http.request", "body": chunk, "more_body": True} for chunk in chunks]
    waiting.append({"type": "http.request", "body": b"", "more_body": False})

    async def receive() -> Any:
        return waiting.pop(0)

    return Request(
        {
            "type": "http",
            "app": APP,
            "method": "POST",
            "path": "/",
            "headers": [(b"content-type", content_type.encode("latin-1"))],
            "state": {
                "request_id": "-",
                "share": BodyShare(BodyMemory(GatewaySettings().max_body_bytes_in_flight)),
            },
        },
        receive,
    )


async def read(chunks: list[bytes], content_type: str = "") -> tuple[Fields, bytes]:
    file = bytearray()

    async def write(data: bytes) -> None:
        file.extend(data)

    kind = content_type or f"multipart/form-data; boundary={BOUNDARY}"
    fields = await read_form(request(chunks, kind), {"file": FileField(write, 1 << 20)})
    return fields, bytes(file)


async def status_of(body: bytes, content_type: str = "") -> int:
    """Returns the gateway's status for the form; any other exception is a 500."""
    try:
        await read([body], content_type)
    except ApiError as error:
        return error.status
    return 200


@settings(max_examples=150, deadline=None)
@given(
    fields=st.lists(st.tuples(NAMES, VALUES), max_size=5),
    file=st.binary(max_size=300).filter(lambda data: BOUNDARY.encode() not in data),
    cuts=st.lists(st.integers(0, 600), max_size=12),
)
async def test_a_form_reads_the_same_wherever_it_is_cut(
    fields: list[tuple[str, str]], file: bytes, cuts: list[int]
) -> None:
    body = form(fields, file)
    edges = [0, *sorted(min(cut, len(body)) for cut in cuts), len(body)]
    chunks = [body[start:end] for start, end in pairwise(edges)]
    expected: Fields = {}
    for name, value in fields:
        expected.setdefault(name, []).append(value)
    assert await read(chunks) == (expected, file)


@settings(max_examples=300, deadline=None)
@given(body=st.binary(max_size=400), content_type=st.text(st.characters(max_codepoint=255), max_size=60))
async def test_any_bytes_at_all_are_a_form_or_refused(body: bytes, content_type: str) -> None:
    for kind in ("", f"multipart/form-data; boundary={content_type}", content_type or "text/plain"):
        assert await status_of(body, kind) in (200, 400, 413)


@settings(max_examples=150, deadline=None)
@given(data=st.data())
async def test_a_damaged_form_is_refused_or_read(data: st.DataObject) -> None:
    body = bytearray(form([("model", "x"), ("prompt", "é")], b"sound"))
    for _ in range(data.draw(st.integers(1, 4))):
        body[data.draw(st.integers(0, len(body) - 1))] = data.draw(st.integers(0, 255))
    assert await status_of(bytes(body)) in (200, 400, 413)


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(body=st.binary(max_size=200), as_parts=st.booleans())
async def test_no_form_is_the_gateways_own_failure(door: Door, body: bytes, as_parts: bool) -> None:
    content = form([("model", "listener")], body) if as_parts else body
    reply = await post(door, content)
    assert reply.status_code == 400
    assert error_of(reply)["message"]


async def post(door: Door, body: bytes, boundary: str = BOUNDARY) -> httpx2.Response:
    return await door.http.post(
        "/v1/audio/transcriptions",
        content=body,
        headers={"content-type": f"multipart/form-data; boundary={boundary}"},
    )


@pytest.mark.parametrize(
    ("body", "status", "advice"),
    [
        (form([], b"x")[:-10], 400, "cut short"),
        (form([], b"x")[:40], 400, "cut short"),
        (b"", 400, "cut short"),
        (f"--{BOUNDARY}--\r\n".encode(), 400, "no file 'file'"),
        (part('form-data; name="file"', b"x") + form([], b"x"), 400, "more than one 'file'"),
        (part("form-data", b"x") + form([], b"x"), 400, "with a name"),
        (part("attachment; name=a", b"x") + form([], b"x"), 400, "with a name"),
        (part('form-data; name="a"', b"\xff\xfe") + form([], b"x"), 400, "not UTF-8"),
        (form([("a", "b")] * MAX_FIELDS, b"x"), 413, "more than"),
        (form([("a", "b" * (MAX_FIELD_BYTES + 1))], b"x"), 413, "too large"),
    ],
    ids=lambda value: str(value)[:20],
)
async def test_forms_that_cannot_be(door: Door, body: bytes, status: int, advice: str) -> None:
    reply = await post(door, body)
    assert reply.status_code == status
    assert advice in error_of(reply)["message"]


@pytest.mark.parametrize(
    "kind", ["", "application/json", "multipart/form-data", "multipart/mixed; boundary=b"]
)
async def test_other_kinds_of_body_are_refused(door: Door, kind: str) -> None:
    reply = await door.http.post("/v1/audio/transcriptions", content=b"x", headers={"content-type": kind})
    assert reply.status_code == 400
    assert "multipart/form-data" in error_of(reply)["message"]


async def test_a_boundary_that_is_too_long_is_refused(door: Door) -> None:
    reply = await post(door, b"x", boundary="b" * 71)
    assert (reply.status_code, "70" in error_of(reply)["message"]) == (400, True)


async def test_an_endless_field_is_refused_before_its_end(door: Door) -> None:
    async def endless() -> AsyncIterator[bytes]:
        yield f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="prompt"\r\n\r\n'.encode()
        for _ in range(1000):
            yield bytes(1 << 16)

    headers = {"content-type": f"multipart/form-data; boundary={BOUNDARY}"}
    reply = await door.http.post("/v1/audio/transcriptions", content=endless(), headers=headers)
    assert reply.status_code == 413
