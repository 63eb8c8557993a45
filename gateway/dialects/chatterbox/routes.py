"""All paths of the dialect, without a prefix."""

from typing import Any

from fastapi import APIRouter, Depends, Request
from fastapi.routing import APIRoute
from starlette.responses import RedirectResponse

from gateway.dialects.chatterbox import (
    job_history_routes,
    library_routes,
    long_routes,
    speech_routes,
    status_routes,
)
from gateway.dialects.chatterbox.errors import translate
from gateway.errors import speaks

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


@router.get("/docs", include_in_schema=False)
@router.get("/redoc", include_in_schema=False)
@router.get("/openapi.json", include_in_schema=False)
async def find_documentation(request: Request) -> RedirectResponse:
    """Redirects requests for the documentation below a prefix to the root."""
    return RedirectResponse("/" + request.url.path.rpartition("/")[2])
