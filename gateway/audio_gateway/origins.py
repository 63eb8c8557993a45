"""The pages that may call. A browser tells the origin of a request, and keeps pages from lying about it.

It asks before most requests of other pages (CORS), but not before it opens a WebSocket (RFC 6455, 10.2) or
sends a form: any page that a person visits could do that to a gateway on the person's own machine.
"""

import re
from collections.abc import Collection, Mapping
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send
from starlette.websockets import WebSocket

from audio_gateway.errors import ApiError

OF_THIS_MACHINE = re.compile(r"https?://(localhost|127\.0\.0\.1)(:\d+)?")
ANY = "*"
SAFE_METHODS = ("GET", "HEAD", "OPTIONS")
"""The methods that change nothing; CORS keeps their answers from the page."""


class OwnPages:
    """An ASGI application around another. It lets in its own pages, this machine's, and those of ``origins``.

    Who sends no origin is no browser, and is let in.
    """

    def __init__(self, app: ASGIApp, origins: Collection[str]) -> None:
        self._app = app
        self._origins = origins

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request, or refuse it."""
        if _changes_something(scope) and not self._is_welcome(headers := Headers(scope=scope)):
            refusal = ApiError(
                403,
                f"pages of {headers['origin']} may not call; name that origin in the gateway's setting "
                "origins, and in Envoy's cors_origins",
                code="origin_not_allowed",
            )
            answer = JSONResponse(refusal.body, refusal.status)
            if scope["type"] == "http":
                await answer(scope, receive, send)
            else:
                await WebSocket(scope, receive, send).send_denial_response(answer)
            return
        await self._app(scope, receive, send)

    def _is_welcome(self, headers: Mapping[str, str]) -> bool:
        origin = headers.get("origin")
        return (
            origin is None
            or ANY in self._origins
            or origin in self._origins
            or OF_THIS_MACHINE.fullmatch(origin) is not None
            or urlsplit(origin).netloc == headers.get("host")
        )


def _changes_something(scope: Scope) -> bool:
    if scope["type"] == "http":
        return scope["method"] not in SAFE_METHODS
    return bool(scope["type"] == "websocket")
