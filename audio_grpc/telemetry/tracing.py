"""A span a call, by OpenTelemetry's conventions: https://opentelemetry.io/docs/specs/semconv/rpc/grpc."""

import time
from collections import defaultdict
from collections.abc import Collection

from grpc import StatusCode as GrpcCode
from opentelemetry.trace import (
    INVALID_SPAN,
    NoOpTracerProvider,
    Span,
    SpanKind,
    StatusCode,
    TracerProvider,
    format_trace_id,
    set_span_in_context,
)
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from audio_grpc import __version__
from audio_grpc.telemetry.call import Call

Metadata = Collection[tuple[str, str | bytes]]

# Whose fault it is decides: these are the server's, by the conventions, and FAILED_PRECONDITION, which
# is ours for a model that cannot be loaded. A caller who leaves or asks for nonsense is not an error.
FAULTS = (
    *("UNKNOWN", "DEADLINE_EXCEEDED", "UNIMPLEMENTED", "INTERNAL", "UNAVAILABLE", "DATA_LOSS"),
    "FAILED_PRECONDITION",
)
NANOSECONDS = 1_000_000_000
LONGEST_HEADER = 512
"""The most characters of a trace context: https://www.w3.org/TR/trace-context/#tracestate-limits."""


class CallTracer:
    """Starts and ends the spans of calls. Without a provider a caller's trace id still reaches the log."""

    def __init__(self, provider: TracerProvider | None) -> None:
        self._is_on = provider is not None
        self._tracer = (provider or NoOpTracerProvider()).get_tracer("audio_grpc", __version__)
        self._propagator = TraceContextTextMapPropagator()
        self._fields = self._propagator.fields

    def start(self, call: Call, metadata: Metadata) -> Span:
        """The call's span, under the caller's if its metadata names one (https://www.w3.org/TR/trace-context)."""
        headers: defaultdict[str, list[str]] = defaultdict(list)
        for name, value in metadata:
            if name in self._fields and isinstance(value, str) and len(value) <= LONGEST_HEADER:
                headers[name].append(value)
        if not (headers or self._is_on):
            return INVALID_SPAN
        span = self._tracer.start_span(
            f"{call.service}/{call.method}",
            context=self._propagator.extract(headers),
            kind=SpanKind.SERVER,
            attributes={
                "rpc.system": "grpc",
                "rpc.service": call.service,
                "rpc.method": call.method,
                "audio_grpc.request_id": call.request_id,
            },
        )
        context = span.get_span_context()
        if context.is_valid:
            call.trace_id = format_trace_id(context.trace_id)
        return span

    def finish(self, span: Span, call: Call) -> None:
        """Write down how the call went, with what happened meanwhile: so it costs nothing while it runs."""
        if not span.is_recording():
            return
        now = time.time_ns()
        span.set_attributes(_attributes(call))
        for name, moment in (("admitted", call.began), ("first result", call.first_result)):
            if moment is not None:
                span.add_event(name, timestamp=_on_the_clock(moment, call, now))
        if call.began is not None:
            work = self._tracer.start_span(
                f"model {call.model}",
                context=set_span_in_context(span),
                start_time=_on_the_clock(call.began, call, now),
            )
            work.end(now)
        if call.code in FAULTS:
            span.set_status(StatusCode.ERROR, call.reason or call.code)
        span.end(now)


def _attributes(call: Call) -> dict[str, str | int | float]:
    found: dict[str, str | int | float] = {
        "error.type": call.reason or (call.code if call.code != "OK" else ""),
        "audio_grpc.model": call.model,
        "audio_grpc.characters": call.characters,
        "audio_grpc.audio_seconds": call.audio_seconds,
    }
    status: int = GrpcCode[call.code].value[0]
    return {"rpc.grpc.status_code": status, **{name: value for name, value in found.items() if value}}


def _on_the_clock(moment: float, call: Call, now: int) -> int:
    """A moment of the call in nanoseconds since 1970; the call ended ``now``."""
    assert call.ended is not None, "a call is written down once it has ended"
    return now - round((call.ended - moment) * NANOSECONDS)
