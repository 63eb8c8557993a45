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

    def start(self, scope: Scope, request: Traced) -> Span:
        """The request's span, under the caller's if there is one (https://www.w3.org/TR/trace-context)."""
        if request.is_probe:  # their traces would bury the others
            return INVALID_SPAN
        headers = Headers(scope=scope)
        return self._tracer.start_span(
            _verb(request),
            context=self._propagator.extract(
                {name: headers.getlist(name) for name in self._propagator.fields}
            ),
            kind=SpanKind.SERVER,
            attributes={
                "http.request.method": method_label(request.method),
                "url.scheme": scope["scheme"],
                "url.path": request.path,
                "audio_grpc.request_id": request.request_id,
            },
        )

    def finish(self, span: Span, route: str, request: Traced) -> None:
        """Write down how it went. A caller who leaves or asks for nonsense is not an error."""
        if route:
            span.update_name(f"{_verb(request)} {route}")
            span.set_attribute("http.route", route)
        if request.status:
            span.set_attribute("http.response.status_code", request.status)
        if fault := _fault(request):
            span.set_attribute("error.type", fault)
            span.set_status(StatusCode.ERROR)
        span.end()


def method_label(method: str) -> str:
    """The method, or ``_OTHER`` for one that HTTP does not have: callers may make methods up."""
    return method if method in METHODS else "_OTHER"


def _verb(request: Traced) -> str:
    """Returns the first word of a span's name; callers may invent methods."""
    return request.method if request.method in METHODS else "HTTP"


def _fault(request: Traced) -> str:
    """Returns the span's type of an error of ours; empty for none."""
    if request.left:
        return ""
    if request.status >= 500:
        return str(request.status)
    return "" if request.complete else "incomplete"


def trace_id(span: Span) -> str:
    """32 hex digits; empty if nobody traces."""
    context = span.get_span_context()
    return format_trace_id(context.trace_id) if context.is_valid else ""
