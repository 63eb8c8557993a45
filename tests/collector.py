"""A collector of traces: OTLP/HTTP into memory."""

import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.proto.common.v1.common_pb2 import KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import Span


class Collector:
    """Collects the traces that are sent to ``url``."""

    def __init__(self, status: int) -> None:
        self.requests: list[ExportTraceServiceRequest] = []
        self.received = threading.Semaphore(0)
        received, requests = self.received, self.requests

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                requests.append(ExportTraceServiceRequest.FromString(self._body()))
                self.send_response(status)
                self.end_headers()
                self.wfile.write(ExportTraceServiceResponse().SerializeToString())
                received.release()

            def _body(self) -> bytes:
                if "Content-Length" in self.headers:
                    return self.rfile.read(int(self.headers["Content-Length"]))
                body = b""  # Envoy sends chunks
                while size := int(self.rfile.readline(), 16):
                    body += self.rfile.read(size)
                    self.rfile.readline()
                self.rfile.readline()
                return body

            def log_message(self, *_: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/v1/traces"

    @property
    def spans(self) -> dict[str, Span]:
        """Returns the spans by name; a name that came twice is an error of the test."""
        found = [
            span
            for request in self.requests
            for resource in request.resource_spans
            for scope in resource.scope_spans
            for span in scope.spans
        ]
        named = {span.name: span for span in found}
        assert len(named) == len(found)
        return named

    @property
    def services(self) -> set[str]:
        """Returns the names of the services that sent traces."""
        return {
            str(values(resource.resource.attributes)["service.name"])
            for request in self.requests
            for resource in request.resource_spans
        }


def values(attributes: Iterable[KeyValue]) -> dict[str, object]:
    """Attributes as a dictionary."""
    return {pair.key: getattr(pair.value, str(pair.value.WhichOneof("value"))) for pair in attributes}


@contextmanager
def collecting(status: int = 200) -> Iterator[Collector]:
    """A collector that answers with ``status``."""
    collector = Collector(status)
    thread = threading.Thread(target=collector.server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield collector
    finally:
        collector.server.shutdown()
        thread.join()
        collector.server.server_close()
