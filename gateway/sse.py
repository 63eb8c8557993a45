"""Server-sent events: https://html.spec.whatwg.org/multipage/server-sent-events.html."""

import json
import logging
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping
from contextlib import aclosing
from typing import Any

from audio_grpc.client import ServiceError
from gateway.errors import ApiError
from gateway.exchange import Answer, Head

HEAD = Head("text/event-stream", {"cache-control": "no-cache", "x-accel-buffering": "no"})

log = logging.getLogger(__name__)


def dumps(value: Mapping[str, Any]) -> bytes:
    """JSON on one line, in UTF-8."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


def encoded(event: Mapping[str, Any]) -> bytes:
    """One event, whose type is in its data."""
    return b"data: " + dumps(event) + b"\n\n"


async def stream(
    events: AsyncGenerator[Mapping[str, Any] | None, None], translate: Callable[[ServiceError], ApiError]
) -> Answer:
    """The events as an answer, which begins with the first of them; a later failure is its last event.

    An event that is None sends the head and nothing else.
    """
    async with aclosing(events):
        first = await anext(events)
        yield HEAD
        if first is not None:
            yield encoded(first)
        try:
            async for event in _rest(events):
                yield encoded(event)
        except ServiceError as error:
            log.warning("a stream of events failed: %s %s", error.code.name, error.reason)
            yield encoded({"type": "error", **translate(error).body})


async def _rest(events: AsyncIterator[Mapping[str, Any] | None]) -> AsyncIterator[Mapping[str, Any]]:
    async for event in events:
        if event is not None:
            yield event
