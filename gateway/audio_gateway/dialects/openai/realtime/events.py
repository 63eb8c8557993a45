"""Events for the caller: https://platform.openai.com/docs/api-reference/realtime-server-events."""

from collections.abc import Mapping
from typing import Any
from uuid import uuid4

from audio_gateway.dialects.openai.realtime.session import SessionConfig
from audio_gateway.errors import ApiError

Event = Mapping[str, Any]
TRANSCRIPTION = "conversation.item.input_audio_transcription"


def new_id(kind: str) -> str:
    """One that nothing else has, such as ``item_...``."""
    return f"{kind}_{uuid4().hex}"


def event(kind: str, **fields: Any) -> Event:
    """Returns an event with an id of its own."""
    return {"type": kind, "event_id": new_id("event"), **fields}


def session(kind: str, session_id: str, effective: SessionConfig) -> Event:
    """``session.created`` or ``session.updated``: how this session listens."""
    shape = {"id": session_id, "object": "realtime.transcription_session", **effective.described()}
    return event(kind, session=shape)


def error(failure: ApiError, culprit: str | None = None) -> Event:
    """Returns an error event; ``culprit`` is the caller's id of the message that was wrong."""
    return event("error", error={**failure.body["error"], "event_id": culprit})


def committed(item_id: str, previous_item_id: str | None) -> tuple[Event, ...]:
    """An utterance is complete, and is an item of the conversation."""
    item = {
        "id": item_id,
        "object": "realtime.item",
        "type": "message",
        "status": "completed",
        "role": "user",
        "content": [{"type": "input_audio", "transcript": None}],
    }
    places = {"previous_item_id": previous_item_id}
    return (
        event("input_audio_buffer.committed", item_id=item_id, **places),
        event("conversation.item.added", item=item, **places),
        event("conversation.item.done", item=item, **places),
    )


def transcription(kind: str, item_id: str, **fields: Any) -> Event:
    """``delta``, ``completed`` or ``failed``."""
    return event(f"{TRANSCRIPTION}.{kind}", item_id=item_id, content_index=0, **fields)
