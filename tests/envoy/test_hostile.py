"""A caller that sends no gRPC, or more than is taken, is told so, and nobody else notices."""

import asyncio
import itertools
import struct
from collections.abc import Iterator
from http.client import HTTPException
from pathlib import Path

import pytest
from google.rpc.error_details_pb2 import ErrorInfo

from audio_grpc.client import AsyncClient, ServiceError
from audio_grpc.server import Server
from audio_grpc.v1.text_to_speech_pb2 import ListVoicesRequest
from tests.conftest import Start, tone_settings
from tests.envoy.conftest import ServerThread
from tests.envoy.front import Front, ask
from tests.envoy.impatient import impatient
from tests.eventually import eventually_in_a_thread
from tests.silence import PREFACE, closed

LIST_MODELS = "/audio_grpc.v1.ModelService/ListModels"
LIST_VOICES = "/audio_grpc.v1.TextToSpeechService/ListVoices"
PATHS = (
    LIST_MODELS,
    "/grpc.health.v1.Health/Check",
    "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo",
)
GRPC = {"content_type": "application/grpc"}
NO_GRPC = (
    *("text/plain", "application/grpc-foo", "application/grpcfoo", "application/grpc-web+json"),
    *("Application/GRPC", "application/grpc;x=y", "application/protofoo", "application/connect+foo"),
)
FRAME = b"\0" * 5
CALLERS = 8


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "PATCH", "OPTIONS"])
def test_other_methods_than_post_are_refused(front: Front, path: str, method: str) -> None:
    answer = front.ask(method, path)
    assert (answer.status, answer.headers["allow"]) == (405, "POST")


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("content_type", NO_GRPC)
def test_other_types_than_those_of_grpc_are_refused(front: Front, path: str, content_type: str) -> None:
    assert front.ask("POST", path, FRAME, content_type=content_type).status == 415
    assert front.ask("POST", path, FRAME).status == 415, "none at all"


@pytest.mark.parametrize("te", [{}, {"te": "gzip"}])
def test_a_proxy_may_have_dropped_the_header_that_asks_for_trailers(front: Front, te: dict[str, str]) -> None:
    answer = front.ask("POST", LIST_MODELS, FRAME, **GRPC, **te)
    assert (answer.status, b"speaker" in answer.body) == (200, True)


def hostile() -> Iterator[tuple[str, str, bytes, dict[str, str]]]:
    """Requests that the server would answer by a reset, if it got them."""
    for path in PATHS:
        for method in ("GET", "PUT", "POST", "OPTIONS"):
            yield method, path, b"", {}
            yield method, path, FRAME, GRPC
        for content_type in (*NO_GRPC, "application/json", "application/proto", "application/grpc+foo"):
            yield "POST", path, FRAME, {"content_type": content_type}
            yield "POST", path, FRAME, {"content_type": content_type, "te": "trailers"}
        for headers in ({"x_bin": "!!!"}, {"grpc_timeout": "soon"}, {"grpc_encoding": "x" * 2000}):
            yield "POST", path, b"\1\0\0\0\1x", {**GRPC, **headers}
        for size in (9_000, 20_000, 40_000):
            yield "POST", path, FRAME, {**GRPC, "x_large": "x" * size}
        yield "POST", path, b"\0\xff\xff\xff\xff", GRPC


async def test_what_one_caller_sends_costs_nobody_else_a_call(front: Front) -> None:
    """Eight ordinary callers beside it; the only server is never left out."""
    failed: list[str] = []
    done = asyncio.Event()

    async def ordinary() -> None:
        async with AsyncClient(front.address) as client:
            for _ in itertools.takewhile(lambda _: not done.is_set(), itertools.count()):
                try:
                    await client.list_models()
                except ServiceError as error:
                    failed.append(str(error))

    def send_all() -> None:
        for method, path, body, headers in hostile():
            try:
                front.ask(method, path, body, **headers)
            except (OSError, HTTPException) as error:
                failed.append(f"{method} {path} {headers}: {error!r}")

    callers = [asyncio.create_task(ordinary()) for _ in range(CALLERS)]
    await asyncio.to_thread(send_all)
    done.set()
    await asyncio.gather(*callers)
    assert failed == []
    assert front.stats("^cluster.server.upstream_rq_rx_reset$") == {"cluster.server.upstream_rq_rx_reset": 0}


def test_headers_have_a_bound_that_the_server_keeps_up_with(front: Front) -> None:
    def send(size: int) -> int:
        return front.ask("POST", LIST_MODELS, FRAME, **GRPC, x_large="x" * size).status

    assert send(30_000) == 200
    assert send(40_000) == 431


async def test_the_only_server_gets_calls_whatever_its_health_says() -> None:
    """A busy server may not be able to say that it is well."""
    servers: list[Server] = []

    def make() -> Server:
        servers.append(server := Server(tone_settings()))
        return server

    async def drain() -> None:
        servers[0].drain()

    thread = ServerThread(make)
    front = Front([thread.address])
    try:
        eventually_in_a_thread(lambda: front.healthy() == 1)
        thread.run(drain())
        eventually_in_a_thread(lambda: front.healthy() == 0)
        async with AsyncClient(front.address) as client:
            assert await client.list_models()
    finally:
        front.stop()
        thread.stop()


def connect_error(front: Front, content_type: str, body: bytes, path: str = LIST_VOICES) -> dict[str, object]:
    """Returns what a client of Connect reads, in one message or at the end of a stream."""
    answer = front.ask("POST", path, body, content_type=content_type, connect_protocol_version="1")
    if not content_type.startswith("application/connect"):
        assert (answer.headers["content-type"], answer.status >= 400) == ("application/json", True)
        error: dict[str, object] = answer.json
        return error
    assert (answer.status, answer.headers["content-type"]) == (200, content_type)
    flags, size = struct.unpack_from(">BI", answer.body)
    assert (flags, size) == (2, len(answer.body) - 5)
    framed = type(answer)(200, {}, answer.body[5:]).json
    end: dict[str, object] = framed["error"]
    return end


@pytest.mark.parametrize("content_type", ["application/json", "application/connect+json"])
@pytest.mark.parametrize("path", PATHS)
def test_connect_in_json_is_refused_in_its_own_shape(front: Front, path: str, content_type: str) -> None:
    error = connect_error(front, content_type, b"{}", path)
    assert error["code"] == "unimplemented"
    assert "useBinaryFormat" in str(error["message"])


def test_pages_may_read_why_connect_was_refused(front: Front) -> None:
    origin = "http://localhost:3000"
    answer = front.ask("POST", LIST_VOICES, b"{}", content_type="application/json", origin=origin)
    assert (answer.status, answer.headers["access-control-allow-origin"]) == (415, origin)


@pytest.mark.parametrize("content_type", ["application/proto", "application/connect+proto"])
def test_details_of_errors_have_the_names_that_connect_looks_for(front: Front, content_type: str) -> None:
    message = ListVoicesRequest(model="nobody").SerializeToString()
    framed = b"\0" + struct.pack(">I", len(message)) + message
    error = connect_error(front, content_type, framed if "connect" in content_type else message)
    assert error["code"] == "not_found"
    details = error["details"]
    assert isinstance(details, list)
    assert [detail["type"] for detail in details] == [ErrorInfo.DESCRIPTOR.full_name]


@pytest.mark.parametrize("content_type", ["application/proto", "application/connect+proto"])
def test_unknown_methods_of_connect_are_unimplemented(front: Front, content_type: str) -> None:
    """Connect's clients read the status."""
    answer = front.ask(
        "POST", f"{LIST_MODELS}All", b"", content_type=content_type, connect_protocol_version="1"
    )
    assert answer.status == 404


async def test_silent_connections_end_and_silent_calls_do_not(start: Start, tmp_path: Path) -> None:
    """Neither a connection on which nothing comes, nor headers that never end, keep others out."""
    server, _ = await start()
    async with impatient(
        server.address, tmp_path, "idle_timeout: 60s", "request_headers_timeout: 10s"
    ) as address:
        async with AsyncClient(address) as client, client.live_speech() as speech:
            await speech.write("Hello. ")
            assert await anext(speech)
            await closed(address, b"")
            await closed(address, b"GET /livez HTTP/1.1\r\nx-slow: ")
            await closed(address, b"GET /livez HTTP/1.1\r\nhost: a\r\n\r\n")
            await closed(address, PREFACE)
            await speech.write("And on.")
            await speech.end()
            assert [event async for event in speech]
        assert (await asyncio.to_thread(ask, address, "GET", "/livez")).status == 200
