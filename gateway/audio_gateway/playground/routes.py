"""The page's paths, and how long a browser may keep what they answer."""

from fastapi import APIRouter, Request
from starlette.responses import Response

from audio_gateway.errors import ApiError
from audio_gateway.playground.files import PageFiles
from audio_grpc.errors import quoted

READ = ["GET", "HEAD"]
# The page is whole by itself: nothing from elsewhere, no inline script or style, in nobody's frame.
POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self'",
        "connect-src 'self'",
        "media-src blob:",
        "form-action 'none'",
        "base-uri 'none'",
        "frame-ancestors 'none'",
    )
)
PROTECTION = {
    "content-security-policy": POLICY,
    "permissions-policy": "microphone=(self)",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
}
# Asked for anew each time, and sent only if it has changed. The files have another path in each version.
CHANGES, NEVER_CHANGES = "no-cache", "public, max-age=31536000, immutable"


def make_router() -> APIRouter:
    """Returns a router of the page as it is on disk now."""
    page = PageFiles()
    router = APIRouter(include_in_schema=False)

    @router.api_route("/", methods=READ)
    async def index(request: Request) -> Response:
        headers = {**PROTECTION, "cache-control": CHANGES, "etag": f'"{page.version}"'}
        if headers["etag"] in request.headers.get("if-none-match", ""):
            return Response(status_code=304, headers=headers)
        return Response(page.index, media_type="text/html", headers=headers)

    @router.api_route("/playground/{version}/{name}", methods=READ)
    async def file(version: str, name: str) -> Response:
        found = page.files.get(name) if version == page.version else None
        if found is None:
            raise ApiError(404, f"the page has no file {quoted(name)} now; load it again", code="not_found")
        headers = {**PROTECTION, "cache-control": NEVER_CHANGES}
        return Response(found.content, media_type=found.media_type, headers=headers)

    return router
