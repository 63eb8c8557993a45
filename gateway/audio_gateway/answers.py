"""Answers that are made while their caller is watched.

A caller who leaves, before the first byte or after it, cancels what makes the answer, and so the RPC and
the model. An answer that fails before its head was sent is an error with a status of its own; one that
fails later breaks the connection, or ends in an error event: it never looks complete.
"""

import asyncio
import logging
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import aclosing, suppress
from dataclasses import dataclass, field

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class AnswerHead:
    """The first thing that an answer yields; whatever can be refused is refused before it."""

    media_type: str
    headers: Mapping[str, str] = field(default_factory=dict)
    status: int = 200


Answer = AsyncGenerator[AnswerHead | bytes, None]


class AnswerResponse(Response):
    """Sends an :data:`Answer`: a :class:`AnswerHead`, then the bytes of the body as they come."""

    def __init__(self, answer: Answer) -> None:
        self._answer = answer
        self.background = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer until done, or until the caller has left."""
        # Where the end of a body is the end of the connection, a broken answer would look complete.
        whole = scope.get("http_version") == "1.0"
        answering = asyncio.create_task(self._send(send, whole))
        leaving = asyncio.create_task(_left(receive))
        try:
            await asyncio.wait({answering, leaving}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            leaving.cancel()
            if not answering.done():
                answering.cancel()
            with suppress(asyncio.CancelledError):
                await answering

    async def _send(self, send: Send, whole: bool) -> None:
        async with aclosing(self._answer) as answer:
            head = await anext(answer)
            assert isinstance(head, AnswerHead), "an answer begins with its head"
            if whole:
                await _send_whole(send, head, b"".join([data async for data in _body(answer)]))
                return
            await _send_head(send, head)
            try:
                async for data in _body(answer):
                    await send({"type": "http.response.body", "body": data, "more_body": True})
            except Exception:
                # Returning without the end of the body has the HTTP server close the connection.
                log.exception("broke off an answer that had begun")
                return
            await send({"type": "http.response.body", "body": b""})


async def _body(answer: Answer) -> AsyncIterator[bytes]:
    async for data in answer:
        assert isinstance(data, bytes), "an answer has one head"
        yield data


async def _send_head(send: Send, head: AnswerHead, length: int | None = None) -> None:
    headers = {"content-type": head.media_type, **head.headers}
    if length is not None:
        headers["content-length"] = str(length)
    encoded = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()]
    await send({"type": "http.response.start", "status": head.status, "headers": encoded})


async def _send_whole(send: Send, head: AnswerHead, body: bytes) -> None:
    await _send_head(send, head, len(body))
    await send({"type": "http.response.body", "body": body})


async def _left(receive: Receive) -> None:
    """Returns when the caller is gone."""
    while (await receive())["type"] != "http.disconnect":
        pass
