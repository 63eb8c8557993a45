"""Assembles the gateway: dialects, playground, what surrounds every request, health, and documentation."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from http import HTTPStatus

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, PlainTextResponse
from fastapi_offline import FastAPIOffline
from opentelemetry.trace import TracerProvider
from prometheus_client import CONTENT_TYPE_LATEST
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.responses import Response
from starlette.types import ASGIApp

from audio_gateway import history, playground
from audio_gateway.access_log import AccessLog
from audio_gateway.bodies import Bodies, BodyMemory
from audio_gateway.config import GatewaySettings
from audio_gateway.dialects import chatterbox, gateflow, live, openai, shared
from audio_gateway.dialects.openai import azure
from audio_gateway.errors import SERVER, ApiError, translated
from audio_gateway.keys import AcceptedKeys
from audio_gateway.metrics import GatewayMetrics
from audio_gateway.origins import OwnPages
from audio_gateway.paths import PlainPaths, meant
from audio_gateway.problems import from_validation
from audio_gateway.tracing import RequestTracer
from audio_gateway.upstream import server_tls
from audio_grpc import __version__
from audio_grpc.client import AsyncClient, ServiceError
from audio_grpc.errors import QUOTED_CHARACTERS, shortened

DESCRIPTION = """\
Speech over HTTP, in OpenAI's shapes: point an OpenAI client's `base_url` at `/v1` of this server. Clients of
Chatterbox TTS find its paths at the root, and below `/chatterbox`; those of GateFlow find its voice pipelines
at `/v1/audio/pipelines`, and all of it below `/gateflow/v1`. Audio and transcripts are sent while they are
being made. Errors say what to do about them.
"""
CLIENT_CLOSED_REQUEST = 499


def make_app(settings: GatewaySettings, tracer_provider: TracerProvider | None = None) -> ASGIApp:
    """The gateway as an ASGI application; ``tracer_provider`` is where its spans go, if anywhere.

    Raises ConfigurationError for settings that cannot be.
    """
    metrics = GatewayMetrics()
    app = FastAPIOffline(
        title="audio-grpc",
        version=__version__,
        description=DESCRIPTION,
        lifespan=_connected,
        redirect_slashes=False,
        # Its spans would carry query strings, and without a provider would lose the caller's trace.
        telemetry={"tracing": False, "metrics": False, "logs": False, "operation_spans": False},
    )
    app.state.settings = settings
    app.state.server_tls = server_tls(settings)
    app.state.accepted_keys = AcceptedKeys()
    _add_dialects(app)
    app.include_router(playground.make_router())
    app.include_router(history.router)
    _add_health(app)
    _add_metrics(app, metrics)
    _add_errors(app)
    bounded = Bodies(
        PlainPaths(OwnPages(app, settings.origins)), BodyMemory(settings.max_body_bytes_in_flight)
    )
    return AccessLog(bounded, metrics, RequestTracer(tracer_provider))


def _add_dialects(app: FastAPI) -> None:
    """Each below a prefix of its own, and all of them at the root, where what comes first has a path."""
    for router in (live.router, shared.router, openai.router, gateflow.own_router):
        app.include_router(router, prefix=openai.PREFIX)
    for router in (openai.router, openai.speech_router):
        app.include_router(router, prefix=f"/openai{openai.PREFIX}", include_in_schema=False)
    app.include_router(azure.router, prefix=azure.PREFIX, include_in_schema=False)
    for router in (gateflow.router, gateflow.own_router, openai.router, openai.speech_router):
        app.include_router(router, prefix=gateflow.PREFIX, include_in_schema=False)
    app.include_router(chatterbox.router)
    for prefix in (openai.PREFIX, chatterbox.PREFIX, f"{chatterbox.PREFIX}{openai.PREFIX}"):
        app.include_router(chatterbox.router, prefix=prefix, include_in_schema=False)


@asynccontextmanager
async def _connected(app: FastAPI) -> AsyncIterator[None]:
    settings: GatewaySettings = app.state.settings
    async with AsyncClient(settings.server, tls=app.state.server_tls) as client:
        app.state.client = client
        yield


def _add_health(app: FastAPI) -> None:
    @app.get("/livez", include_in_schema=False)
    async def live() -> PlainTextResponse:
        return PlainTextResponse("live\n")

    @app.get("/readyz", include_in_schema=False)
    async def ready(request: Request) -> PlainTextResponse:
        client: AsyncClient = request.app.state.client
        try:
            serving = await client.is_serving()
        except ServiceError:
            serving = False
        return PlainTextResponse("ready\n" if serving else "not ready\n", 200 if serving else 503)


def _add_metrics(app: FastAPI, metrics: GatewayMetrics) -> None:
    @app.get("/metrics", include_in_schema=False)
    async def exposition() -> Response:
        return Response(metrics.exposition(), media_type=CONTENT_TYPE_LATEST)


def _add_errors(app: FastAPI) -> None:
    """Every error is an :class:`ApiError`, whoever found it."""

    @app.exception_handler(ApiError)
    async def refused(request: Request, error: ApiError) -> JSONResponse:
        if request.url.path.startswith(f"{chatterbox.PREFIX}/"):
            return JSONResponse(chatterbox.error_body(error), chatterbox.error_status(error), error.headers)
        return JSONResponse(error.body, error.status, error.headers)

    @app.exception_handler(ServiceError)
    async def failed(request: Request, error: ServiceError) -> JSONResponse:
        return await refused(request, translated(error, request))

    @app.exception_handler(RequestValidationError)
    async def invalid(request: Request, error: RequestValidationError) -> JSONResponse:
        return await refused(request, from_validation(error.errors()))

    @app.exception_handler(HTTPException)
    async def unroutable(request: Request, error: HTTPException) -> JSONResponse:
        path = shortened(request.url.path, QUOTED_CHARACTERS)
        other = meant(request.scope, app.router) if error.status_code == HTTPStatus.NOT_FOUND else None
        advice = f"there is {other}; is the base URL right?" if other else "see /docs for what there is"
        message = f"{request.method} {path}: {error.detail}; {advice}"
        code = HTTPStatus(error.status_code).name.lower()
        answer = await refused(request, ApiError(error.status_code, message, code=code))
        answer.headers.update(error.headers or {})
        return answer

    @app.exception_handler(ClientDisconnect)
    async def left(request: Request, error: ClientDisconnect) -> Response:
        return Response(status_code=CLIENT_CLOSED_REQUEST)

    @app.exception_handler(Exception)
    async def broke(request: Request, error: Exception) -> JSONResponse:
        message = "an internal error; the gateway's log has the details"
        return await refused(request, ApiError(500, message, type=SERVER, code="internal"))
