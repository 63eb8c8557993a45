"""One trace from an HTTP caller to the model, and collectors that are of no help."""

import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx2
import pytest
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status
from opentelemetry.trace import get_tracer_provider

from audio_grpc.telemetry.export import exporting
from tests.collector import Collector, collecting, values
from tests.conftest import ServerProcess, Start
from tests.eventually import eventually
from tests.gateway.conftest import Door, gateway_process, running
from tests.gateway.test_speech import LONG, SLOW
from tests.lines import reading

SPEECH = "/v1/audio/speech"
BODY = {"model": "tts-1", "input": "abc", "response_format": "pcm"}
CALLERS_TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
CALLERS_SPAN = "00f067aa0ba902b7"
TRACED = {"traceparent": f"00-{CALLERS_TRACE}-{CALLERS_SPAN}-01", "x-request-id": "one"}
SYNTHESIZE = "audio_grpc.v1.TextToSpeechService/Synthesize"
TONES = """
[synthesizers.speaker]
backend = "tone"
aliases = ["tts-1"]
[transcribers.listener]
backend = "tone"
"""


@pytest.fixture
def collector() -> Iterator[Collector]:
    with collecting() as collector:
        yield collector


@asynccontextmanager
async def traced(start: Start, collector: Collector, **changes: Any) -> AsyncIterator[Door]:
    """A gateway whose spans are with the collector afterwards; the server behind it sends none."""
    server, _ = await start(**changes)
    with exporting(collector.url, "audio-gateway") as provider:
        async with running(provider, server=server.address) as url:
            door = Door(url, server.address, server)
            yield door
            await door.close()


def test_one_trace_goes_from_the_caller_through_both_processes_to_the_model(
    collector: Collector, tmp_path: Path
) -> None:
    (tmp_path / "audio-grpc.toml").write_text(TONES)
    server = ServerProcess("--otlp-endpoint", collector.url, cwd=tmp_path)
    gateway = gateway_process("--otlp-endpoint", collector.url, "--server", server.address)
    reply = httpx2.post(f"http://{gateway.address}{SPEECH}", json=BODY, headers=TRACED)
    assert reply.status_code == 200
    assert (gateway.stop(), server.stop()) == (0, 0)
    assert collector.services == {"audio-gateway", "audio-grpc"}
    names = (f"POST {SPEECH}", SYNTHESIZE, "model speaker")
    request, call, work = (collector.spans[name] for name in names)
    assert {span.trace_id.hex() for span in (request, call, work)} == {CALLERS_TRACE}
    assert request.parent_span_id.hex() == CALLERS_SPAN
    assert (call.parent_span_id, work.parent_span_id) == (request.span_id, call.span_id)
    assert values(call.attributes)["audio_grpc.request_id"] == "one"
    assert request.start_time_unix_nano <= call.start_time_unix_nano
    assert call.end_time_unix_nano <= request.end_time_unix_nano, "until the answer is sent"


async def test_a_span_says_how_its_request_went_but_not_what_was_asked(
    start: Start, collector: Collector
) -> None:
    async with traced(start, collector) as door:
        reply = await door.http.get("/v1/models/nothing?key=secret", headers={"x-request-id": "one"})
        assert reply.status_code == 404
    span = collector.spans["GET /v1/models/{model}"]
    assert (span.kind, span.parent_span_id) == (Span.SPAN_KIND_SERVER, b"")
    assert values(span.attributes) == {
        "http.request.method": "GET",
        "url.scheme": "http",
        "url.path": "/v1/models/nothing",
        "http.route": "/v1/models/{model}",
        "http.response.status_code": 404,
        "audio_grpc.request_id": "one",
    }
    assert span.status.code == Status.STATUS_CODE_UNSET, "the caller's mistake"
    assert "secret" not in str(collector.requests)


async def test_a_model_that_cannot_be_loaded_is_an_error(start: Start, collector: Collector) -> None:
    async with traced(start, collector, options={"fail_loading": True}) as door:
        assert (await door.http.post(SPEECH, json=BODY)).status_code == 503
    span = collector.spans[f"POST {SPEECH}"]
    assert span.status.code == Status.STATUS_CODE_ERROR
    assert values(span.attributes)["error.type"] == "503"


async def test_an_answer_that_breaks_is_an_error(start: Start, collector: Collector) -> None:
    async with traced(start, collector, options={"fail_after": 2}) as door:
        with pytest.raises(httpx2.RemoteProtocolError):
            await door.http.post(SPEECH, json=BODY)
    span = collector.spans[f"POST {SPEECH}"]
    assert span.status.code == Status.STATUS_CODE_ERROR
    assert values(span.attributes)["error.type"] == "incomplete"


async def test_a_caller_who_leaves_is_no_error(start: Start, collector: Collector) -> None:
    async with traced(start, collector, **SLOW) as door:
        async with door.http.stream("POST", SPEECH, json={**BODY, "input": LONG}) as reply:
            await anext(reply.aiter_bytes())
        await eventually(lambda: not door.speaking.running)
    assert collector.spans[f"POST {SPEECH}"].status.code == Status.STATUS_CODE_UNSET


async def test_probes_make_no_traces_and_strangers_no_names(start: Start, collector: Collector) -> None:
    before = get_tracer_provider()
    async with traced(start, collector) as door:
        for path in ("/livez", "/readyz", "/metrics"):
            assert (await door.http.get(path, headers=TRACED)).status_code == 200
        await door.http.get("/no/such/path")
        await door.http.request("PROPFIND", "/no/such/path")
    assert collector.spans.keys() == {"GET", "HTTP"}
    assert values(collector.spans["HTTP"].attributes)["http.request.method"] == "_OTHER"
    assert get_tracer_provider() is before, "the global one is another's"


@pytest.mark.parametrize("traceparent", ["nonsense", "", f"00-{'0' * 32}-{CALLERS_SPAN}-01"])
async def test_a_bad_traceparent_begins_a_new_trace(
    start: Start, collector: Collector, traceparent: str
) -> None:
    async with traced(start, collector) as door:
        await door.http.get("/v1/models", headers={"traceparent": traceparent})
    assert collector.spans["GET /v1/models"].parent_span_id == b""


async def test_a_callers_trace_is_in_the_log_and_passes_through_without_a_collector(door: Door) -> None:
    with reading() as lines:
        await door.http.get("/v1/models", headers=TRACED)
        for message in ("request ended", "call ended"):
            assert (await lines.ended("one", message))["trace_id"] == CALLERS_TRACE


async def test_the_log_names_the_trace_that_begins_here(start: Start, collector: Collector) -> None:
    with reading() as lines:
        async with traced(start, collector) as door:
            await door.http.get("/v1/models", headers={"x-request-id": "one"})
            told = [await lines.ended("one", message) for message in ("request ended", "call ended")]
    span = collector.spans["GET /v1/models"]
    assert {line["trace_id"] for line in told} == {span.trace_id.hex()}


async def test_a_collector_that_is_not_there_disturbs_neither_requests_nor_the_end(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "1")
    server, _ = await start()
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))  # and does not listen
        url = f"http://127.0.0.1:{unused.getsockname()[1]}/v1/traces"
        process = gateway_process("--otlp-endpoint", url, "--server", server.address)
        async with httpx2.AsyncClient(base_url=f"http://{process.address}") as http:
            for _ in range(20):
                assert (await http.post(SPEECH, json=BODY)).content
        assert process.stop() == 0
    complaints = [line for line in process.log if "opentelemetry" in line]
    assert 1 <= len(complaints) <= 4, "each kind of complaint once"
