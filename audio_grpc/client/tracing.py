"""Passing the current trace on to the server."""

from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator


def trace_metadata() -> dict[str, str]:
    """``traceparent`` and ``tracestate`` of the current span, for ``with_metadata``; empty if there is none.

    https://www.w3.org/TR/trace-context
    """
    metadata: dict[str, str] = {}
    TraceContextTextMapPropagator().inject(metadata)
    return metadata
