"""Server-sent events of a provider: JSON objects with a type, the last of which says that all is there."""

import json
from collections.abc import AsyncGenerator, Mapping
from typing import Any, TypeVar

import httpx2

from audio_grpc.backends.openai_upstream.endpoint import Endpoint
from audio_grpc.backends.openai_upstream.failure import failure
from audio_grpc.backends.openai_upstream.options import UpstreamOptions

EVENT_STREAM = "text/event-stream"
END_OF_STREAM = "[DONE]"
MAX_EVENT_BYTES = 32 << 20
"""Some send all of the audio in one."""

Provider = TypeVar("Provider", bound=UpstreamOptions)


async def events(
    endpoint: Endpoint[Provider], response: httpx2.Response, last: str
) -> AsyncGenerator[Mapping[str, Any], None]:
    """Each event, to the one of type ``last``. Failure for an error among them, or if none is that."""
    async for sent in httpx2.EventSource(response, max_event_size=MAX_EVENT_BYTES):
        if sent.data == END_OF_STREAM:
            break
        event = _parsed(sent.data)
        kind = event.get("type", sent.event)
        if kind == "error" or "error" in event:
            raise failure(f"broke off: {endpoint.complaint(event).message or 'it does not say why'}")
        yield {**event, "type": kind}
        if kind == last:
            return
    raise failure("ended its answer before it was complete")


def _parsed(data: str) -> Mapping[str, Any]:
    try:
        event = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise failure("sent an event that is not JSON") from error
    if not isinstance(event, Mapping):
        raise failure("sent an event that is no JSON object")
    return event
