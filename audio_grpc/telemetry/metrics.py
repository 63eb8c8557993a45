"""Metrics for Prometheus: https://prometheus.io/docs/practices/naming."""

from collections.abc import Iterable
from functools import cache

from prometheus_client import (
    CollectorRegistry,
    Counter,
    GCCollector,
    Histogram,
    PlatformCollector,
    ProcessCollector,
)
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from audio_grpc.runtime.model import State
from audio_grpc.runtime.models import Models
from audio_grpc.telemetry.call import Call

WAITS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)
WHOLE_CALLS = (*WAITS, 120, 300, 600, 1800)
REAL_TIME_FACTORS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 0.75, 1, 1.5, 2.5, 5, 10)


class Metrics:
    """The metrics of one server, on a registry of its own. ``model`` is empty for calls that found none."""

    def __init__(self, models: Models) -> None:
        self.registry = registry = CollectorRegistry()
        calls = Counter(
            "audio_grpc_calls_total",
            "Calls that ended, by gRPC status and by the reason in their google.rpc.ErrorInfo.",
            ("method", "model", "code", "reason"),
            registry=registry,
        )
        call_seconds = Histogram(
            "audio_grpc_call_seconds",
            "How long calls took, from their first message to their end, well or not.",
            ("method", "model"),
            buckets=WHOLE_CALLS,
            registry=registry,
        )
        self._first_result_seconds = Histogram(
            "audio_grpc_first_result_seconds",
            "Time from the complete request to the first sound or segment.",
            ("method", "model"),
            buckets=WAITS,
            registry=registry,
        )
        self._queue_wait_seconds = Histogram(
            "audio_grpc_queue_wait_seconds",
            "Time from the complete request until the model began on it; calls that gave up are not in it.",
            ("model",),
            buckets=WAITS,
            registry=registry,
        )
        self._real_time_factor = Histogram(
            "audio_grpc_real_time_factor",
            "Time from the model's beginning to the end of a call that went well, for each second of audio; "
            "a caller who reads slowly counts too.",
            ("method", "model"),
            buckets=REAL_TIME_FACTORS,
            registry=registry,
        )
        self._audio_seconds = Counter(
            "audio_grpc_audio_seconds_total",
            "Seconds of audio that were decoded (in) or spoken (out), also in calls that ended early.",
            ("model", "direction"),
            registry=registry,
        )
        self._characters = Counter(
            "audio_grpc_characters_total",
            "Characters of the texts that the model began to speak.",
            ("model",),
            registry=registry,
        )
        # Every call is counted by these two, and finding a metric by its labels costs more than counting.
        self._calls, self._call_seconds = cache(calls.labels), cache(call_seconds.labels)
        registry.register(ModelMetrics(models))
        ProcessCollector(registry=registry)
        PlatformCollector(registry=registry)
        GCCollector(registry=registry)

    def record(self, call: Call) -> None:
        """Count a call that has ended."""
        method, model = call.method, call.model
        self._calls(method, model, call.code, call.reason).inc()
        self._call_seconds(method, model).observe(call.seconds)
        if call.queued_seconds is None:
            return
        self._queue_wait_seconds.labels(model).observe(call.queued_seconds)
        if call.characters:
            self._characters.labels(model).inc(call.characters)
        if call.audio_seconds_in:
            self._audio_seconds.labels(model, "in").inc(call.audio_seconds_in)
        if call.audio_seconds_out:
            self._audio_seconds.labels(model, "out").inc(call.audio_seconds_out)
        if call.first_result_seconds is not None:
            self._first_result_seconds.labels(method, model).observe(call.first_result_seconds)
        if call.code == "OK" and call.audio_seconds and call.worked_seconds is not None:
            factor = call.worked_seconds / call.audio_seconds
            self._real_time_factor.labels(method, model).observe(factor)


class ModelMetrics(Collector):
    """Metrics of the models, computed at each scrape."""

    def __init__(self, models: Models) -> None:
        self._models = models

    def collect(self) -> Iterable[Metric]:
        """A sample a model."""
        active = GaugeMetricFamily(
            "audio_grpc_active_calls", "Calls that have a place on the model.", labels=("model",)
        )
        queued = GaugeMetricFamily(
            "audio_grpc_queued_calls", "Calls that wait for a place on the model.", labels=("model",)
        )
        loaded = GaugeMetricFamily(
            "audio_grpc_model_loaded", "1 if the model is in memory, else 0.", labels=("model",)
        )
        memory = GaugeMetricFamily(
            "audio_grpc_model_memory_bytes",
            "What the model took when it was loaded (host: growth of resident memory, device: of the GPU's "
            "used memory); an estimate, and only of models in memory.",
            labels=("model", "kind"),
        )
        reloads = CounterMetricFamily(
            "audio_grpc_model_reloads",
            "Times that the model was loaded again because it had crashed.",
            labels=("model",),
        )
        live = GaugeMetricFamily(
            "audio_grpc_live_streams", "Callers who are still speaking, being listened to.", labels=("model",)
        )
        for model in self._models.all:
            active.add_metric([model.name], model.admission.running)
            queued.add_metric([model.name], model.admission.waiting)
            live.add_metric([model.name], model.live_admission.running)
            loaded.add_metric([model.name], model.state is State.READY)
            reloads.add_metric([model.name], model.reloads)
            if model.state is State.READY:
                for kind, size in (("host", model.footprint.host), ("device", model.footprint.device)):
                    if size is not None:
                        memory.add_metric([model.name, kind], size)
        return active, queued, live, loaded, memory, reloads
