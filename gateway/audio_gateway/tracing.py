"""A span a request, by OpenTelemetry's conventions: https://opentelemetry.io/docs/specs/semconv/http."""

from typing import Protocol

from opentelemetry.trace import (
    INVALID_SPAN,
    NoOpTracerProvider,
    Span,
    SpanKind,
    StatusCode,
    TracerProvider,
    format_trace_id,
)
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
from starlette.datastructures import Headers
from starlette.types import Scope

from audio_grpc import __version__

METHODS = ("CONNECT", "DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT", "QUERY", "TRACE")


class Traced(Protocol):
    """The facts about a request that its span tells."""

    method: str
    path: str
    is_probe: bool
    request_id: str
    status: int
    complete: bool
    left: bool


class RequestTracer:
    """Starts and ends the spans of requests. Without a provider a caller's trace still passes through."""

    def __init__(self, provider: TracerProvider | None) -> None:
        self._tracer = (provider or NoOpTracerProvider()).get_tracer("audio_gateway", __version__)
        self._propagator = TraceContextTextMapPropagator()

    def start(self, scope: Scope, visit: Traced) -> Span:
        """The request's span, under the caller's if there is one (https://www.w3.org/TR/trace-context)."""
        if visit.is_probe:  # their traces would bury the others
            return INVALID_SPAN
        headers = Headers(scope=scope)
        return self._tracer.start_span(
            _verb(visit),
            context=self._propagator.extract(
                {name: headers.getlist(name) for name in self._propagator.fields}
            ),
            kind=SpanKind.SERVER,
            attributes={
                "http.request.method": method_label(visit.method),
                "url.scheme": scope["scheme"],
                "url.path": visit.path,
                "audio_grpc.request_id": visit.request_id,
            },
        )

    def finish(self, span: Span, route: str, visit: Traced) -> None:
        """Write down how it went. A caller who leaves or asks for nonsense is not an error."""
        if route:
            span.update_name(f"{_verb(visit)} {route}")
            span.set_attribute("http.route", route)
        if visit.status:
            span.set_attribute("http.response.status_code", visit.status)
        if fault := _fault(visit):
            span.set_attribute("error.type", fault)
            span.set_status(StatusCode.ERROR)
        span.end()


def method_label(method: str) -> str:
    """The method, or ``_OTHER`` for one that HTTP does not have: callers may make methods up."""
    return method if method in METHODS else "_OTHER"


def _verb(visit: Traced) -> str:
    """Returns the first word of a span's name; callers may invent methods."""
    return visit.method if visit.method in METHODS else "HTTP"


def _fault(visit: Traced) -> str:
    """Returns the span's type of an error of ours; empty for none."""
    if visit.left:
        return ""
    if visit.status >= 500:
        return str(visit.status)
    return "" if visit.complete else "incomplete"


def trace_id(span: Span) -> str:
    """32 hex digits; empty if nobody traces."""
    context = span.get_span_context()
    return format_trace_id(context.trace_id) if context.is_valid else ""
