"""The gateway's first request, which it makes itself."""

from starlette.types import ASGIApp, Message, Scope


async def warm_up(app: ASGIApp) -> None:
    """Has the application say that it lives, which is its last route.

    FastAPI makes routes when it first looks through them: the first caller would wait a quarter of a second.
    """
    scope: Scope = {
        "type": "http",
        "http_version": "1.1",
        "method": "GET",
        "scheme": "http",
        "path": "/livez",
        "raw_path": b"/livez",
        "query_string": b"",
        "headers": [],
    }

    async def receive() -> Message:
        return {"type": "http.request", "body": b""}

    async def send(message: Message) -> None:
        """Drops the message, as nobody reads it."""

    await app(scope, receive, send)
