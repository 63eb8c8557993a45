"""Sending spans to a collector: https://opentelemetry.io/docs/specs/otlp."""

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from opentelemetry.trace import TracerProvider

from audio_grpc.errors import ConfigurationError
from audio_grpc.extras import install

SERVICE_NAME = "audio-grpc"
FLUSH_SECONDS = 5.0

log = logging.getLogger(__name__)


@contextmanager
def exporting(endpoint: str | None, service: str = SERVICE_NAME) -> Iterator[TracerProvider | None]:
    """A provider whose spans go to the OTLP/HTTP ``endpoint``; what waits is sent at the end. None: none.

    They come from ``service``, unless OTEL_SERVICE_NAME names another.

    A collector that does not answer costs the spans, and at the end a few seconds, nothing else.
    OTEL_EXPORTER_OTLP_HEADERS, OTEL_TRACES_SAMPLER and the SDK's other variables count as well.
    ConfigurationError without the extra that brings the SDK.
    """
    if endpoint is None:
        yield None
        return
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk import trace
        from opentelemetry.sdk.resources import OTELResourceDetector, Resource
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
    except ImportError as error:
        raise ConfigurationError(
            f"otlp_endpoint needs what is not installed ({error}); install it with: " + install("telemetry")
        ) from error
    named = Resource.create({"service.name": service}).merge(OTELResourceDetector().detect())
    provider = trace.TracerProvider(resource=named, shutdown_on_exit=False)
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(endpoint=endpoint)))
    log.info("sending traces to %s", endpoint)
    try:
        yield provider
    finally:
        # The SDK itself would wait half a minute for a collector that does not answer.
        flushing = threading.Thread(target=provider.shutdown, name="last spans", daemon=True)
        flushing.start()
        flushing.join(FLUSH_SECONDS)
        if flushing.is_alive():
            log.warning("the last spans did not reach %s in %g s; leaving them", endpoint, FLUSH_SECONDS)
