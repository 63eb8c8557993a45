"""All paths of the dialect, without a prefix."""

from functools import cache
from typing import Any

from fastapi import APIRouter, Depends, Request
from fastapi.openapi.utils import get_openapi
from fastapi.routing import APIRoute
from starlette.responses import RedirectResponse

from audio_gateway.dialects.chatterbox import (
    job_history_routes,
    library_routes,
    long_routes,
    speech_routes,
    status_routes,
)
from audio_gateway.dialects.chatterbox.errors import translate
from audio_gateway.errors import speaks
from audio_grpc import __version__

PREFIX = "/chatterbox"
"""Below it everything is as at Chatterbox; at the root, what OpenAI has as well is as there."""
PARTS = (
    speech_routes.router,
    job_history_routes.router,
    long_routes.router,
    library_routes.router,
    status_routes.router,
)

router = APIRouter(dependencies=[Depends(speaks(translate))])
for part in PARTS:
    router.include_router(part)


@router.get("/endpoints", tags=["chatterbox: status"])
@router.get("/routes", include_in_schema=False)
async def list_endpoints() -> dict[str, Any]:
    """Every path of this dialect, with its other names."""
    routes = [route for part in PARTS for route in part.routes if isinstance(route, APIRoute)]
    return status_routes.endpoints(routes)


@router.get("/openapi.json", include_in_schema=False)
async def describe() -> dict[str, Any]:
    """Returns the OpenAPI document of this dialect alone, whose paths are also found below /v1."""
    return _document()


@cache
def _document() -> dict[str, Any]:
    documented = APIRouter()
    for prefix in ("", "/v1"):
        documented.include_router(router, prefix=prefix)
    return get_openapi(
        title="audio-grpc, as Chatterbox TTS",
        version=__version__,
        routes=documented.routes,
        servers=[{"url": PREFIX}],
    )


@router.get("/docs", include_in_schema=False)
@router.get("/redoc", include_in_schema=False)
async def find_documentation(request: Request) -> RedirectResponse:
    """Redirects requests for the documentation below a prefix to the root."""
    return RedirectResponse("/" + request.url.path.rpartition("/")[2])
