"""Newline-delimited JSON: https://github.com/ndjson/ndjson-spec."""

import logging
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import aclosing
from typing import Any

from audio_gateway.answers import Answer, AnswerHead
from audio_gateway.sse import dumps
from audio_grpc.client import ServiceError

HEAD = AnswerHead("application/x-ndjson", {"cache-control": "no-cache", "x-accel-buffering": "no"})

Event = Mapping[str, Any]

log = logging.getLogger(__name__)


async def stream(
    events: AsyncGenerator[Event | None, None], failure: Callable[[ServiceError], Event]
) -> Answer:
    """The events as an answer, which begins with the first of them; a later failure is its last event.

    An event that is None sends the head and nothing else.
    """
    async with aclosing(events):
        first = await anext(events)
        yield HEAD
        if first is not None:
            yield dumps(first) + b"\n"
        try:
            async for event in events:
                if event is not None:
                    yield dumps(event) + b"\n"
        except ServiceError as error:
            log.warning("a stream of events failed: %s %s", error.code.name, error.reason)
            yield dumps(failure(error)) + b"\n"
