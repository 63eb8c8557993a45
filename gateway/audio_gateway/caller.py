"""Dependencies of routes: a client of the service with the caller's key, and the settings."""

from typing import Annotated, cast
from uuid import NAMESPACE_OID, uuid5

from fastapi import Depends
from starlette.requests import HTTPConnection

from audio_gateway.config import GatewaySettings
from audio_gateway.keys import AcceptedKeys
from audio_grpc.client import AsyncClient, trace_metadata

IDEMPOTENCY_KEY = "idempotency-key"
KEY_SUBPROTOCOL = "openai-insecure-api-key."
AZURE_KEY = "api-key"


def _service(request: HTTPConnection) -> AsyncClient:
    client = cast("AsyncClient", request.app.state.client)
    metadata = {"x-request-id": request.state.request_id, **trace_metadata()}
    if authorization := _authorization(request):
        metadata["authorization"] = authorization
    return client.with_metadata(metadata)


def _authorization(request: HTTPConnection) -> str:
    """Returns the authorization for the service; empty if it is not printable ASCII, as metadata must be."""
    given = request.headers.get("authorization") or _of_azure(request) or _among_subprotocols(request)
    return given if given.isascii() and given.isprintable() else ""


def _of_azure(request: HTTPConnection) -> str:
    """Reads the key where Azure's clients put it: a header; for WebSockets the query, too."""
    in_query = request.query_params.get(AZURE_KEY, "") if request.scope["type"] == "websocket" else ""
    key = request.headers.get(AZURE_KEY) or in_query
    return f"Bearer {key}" if key else ""


def _among_subprotocols(request: HTTPConnection) -> str:
    """Returns the authorization from a WebSocket's subprotocols; empty if there is none.

    OpenAI's clients in browsers put the key there: a page cannot set the headers of a WebSocket.
    """
    for name in request.scope.get("subprotocols", ()):
        if name.startswith(KEY_SUBPROTOCOL):
            return f"Bearer {name.removeprefix(KEY_SUBPROTOCOL)}"
    return ""


async def require_key(request: HTTPConnection) -> None:
    """Return if the service lets the caller in; raises ServiceError if not, or if it cannot be asked."""
    accepted: AcceptedKeys = request.app.state.accepted_keys
    await accepted.require(_authorization(request), _service(request))


def settings_of(request: HTTPConnection) -> GatewaySettings:
    """The gateway's."""
    return cast("GatewaySettings", request.app.state.settings)


def request_id(request: HTTPConnection) -> str:
    """The ``Idempotency-Key`` of a request that may come again, as a UUID; empty without."""
    named = request.headers.get(IDEMPOTENCY_KEY, "")
    return str(uuid5(NAMESPACE_OID, named)) if named else ""


# FastAPI sends what is no coroutine to a thread, which takes longer than what these do.
async def _provide_service(request: HTTPConnection) -> AsyncClient:
    return _service(request)


async def _provide_settings(request: HTTPConnection) -> GatewaySettings:
    return settings_of(request)


Service = Annotated[AsyncClient, Depends(_provide_service)]
"""The gRPC service; calls carry the caller's key, the request id and the trace."""

Configured = Annotated[GatewaySettings, Depends(_provide_settings)]
