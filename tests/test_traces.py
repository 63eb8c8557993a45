"""Spans that reach a collector over OTLP/HTTP, and a collector that is not there."""

import contextlib
import socket
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status
from opentelemetry.trace import TracerProvider, get_tracer_provider

from audio_grpc.client import AsyncClient, Client, ServiceError, trace_metadata
from audio_grpc.errors import ConfigurationError
from audio_grpc.server import Server
from audio_grpc.telemetry.export import exporting
from tests.collector import Collector, collecting, values
from tests.conftest import ServerProcess, tone_settings
from tests.eventually import eventually

SYNTHESIZE = "audio_grpc.v1.TextToSpeechService/Synthesize"
CALLERS_TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
TRACEPARENT = f"00-{CALLERS_TRACE}-00f067aa0ba902b7-01"
TONES = '[synthesizers.speaker]\nbackend = "tone"\n[transcribers.listener]\nbackend = "tone"\n'


@pytest.fixture
def collector() -> Iterator[Collector]:
    with collecting() as collector:
        yield collector


@asynccontextmanager
async def traced(
    collector: Collector, **changes: object
) -> AsyncIterator[tuple[Server, AsyncClient, TracerProvider]]:
    """A server whose spans are with the collector afterwards."""
    with exporting(collector.url) as provider:
        assert provider is not None
        server = Server(tone_settings(**changes), provider)
        try:
            await server.start()
            async with AsyncClient(server.address) as client:
                yield server, client, provider
        finally:
            await server.stop(0)


async def speak(client: AsyncClient, text: str = "abc", voice: str = "") -> None:
    async for _ in client.synthesize(text, voice=voice):
        pass


async def test_a_trace_goes_from_the_caller_through_the_server_to_the_model(collector: Collector) -> None:
    async with traced(collector) as (_, client, provider):
        with provider.get_tracer("test").start_as_current_span("caller"):
            mine = client.with_metadata({**trace_metadata(), "x-request-id": "call-1"})
            await speak(mine)
    caller, served, work = (collector.spans[name] for name in ("caller", SYNTHESIZE, "model speaker"))
    assert {caller.trace_id, served.trace_id, work.trace_id} == {caller.trace_id}
    assert (caller.parent_span_id, served.parent_span_id) == (b"", caller.span_id)
    assert work.parent_span_id == served.span_id
    assert served.kind == Span.SPAN_KIND_SERVER
    assert values(served.attributes) == {
        "rpc.system": "grpc",
        "rpc.service": "audio_grpc.v1.TextToSpeechService",
        "rpc.method": "Synthesize",
        "rpc.grpc.status_code": 0,
        "audio_grpc.request_id": "call-1",
        "audio_grpc.model": "speaker",
        "audio_grpc.characters": 3,
        "audio_grpc.audio_seconds": pytest.approx(0.3),
    }
    assert [event.name for event in served.events] == ["admitted", "first result"]
    admitted, first = (event.time_unix_nano for event in served.events)
    assert admitted == work.start_time_unix_nano
    assert admitted <= first <= work.end_time_unix_nano == served.end_time_unix_nano
    assert served.status.code == Status.STATUS_CODE_UNSET
    assert collector.services == {"audio-grpc"}


async def test_the_state_of_a_trace_is_passed_on(collector: Collector) -> None:
    async with traced(collector) as (_, client, _):
        metadata = {"traceparent": TRACEPARENT, "tracestate": "vendor=opaque"}
        await client.with_metadata(metadata).list_models()
    (served,) = collector.spans.values()
    assert served.trace_id.hex() == CALLERS_TRACE
    assert served.parent_span_id.hex() == "00f067aa0ba902b7"
    assert served.trace_state == "vendor=opaque"


@pytest.mark.parametrize("traceparent", ["nonsense", "", f"00-{'0' * 32}-00f067aa0ba902b7-01", "x" * 600])
async def test_a_bad_traceparent_begins_a_new_trace(collector: Collector, traceparent: str) -> None:
    async with traced(collector) as (_, client, _):
        await client.with_metadata({"traceparent": traceparent}).list_models()
    (served,) = collector.spans.values()
    assert served.parent_span_id == b""


async def test_a_caller_who_does_not_sample_is_not_sampled(collector: Collector) -> None:
    async with traced(collector) as (_, client, _):
        await client.with_metadata({"traceparent": TRACEPARENT[:-2] + "00"}).list_models()
    assert collector.spans == {}


async def test_a_failing_model_is_an_error_of_its_span(collector: Collector) -> None:
    async with traced(collector, options={"fail_after": 1}) as (_, client, _):
        with pytest.raises(ServiceError):
            await speak(client)
    served = collector.spans[SYNTHESIZE]
    assert (served.status.code, served.status.message) == (Status.STATUS_CODE_ERROR, "MODEL_FAILED")
    attributes = values(served.attributes)
    assert (attributes["error.type"], attributes["rpc.grpc.status_code"]) == ("MODEL_FAILED", 13)
    assert [event.name for event in served.events] == ["admitted", "first result"]


async def test_a_model_that_cannot_be_loaded_is_an_error_of_the_server(collector: Collector) -> None:
    async with traced(collector, options={"fail_loading": True}) as (_, client, _):
        with pytest.raises(ServiceError):
            await speak(client)
    served = collector.spans[SYNTHESIZE]
    assert (served.status.code, served.status.message) == (Status.STATUS_CODE_ERROR, "MODEL_LOAD_FAILED")
    assert "model speaker" not in collector.spans, "the model never began"


async def test_what_the_caller_did_wrong_is_no_error_of_the_server(collector: Collector) -> None:
    async with traced(collector) as (_, client, _):
        with pytest.raises(ServiceError):
            await speak(client, voice="nobody")
    served = collector.spans[SYNTHESIZE]
    assert served.status.code == Status.STATUS_CODE_UNSET
    attributes = values(served.attributes)
    assert (attributes["error.type"], attributes["rpc.grpc.status_code"]) == ("VOICE_NOT_FOUND", 5)


async def test_a_caller_who_leaves_is_no_error(collector: Collector) -> None:
    async with traced(collector, options={"delay_seconds": 0.02}) as (server, client, _):
        speech = client.synthesize("x" * 1000)
        await anext(speech)
        speech.cancel()
        await eventually(lambda: not server.models.synthesizer("").admission.running)
    served = collector.spans[SYNTHESIZE]
    assert served.status.code == Status.STATUS_CODE_UNSET
    assert values(served.attributes)["rpc.grpc.status_code"] == 1


async def test_the_library_leaves_the_global_provider_alone(collector: Collector) -> None:
    before = get_tracer_provider()
    async with traced(collector) as (_, client, provider):
        await client.list_models()
        assert get_tracer_provider() is before is not provider


def test_there_is_nothing_to_pass_on_outside_a_trace() -> None:
    assert trace_metadata() == {}


def test_a_missing_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "opentelemetry.exporter.otlp.proto.http.trace_exporter", None)
    with (
        pytest.raises(ConfigurationError, match=r"pip install '\.\[telemetry\]' in a clone"),
        exporting("http://127.0.0.1:4318/v1/traces"),
    ):
        pass


@pytest.fixture
def tones(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder whose configuration has the tone backends; spans are sent at once, one call at a time."""
    (tmp_path / "audio-grpc.toml").write_text(TONES)
    monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "1")
    return tmp_path


def test_the_command_sends_its_last_spans_before_it_ends(
    collector: Collector, tones: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "3600000")
    monkeypatch.setenv("OTEL_SERVICE_NAME", "speech-in-paris")
    server = ServerProcess("--otlp-endpoint", collector.url, cwd=tones)
    with Client(server.address) as client:
        client.list_models()
    assert not collector.requests
    assert server.stop() == 0
    assert list(collector.spans) == ["audio_grpc.v1.ModelService/ListModels"]
    assert collector.services == {"speech-in-paris"}


def complaints(server: ServerProcess) -> list[str]:
    return [line for line in server.log if "opentelemetry" in line]


def test_a_collector_that_refuses_is_complained_of_once(tones: Path) -> None:
    with collecting(status=400) as collector:
        server = ServerProcess("--otlp-endpoint", collector.url, cwd=tones)
        with Client(server.address) as client:
            for _ in range(5):
                assert client.list_models()
                assert collector.received.acquire(timeout=60)
        assert server.stop() == 0
    assert len(complaints(server)) == 1
    assert "Failed to export" in complaints(server)[0]


def test_a_collector_that_is_not_there_disturbs_neither_calls_nor_the_end(tones: Path) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))  # and does not listen
        url = f"http://127.0.0.1:{unused.getsockname()[1]}/v1/traces"
        server = ServerProcess("--otlp-endpoint", url, cwd=tones)
        with Client(server.address) as client:
            assert all(b"".join(client.synthesize("x")) for _ in range(50))
        assert server.stop() == 0
    assert 1 <= len(complaints(server)) <= 4, "each kind of complaint once"


def test_a_collector_that_never_answers_does_not_hold_up_the_end(tones: Path) -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/v1/traces"
        server = ServerProcess("--otlp-endpoint", url, cwd=tones)
        with Client(server.address) as client:
            assert client.list_models()
        connection, _ = silent.accept()
        with contextlib.closing(connection):
            assert server.stop() == 0
    assert "the last spans did not reach" in server.log[-1]


def test_an_endpoint_that_is_no_address_is_refused() -> None:
    with pytest.raises(ValueError, match="otlp_endpoint"):
        tone_settings(otlp_endpoint="localhost:4318")
