"""Paths as people write them, and HEAD wherever there is GET.

A client that joins its base address and a path by hand has a slash too many, at the end or between them. A
redirect would not do: it names another address than a proxy's, and many clients follow none of a POST.
"""

import asyncio
import re
from urllib.parse import unquote

from starlette.routing import Match, Router
from starlette.types import ASGIApp, Message, Receive, Scope, Send

SLASHES = re.compile(rb"/{2,}")
VERSION = "/v1"


class PlainPaths:
    """An ASGI application around another. It takes slashes too many out of paths, and serves HEAD as GET."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] in ("http", "websocket"):
            scope.update(_plain(scope))
        if scope["type"] != "http" or scope["method"] != "HEAD":
            await self._app(scope, receive, send)
            return
        head = _Head(receive, send)
        # The server, which has the scope of before, sends no body of an answer to HEAD.
        inner = {**scope, "method": "GET"}
        try:
            await self._app(inner, head.receive, head.send)
        finally:
            scope.update({**inner, "method": "HEAD"})  # which route it was


class _Head:
    """One request for a head. An answer in pieces ends with the first: the next might be a long time off."""

    def __init__(self, receive: Receive, send: Send) -> None:
        self._receive = receive
        self._send = send
        self._answered = asyncio.Event()

    async def receive(self) -> Message:
        """The next message of the caller, who leaves once the head was sent."""
        receiving = asyncio.ensure_future(self._receive())
        answered = asyncio.ensure_future(self._answered.wait())
        try:
            await asyncio.wait((receiving, answered), return_when=asyncio.FIRST_COMPLETED)
            return receiving.result() if receiving.done() else {"type": "http.disconnect"}
        finally:
            receiving.cancel()
            answered.cancel()

    async def send(self, message: Message) -> None:
        """The next message to the caller."""
        if self._answered.is_set():
            return
        await self._send({**message, "more_body": False} if "body" in message else message)
        if message["type"] == "http.response.body":
            self._answered.set()


def _plain(scope: Scope) -> dict[str, str | bytes]:
    """Returns what to change of the scope; a slash of a name is %2F, and stays."""
    raw: bytes = scope.get("raw_path") or b""
    plain = SLASHES.sub(b"/", raw)
    plain = plain.rstrip(b"/") or b"/"
    return {} if not raw or plain == raw else {"raw_path": plain, "path": unquote(plain.decode("latin-1"))}


def meant(scope: Scope, router: Router) -> str | None:
    """Returns the path that may be meant by one that there is not: with the version, once, in lower case."""
    path: str = scope["path"]
    stem = path.lower()
    while stem.startswith(f"{VERSION}{VERSION}/"):
        stem = stem.removeprefix(VERSION)
    for candidate in (stem, f"{VERSION}{stem}"):
        if candidate != path and _is_there({**scope, "path": candidate}, router):
            return candidate
    return None


def _is_there(scope: Scope, router: Router) -> bool:
    return any(route.matches(scope)[0] is not Match.NONE for route in router.routes)
