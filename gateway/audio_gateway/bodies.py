"""Bodies of requests: only those of callers whom the service lets in are read, and only up to a bound."""

import asyncio
import gc
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import suppress
from typing import Any, TypeVar

from fastapi.routing import APIRoute
from pydantic_core import from_json
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from audio_gateway.caller import require_key, settings_of
from audio_gateway.errors import RATE, RETRY_SOON_SECONDS, ApiError
from audio_gateway.problems import no_json

MAX_JSON_BYTES = 1 << 20
MAX_JSON_MARKS = MAX_JSON_BYTES // 2
"""Brackets, braces and commas of a JSON body, so that a longer one takes no longer to parse."""
MARKS = (b"[", b"{", b",")
FREE_BYTES = 1 << 16
"""The bytes of each body that do not count: small ones go through beside large ones."""
SLOW_SECONDS = 15.0
"""A body that takes longer gives way to others who find no memory."""
MAX_DISCARDED_BYTES = 64 << 20
"""The most bytes discarded of a body that was refused: most clients read no answer before all is sent."""
MAX_DISCARDED_AT_ONCE = 2
"""Bodies; reading takes time from others, so the rest is treated as if it were hopeless."""
MAX_DISCARDED_SECONDS = 5.0
MAX_WAITING_SECONDS = 30.0
"""The longest wait, in seconds, of a body to be discarded whose sender was let in; its connection waits."""
HOPELESS_BYTES = 1 << 20
"""The bytes to read of one that is longer anyhow: time for an answer to arrive where it is waited for."""
STRANGERS = (401, 403)
"""The statuses of callers who are not let in, and for whom nobody waits."""
BOM = b"\xef\xbb\xbf"

T = TypeVar("T")
Handler = Callable[[Request], Coroutine[Any, Any, Response]]


class BodyMemory:
    """A bound on what all bodies hold together that have to be whole before they can be passed on."""

    def __init__(self, max_bytes: int) -> None:
        self.arriving: dict[BodyShare, None] = {}
        """The shares of bodies that are not whole yet, the oldest first."""
        self._left = max_bytes

    def take(self, size: int) -> None:
        """Takes bytes. Raises ApiError with status 429 if too few are left; then the slowest body ends."""
        if size > self._left:
            slowest = next(iter(self.arriving), None)
            if slowest is not None and time.monotonic() - slowest.since > SLOW_SECONDS:
                slowest.give_way()
            raise _no_memory(
                "the bodies of other requests take all the memory that they may have; try again in a moment"
            )
        self._left -= size

    def give_back(self, size: int) -> None:
        """Gives so many bytes back."""
        self._left += size


class BodyShare:
    """The part of that memory that one request takes until it has ended."""

    def __init__(self, memory: BodyMemory) -> None:
        self.since = 0.0
        """The time at which there was so much of it that it counts."""
        self._memory = memory
        self._size = 0
        self._gives_way = False
        self._limit: asyncio.Timeout | None = None

    def grow(self, size: int) -> None:
        """Adds bytes. Raises ApiError as :meth:`BodyMemory.take` does."""
        before = max(0, self._size - FREE_BYTES)
        more = max(0, self._size + size - FREE_BYTES) - before
        self._memory.take(more)
        self._size += size
        if more and not before:
            self.since = time.monotonic()
            self._memory.arriving[self] = None

    async def wait(self, coming: Awaitable[T], seconds: float) -> T:
        """Awaits more of the body. Raises TimeoutError; ApiError with status 429 if it has to give way."""
        try:
            async with asyncio.timeout(seconds) as self._limit:
                piece = await coming
        except TimeoutError:
            self._require_place()
            raise
        self._require_place()
        return piece

    def give_way(self) -> None:
        """Have it end, as it comes slowly and others need the memory."""
        self.arrived()
        self._gives_way = True
        if self._limit is not None and not self._limit.expired():
            with suppress(RuntimeError):  # it waits for nothing just now, and will look
                self._limit.reschedule(asyncio.get_running_loop().time())

    def _require_place(self) -> None:
        if self._gives_way:
            raise _no_memory("other requests need memory, and this body came slowly; send it again, faster")

    def arrived(self) -> None:
        """Records that the body is whole."""
        self._memory.arriving.pop(self, None)

    def end(self) -> None:
        """Gives all of its bytes back."""
        self.arrived()
        self._memory.give_back(max(0, self._size - FREE_BYTES))
        self._size = 0


class Kept:
    """The bytes of a body or a file in it, as far as they have come; they count until the request ends."""

    def __init__(self, request: Request) -> None:
        self.data = bytearray()
        self._share: BodyShare = request.state.share

    async def write(self, data: bytes) -> None:
        """Adds the data. Raises ApiError with status 429 if there is no memory left for it."""
        self._share.grow(len(data))
        self.data += data


async def pieces(request: Request, max_bytes: int, too_large: ApiError | None = None) -> AsyncIterator[bytes]:
    """The body as it arrives, once the service has let its sender in.

    ServiceError for a caller whom it does not; ApiError (``too_large``, or one of its own) with status 413
    for a body of more bytes, with 415 for a compressed one, and with 408 if nothing comes for
    ``max_idle_seconds``.
    """
    await require_key(request)
    refusal = too_large or _too_large(max_bytes)
    if request.headers.get("content-encoding", "identity").lower() != "identity":
        raise ApiError(415, "bodies are not decompressed; send it as it is", code="unsupported_encoding")
    if int(request.headers.get("content-length", 0)) > max_bytes:
        raise refusal
    size, idle, stream = 0, settings_of(request).max_idle_seconds, aiter(request.stream())
    share: BodyShare = request.state.share
    while True:
        try:
            piece = await share.wait(anext(stream, None), idle)
        except TimeoutError:
            message = f"nothing more of the body came for {idle:g} s; send it again"
            raise ApiError(408, message, code="idle") from None
        if piece is None:
            share.arrived()
            return
        size += len(piece)
        if size > max_bytes:
            raise refusal
        yield piece


async def whole(request: Request, max_bytes: int, too_large: ApiError | None = None) -> bytearray:
    """The body, once all of it is there. Errors as :func:`pieces`, and ApiError with status 429."""
    kept = Kept(request)
    async for piece in pieces(request, max_bytes, too_large):
        await kept.write(piece)
    if kept.data.startswith(BOM):
        del kept.data[: len(BOM)]
    return kept.data


def refuse_dense(body: bytearray) -> None:
    """Raises ApiError with status 413 for JSON of so many values that parsing it would hold up everybody."""
    if sum(body.count(mark) for mark in MARKS) > MAX_JSON_MARKS:
        message = f"the body has more than {MAX_JSON_MARKS} brackets, braces and commas; send less at once"
        raise ApiError(413, message, code="too_large")


def _no_memory(message: str) -> ApiError:
    return ApiError(429, message, RATE, code="rate_limit_exceeded", retry_after_seconds=RETRY_SOON_SECONDS)


def _too_large(max_bytes: int) -> ApiError:
    return ApiError(413, f"the body is larger than {max_bytes / (1 << 20):g} MiB", code="too_large")


class JsonRoute(APIRoute):
    """A route whose body, if it has one, is JSON that is read and parsed before FastAPI would."""

    max_bytes = MAX_JSON_BYTES

    def get_route_handler(self) -> Handler:
        """The handler of FastAPI, with the request's body in hand."""
        handle = super().get_route_handler()
        if self.body_field is None:
            return handle

        async def handled(request: Request) -> Response:
            body = await whole(request, self.max_bytes)
            return await handle(_JsonRequest(request, body))

        return handled


class _JsonRequest(Request):
    """A request whose body was read."""

    def __init__(self, request: Request, body: bytearray) -> None:
        super().__init__(request.scope, request.receive)
        self._whole = body
        self._value = parsed(body) if body and is_json(request) else None

    async def body(self) -> bytes:
        return bytes(self._whole)

    async def json(self) -> Any:
        return self._value


def is_json(request: Request) -> bool:
    """Tells if its content type says so."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    return kind == "application/json" or (kind.startswith("application/") and kind.endswith("+json"))


def parsed(body: bytearray) -> Any:
    """Returns its value; ApiError with status 400 for what is no JSON in UTF-8 (RFC 8259)."""
    refuse_dense(body)
    collects = gc.isenabled()
    gc.disable()  # it would look through the growing value again and again, which takes twice the time
    try:
        return from_json(body, allow_inf_nan=False, cache_strings="none")
    except ValueError as error:
        raise no_json(error) from error
    finally:
        if collects:
            gc.enable()


class Bodies:
    """An ASGI application around another. It counts what bodies hold, and reads on for none that was refused.

    A caller who is answered before its body has ended is told the status at once, and the rest of the answer
    when the rest of its body was read: proxies on the way take a whole answer for the end of the request, and
    a connection that is closed while its other side writes takes the answer with it.
    """

    def __init__(self, app: ASGIApp, memory: BodyMemory) -> None:
        self._app = app
        self._memory = memory
        self._discarding = asyncio.Semaphore(MAX_DISCARDED_AT_ONCE)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        share = scope.setdefault("state", {})["share"] = BodyShare(self._memory)
        body = _Body(scope, receive, send, self._discarding)
        try:
            await self._app(scope, body.receive, body.send)
        finally:
            share.end()


class _Body:
    """One body, as far as it was read, and the answer to it."""

    def __init__(self, scope: Scope, receive: Receive, send: Send, discarding: asyncio.Semaphore) -> None:
        headers = dict(scope["headers"])
        length = int(headers.get(b"content-length", 0))
        self._is_short = b"transfer-encoding" not in headers and length <= FREE_BYTES
        self._has_ended = self._is_short and not length
        self._most = MAX_DISCARDED_BYTES if length <= MAX_DISCARDED_BYTES else HOPELESS_BYTES
        self._receive = receive
        self._send = send
        self._discarding = discarding
        self._is_strangers = False

    async def receive(self) -> Message:
        """The next message of the caller."""
        message = await self._receive()
        if message["type"] == "http.disconnect" or not message.get("more_body", False):
            self._has_ended = True
        return message

    async def send(self, message: Message) -> None:
        """The next message to the caller."""
        closes = not (self._has_ended or self._is_short)
        if message["type"] == "http.response.start":
            self._is_strangers = message["status"] in STRANGERS
        if closes and message["type"] == "http.response.start":
            message["headers"] = [*message.get("headers", ()), (b"connection", b"close")]
        elif closes and message["type"] == "http.response.body" and not message.get("more_body", False):
            await self._discard_in_turn()
        await self._send(message)

    async def _discard_in_turn(self) -> None:
        try:
            async with asyncio.timeout(0 if self._is_strangers else MAX_WAITING_SECONDS):
                await self._discarding.acquire()
        except TimeoutError:
            await self._discard(HOPELESS_BYTES)
            return
        try:
            await self._discard(self._most)
        finally:
            self._discarding.release()

    async def _discard(self, most: int) -> None:
        size = 0
        with suppress(TimeoutError):
            async with asyncio.timeout(MAX_DISCARDED_SECONDS):
                while not self._has_ended and size < most:
                    size += len((await self.receive()).get("body", b""))
