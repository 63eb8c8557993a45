"""Sees every call come and go."""

import asyncio
import logging
import re
import secrets
from collections.abc import Iterator
from contextlib import contextmanager

from opentelemetry.context import attach
from opentelemetry.trace import INVALID_SPAN, Span, set_span_in_context

from audio_grpc.telemetry.activities import Activities
from audio_grpc.telemetry.call import Call, current_call
from audio_grpc.telemetry.history import RequestHistory
from audio_grpc.telemetry.logs import common_fields
from audio_grpc.telemetry.metrics import Metrics
from audio_grpc.telemetry.tracing import CallTracer, Metadata

REQUEST_ID = "x-request-id"
VISIBLE = re.compile(r"[!-~]{1,128}")

calls = logging.getLogger("audio_grpc.calls")


class Observer:
    """Counts, traces, logs and follows calls; ``preview_characters`` of a text are kept to be shown."""

    def __init__(
        self,
        metrics: Metrics,
        tracer: CallTracer,
        activities: Activities,
        history: RequestHistory,
        preview_characters: int,
    ) -> None:
        self._metrics = metrics
        self._tracer = tracer
        self._activities = activities
        self._history = history
        self._preview_characters = preview_characters

    @contextmanager
    def observe(self, path: str, metadata: Metadata) -> Iterator[Call]:
        """The record of the call to ``path`` (/service/method), which the body fills in."""
        _, service, method = path.split("/")
        call = Call(service, method, _request_id(metadata), preview_characters=self._preview_characters)
        span = self._tracer.start(call, metadata)
        # Never taken back, as the task ends with the call.
        current_call.set(call)
        common_fields.set({"request_id": call.request_id, "trace_id": call.trace_id, "method": method})
        if span is not INVALID_SPAN:
            # For whoever traces below (a backend that asks another service).
            attach(set_span_in_context(span))
        self._activities.begin(call)
        try:
            yield call
        finally:
            call.end()
            # The caller does not wait for it: the last message is on its way by then.
            asyncio.get_running_loop().call_soon(self._write_down, call, span)

    def _write_down(self, call: Call, span: Span) -> None:
        self._activities.end(call)
        self._history.end(call)
        self._metrics.record(call)
        self._tracer.finish(span, call)
        calls.info("call ended", extra={"fields": _fields(call)})


def _request_id(metadata: Metadata) -> str:
    """The caller's, if it is 1 to 128 visible ASCII characters; else a new one."""
    for name, value in metadata:
        if name == REQUEST_ID and isinstance(value, str) and VISIBLE.fullmatch(value):
            return value
    return secrets.token_hex(16)


def _fields(call: Call) -> dict[str, object]:
    """Returns the log fields of a call beside id and method; never its text, nor an error's message."""
    found = {
        "code": call.code,
        "reason": call.reason or None,
        "field": call.wrong_field or None,
        "model": call.model or None,
        "key": call.key or None,
        "milliseconds": _milliseconds(call.seconds),
        "queued_milliseconds": _milliseconds(call.queued_seconds),
        "first_milliseconds": _milliseconds(call.first_result_seconds),
        "audio_seconds": round(call.audio_seconds, 3) or None,
        "characters": call.characters or None,
    }
    return {name: value for name, value in found.items() if value is not None}


def _milliseconds(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds * 1000, 1)
