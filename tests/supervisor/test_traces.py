"""One trace through all three processes."""

from opentelemetry.proto.trace.v1.trace_pb2 import Span

from tests.collector import Collector, collecting
from tests.supervisor.conftest import Start

CALLERS_TRACE, CALLERS_SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
SERVICES = {"audio-grpc-envoy", "audio-gateway", "audio-grpc"}
SPEECH = {"model": "tts-1", "voice": "tone", "input": "abc", "response_format": "wav"}


def spans_of(collector: Collector, service: str) -> list[Span]:
    return [
        span
        for request in collector.requests
        for resource in request.resource_spans
        if any(pair.value.string_value == service for pair in resource.resource.attributes)
        for scope in resource.scope_spans
        for span in scope.spans
        if span.trace_id.hex() == CALLERS_TRACE
    ]


def test_a_trace_goes_through_envoy_the_gateway_and_the_server(start: Start) -> None:
    with collecting() as collector:
        stack = start("--otlp-endpoint", collector.url).ready()
        parent = f"00-{CALLERS_TRACE}-{CALLERS_SPAN}-01"
        headers = {"traceparent": parent, "content_type": "application/json"}
        assert stack.ask("POST", "/v1/audio/speech", SPEECH, **headers).status == 200
        while not all(spans_of(collector, service) for service in SERVICES):
            assert collector.received.acquire(timeout=60)
        assert stack.stop() == 0
    found = {span.span_id.hex(): span for service in SERVICES for span in spans_of(collector, service)}
    servers = [span for span in spans_of(collector, "audio-grpc") if span.kind == Span.SPAN_KIND_SERVER]
    # The gateway has asked about the key as well.
    [served] = [span for span in servers if span.name.endswith("Synthesize")]
    way = [served]
    while (parent_id := way[-1].parent_span_id.hex()) != CALLERS_SPAN:
        way.append(found[parent_id])
    services = [next(name for name in SERVICES if span in spans_of(collector, name)) for span in way]
    assert services == ["audio-grpc", "audio-grpc-envoy", "audio-gateway", "audio-grpc-envoy"]
