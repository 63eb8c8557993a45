"""Server-sent events: https://html.spec.whatwg.org/multipage/server-sent-events.html."""

import json
import logging
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping
from contextlib import aclosing
from typing import Any

from audio_gateway.answers import Answer, AnswerHead
from audio_gateway.errors import ApiError
from audio_grpc.client import ServiceError

HEAD = AnswerHead("text/event-stream", {"cache-control": "no-cache", "x-accel-buffering": "no"})

Event = Mapping[str, Any] | AnswerHead | None
"""An event to send; a head with further headers, if it is the first; None sends nothing."""

log = logging.getLogger(__name__)


def dumps(value: Mapping[str, Any]) -> bytes:
    """Returns JSON on one line, in UTF-8."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


def encoded(event: Mapping[str, Any]) -> bytes:
    """Returns one event, whose type is in its data."""
    return b"data: " + dumps(event) + b"\n\n"


def named(event: Mapping[str, Any]) -> bytes:
    """One event whose type is its name as well, for those who listen for names (``EventSource``)."""
    return b"event: " + str(event["type"]).encode() + b"\n" + encoded(event)


async def stream(
    events: AsyncGenerator[Event, None],
    translate: Callable[[ServiceError], ApiError],
    encode: Callable[[Mapping[str, Any]], bytes] = encoded,
) -> Answer:
    """The events as an answer, which begins with the first of them; a later failure is its last event.

    An event that is None, or a :func:`head`, sends the head and nothing else.
    """
    async with aclosing(events):
        first = await anext(events)
        yield first if isinstance(first, AnswerHead) else HEAD
        if isinstance(first, Mapping):
            yield encode(first)
        try:
            async for event in _rest(events):
                yield encode(event)
        except ServiceError as error:
            log.warning("a stream of events failed: %s %s", error.code.name, error.reason)
            yield encode({"type": "error", **translate(error).body})


async def _rest(events: AsyncIterator[Event]) -> AsyncIterator[Mapping[str, Any]]:
    async for event in events:
        if isinstance(event, Mapping):
            yield event


def head(headers: Mapping[str, str]) -> AnswerHead:
    """The head of a stream of events with ``headers`` as well."""
    return AnswerHead(HEAD.media_type, {**HEAD.headers, **headers})
