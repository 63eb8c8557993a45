"""What a route needs of the request that it serves: the service on the caller's behalf, and the settings."""

from typing import Annotated, cast

from fastapi import Depends
from starlette.requests import HTTPConnection

from audio_grpc.client import AsyncClient, trace_metadata
from gateway.config import Settings

KEY_SUBPROTOCOL = "openai-insecure-api-key."


def _service(request: HTTPConnection) -> AsyncClient:
    client = cast("AsyncClient", request.app.state.client)
    metadata = {"x-request-id": request.state.request_id, **trace_metadata()}
    authorization = request.headers.get("authorization") or _among_subprotocols(request)
    # Metadata is printable ASCII; a key that is anything else is none of the service's.
    if authorization.isascii() and authorization.isprintable():
        metadata["authorization"] = authorization
    return client.with_metadata(metadata)


def _among_subprotocols(request: HTTPConnection) -> str:
    """Where OpenAI's clients in browsers put their key: a page cannot set the headers of a WebSocket."""
    for name in request.scope.get("subprotocols", ()):
        if name.startswith(KEY_SUBPROTOCOL):
            return f"Bearer {name.removeprefix(KEY_SUBPROTOCOL)}"
    return ""


def _settings(request: HTTPConnection) -> Settings:
    return cast("Settings", request.app.state.settings)


Service = Annotated[AsyncClient, Depends(_service)]
"""The gRPC service; calls carry the caller's key, the request id and the trace."""

Configured = Annotated[Settings, Depends(_settings)]
