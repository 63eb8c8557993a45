"""Messages of the caller: https://platform.openai.com/docs/api-reference/realtime-client-events."""

import json
from base64 import b64decode
from binascii import Error as NotBase64
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from audio_gateway.dialects.openai.realtime.session import BetaSession, SessionConfig
from audio_gateway.errors import ApiError
from audio_gateway.sockets import read_message


class _ClientEvent(BaseModel):
    model_config = ConfigDict(strict=True, extra="ignore")

    event_id: str | None = None


class SessionUpdate(_ClientEvent):
    """Listen otherwise from now on."""

    type: Literal["session.update"]
    session: SessionConfig


class BetaSessionUpdate(_ClientEvent):
    """Change the options of the session, by the names of the beta."""

    type: Literal["transcription_session.update"]
    session: BetaSession


class BufferAppend(_ClientEvent):
    """The sound goes on with this, in base64."""

    type: Literal["input_audio_buffer.append"]
    audio: str

    def data(self) -> bytes:
        """The bytes. ApiError with status 400 if that is no base64."""
        try:
            return b64decode(self.audio, validate=True)
        except (NotBase64, ValueError) as error:
            message = f"audio: not base64 ({error}); encode the samples so"
            raise ApiError(400, message, param="audio", code="invalid_value") from error


class BufferCommit(_ClientEvent):
    """End the utterance that was sent so far."""

    type: Literal["input_audio_buffer.commit"]


class BufferClear(_ClientEvent):
    """Drop what was said so far and is not complete."""

    type: Literal["input_audio_buffer.clear"]


Message = SessionUpdate | BetaSessionUpdate | BufferAppend | BufferCommit | BufferClear
_MESSAGE: TypeAdapter[Message] = TypeAdapter(Annotated[Message, Field(discriminator="type")])


def read(text: str) -> Message:
    """A message of the caller. ApiError with status 400 for what is none."""
    return read_message(_MESSAGE, text)


def event_id(text: str) -> str | None:
    """The caller's own id of a message that may be none."""
    try:
        message = json.loads(text)
    except (ValueError, RecursionError):
        return None
    found = message.get("event_id") if isinstance(message, dict) else None
    return found if isinstance(found, str) else None
