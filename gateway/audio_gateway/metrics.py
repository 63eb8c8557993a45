"""Counters of the gateway, as Prometheus reads them: https://prometheus.io/docs/practices/naming/."""

import time
from typing import Protocol

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, generate_latest

from audio_gateway.tracing import method_label

BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)


class Served(Protocol):
    """The facts about a request that are counted."""

    method: str
    status: int
    complete: bool
    began: float
    first_byte: float | None


class GatewayMetrics:
    """The counters of one gateway, in a registry of their own."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        ProcessCollector(namespace="audio_gateway", registry=self._registry)
        self.active = Gauge(
            "audio_gateway_active_requests", "Requests that are being served.", registry=self._registry
        )
        self._requests = Counter(
            "audio_gateway_requests_total",
            "Requests that have ended; status 0: the caller left before an answer.",
            ("method", "route", "status", "complete"),
            registry=self._registry,
        )
        self._seconds = Histogram(
            "audio_gateway_request_seconds",
            "From the arrival of a request to the end of its answer.",
            ("route",),
            buckets=BUCKETS,
            registry=self._registry,
        )
        self._first_byte = Histogram(
            "audio_gateway_first_byte_seconds",
            "From the arrival of a request to the first byte of its answer's body.",
            ("route",),
            buckets=BUCKETS,
            registry=self._registry,
        )

    def served(self, route: str, request: Served) -> None:
        """Counts a request that has ended."""
        complete = str(request.complete).lower()
        self._requests.labels(method_label(request.method), route, request.status, complete).inc()
        self._seconds.labels(route).observe(time.perf_counter() - request.began)
        if request.first_byte is not None:
            self._first_byte.labels(route).observe(request.first_byte - request.began)

    def exposition(self) -> bytes:
        """Returns all metrics in Prometheus's text format."""
        return generate_latest(self._registry)
