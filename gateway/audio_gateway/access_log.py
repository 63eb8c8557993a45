"""Around every request: an id, a span, a line in the log, and the counters."""

import logging
import re
import time
import uuid
from collections.abc import Iterable
from dataclasses import dataclass, field

from opentelemetry.trace import use_span
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from audio_gateway.metrics import GatewayMetrics
from audio_gateway.tracing import RequestTracer, trace_id
from audio_grpc.telemetry.logs import common_fields

REQUEST_ID = "x-request-id"
PROBES = ("/livez", "/readyz", "/metrics")
HANDSHAKE = "GET"
"""The method of the request that opens a WebSocket."""
NORMAL_CLOSURE = 1000
ACCEPTABLE_ID = re.compile(r"[\x21-\x7e]{1,128}")

access = logging.getLogger("audio_gateway.access")


@dataclass
class RequestState:
    """The state of one request while it is being served."""

    method: str
    path: str
    request_id: str
    began: float = field(default_factory=time.perf_counter)
    first_byte: float | None = None
    status: int = 0
    complete: bool = False
    left: bool = False
    """The caller hung up before the answer was complete."""
    is_probe: bool = field(init=False)
    """True for health checks, which machines send every few seconds."""

    def __post_init__(self) -> None:
        self.is_probe = self.path in PROBES


class AccessLog:
    """An ASGI application around another. It leaves what it does not know (lifespan) alone.

    A WebSocket is a request with status 101, or 403 if it was not accepted; it is complete if both sides
    closed it in good order.
    """

    def __init__(self, app: ASGIApp, metrics: GatewayMetrics, tracer: RequestTracer) -> None:
        self._app = app
        self._metrics = metrics
        self._tracer = tracer

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        request = RequestState(scope.get("method", HANDSHAKE), scope["path"], _request_id(scope))
        scope.setdefault("state", {})["request_id"] = request.request_id
        span = self._tracer.start(scope, request)
        # Never taken back: the task ends with the request, and uvicorn has the last word in it.
        common_fields.set({"request_id": request.request_id, "trace_id": trace_id(span)})
        with (
            self._metrics.active.track_inprogress(),
            use_span(span, record_exception=False, set_status_on_exception=False),
        ):
            try:
                await self._app(scope, _listened(receive, request), _watched(send, request))
            finally:
                self._metrics.served(_route(scope), request)
                self._tracer.finish(span, _route(scope), request)
                _log(request)


def _log(request: RequestState) -> None:
    fields = {
        "method": request.method,
        "path": request.path,
        "status": request.status,
        "complete": request.complete,
        "milliseconds": round((time.perf_counter() - request.began) * 1000, 1),
    }
    level = logging.DEBUG if request.is_probe else logging.INFO
    access.log(level, "request ended", extra={"fields": fields})


def _request_id(scope: Scope) -> str:
    """The caller's, if it has one that can be passed on."""
    given = dict(scope["headers"]).get(REQUEST_ID.encode(), b"").decode("latin-1")
    return given if ACCEPTABLE_ID.fullmatch(given) else str(uuid.uuid4())


def _route(scope: Scope) -> str:
    """The template of the path, from the router: ``/v1/models/{model}``.

    Empty if it is no route's: it could be anything then, and must not make a label of its own.
    """
    template: str = getattr(scope.get("route"), "path_format", "")
    # Of a router that was included the template begins below its prefix, which has no parameters.
    asked = template.format(**scope.get("path_params", {}))
    path: str = scope["path"]
    return path[: len(path) - len(asked)] + template if template and path.endswith(asked) else template


def _listened(receive: Receive, request: RequestState) -> Receive:
    async def listened() -> Message:
        message = await receive()
        if message["type"] in ("http.disconnect", "websocket.disconnect") and not request.complete:
            request.left = True
        return message

    return listened


def _watched(send: Send, request: RequestState) -> Send:
    async def watched(message: Message) -> None:
        if message["type"] in ("http.response.start", "websocket.http.response.start"):
            request.status = message["status"]
            message["headers"] = _with_id(message.get("headers", ()), request.request_id)
        elif message["type"] in ("http.response.body", "websocket.http.response.body"):
            if request.first_byte is None and message.get("body"):
                request.first_byte = time.perf_counter()
            request.complete = not message.get("more_body", False)
        elif message["type"] == "websocket.accept":
            request.status = 101
            message["headers"] = _with_id(message.get("headers", ()), request.request_id)
        elif message["type"] == "websocket.send":
            request.first_byte = request.first_byte or time.perf_counter()
        elif message["type"] == "websocket.close":
            request.status = request.status or 403
            request.complete = message.get("code", NORMAL_CLOSURE) == NORMAL_CLOSURE
        await send(message)

    return watched


def _with_id(headers: Iterable[tuple[bytes, bytes]], request_id: str) -> list[tuple[bytes, bytes]]:
    return [*headers, (REQUEST_ID.encode(), request_id.encode())]
