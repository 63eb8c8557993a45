"""/metrics over HTTP, beside the gRPC port."""

from contextlib import suppress
from wsgiref.simple_server import WSGIRequestHandler

from prometheus_client import CollectorRegistry, start_http_server

from audio_grpc.errors import ConfigurationError

SILENT_SECONDS = 10.0
BACKLOG = 128


class _Handler(WSGIRequestHandler):
    """Serves one connection on a thread of its own, and ends it if it is silent for too long."""

    timeout = SILENT_SECONDS

    def handle(self) -> None:
        """Serves one request."""
        with suppress(TimeoutError):
            super().handle()

    def log_message(self, *_: object) -> None:
        """Scrapes are no news."""


class MetricsEndpoint:
    """A small HTTP server on a thread of its own, so that a busy event loop can still be looked at."""

    def __init__(self, registry: CollectorRegistry, host: str, port: int) -> None:
        """Listen; port 0 is any free one. Raises ConfigurationError if the port cannot be had."""
        try:
            self._server, self._thread = start_http_server(port, host, registry)
        except OSError as error:
            raise ConfigurationError(
                f"cannot serve metrics on {host}:{port} ({error.strerror}); is something else listening "
                "there? Choose another metrics_port (0: any free one) or metrics_host"
            ) from error
        self._server.RequestHandlerClass = _Handler
        self._server.socket.listen(BACKLOG)  # of five by itself, which a few silent ones fill
        written = f"[{host}]" if ":" in host else host
        self.url = f"http://{written}:{self._server.server_port}/metrics"

    def close(self) -> None:
        """Stop listening; blocks for up to half a second."""
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
