"""POST /v1/audio/pipelines: a recording, answered in speech."""

import asyncio
import base64
import json
from base64 import b64encode
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

from pydantic import Field, ValidationError
from starlette.requests import Request

from audio_gateway import ndjson
from audio_gateway.answers import Answer, AnswerHead
from audio_gateway.bodies import MAX_JSON_BYTES, Kept, refuse_dense, whole
from audio_gateway.dialects.gateflow import events
from audio_gateway.dialects.gateflow.errors import failure, turn_error, turn_event
from audio_gateway.dialects.gateflow.options import PipelineOptions
from audio_gateway.errors import ApiError
from audio_gateway.multipart import Fields, FileField, read_form
from audio_gateway.problems import from_validation
from audio_gateway.sse import dumps
from audio_grpc.client import AsyncClient, AsyncConversation
from audio_grpc.v1.conversation_pb2 import ReplyAudio, ReplyDone, TurnFailed, TurnFinished
from audio_grpc.v1.speech_to_text_pb2 import UtteranceTranscript

DECODED_AT_ONCE = 1 << 20
"""Characters of base64, a multiple of four."""
NESTED = ("stt", "llm", "tts", "vad", "overrides", "history")
"""Fields of a form that are written as JSON."""


class PipelineRequest(PipelineOptions):
    """Speech or text to answer, and options. Fields that are not listed are ignored."""

    audio: str = Field(default="", description="A sound file in base64; in a form, the file itself.")
    stream: bool = Field(default=False, description="Whether to send events while they happen, as NDJSON.")


async def read(request: Request, max_bytes: int) -> tuple[PipelineRequest, bytes]:
    """The request, and its recording. ApiError with status 400 or 413."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind == "multipart/form-data":
        audio = Kept(request)
        fields = await read_form(request, {"audio": FileField(audio.write, max_bytes)})
        return _validated(_from_form(fields)), bytes(audio.data)
    too_large = f"the recording is larger than {max_bytes / (1 << 20):g} MiB"
    refusal = ApiError(413, too_large, param="audio", code="too_large")
    body = await whole(request, max_bytes * 4 // 3 + MAX_JSON_BYTES, refusal)
    refuse_dense(body)
    asked = _validated(body)
    return asked, await _decoded(asked.audio)


def answer(asked: PipelineRequest, audio: bytes, service: AsyncClient) -> Answer:
    """Returns the reply in the form that was asked for."""
    if asked.stream:
        return ndjson.stream(_events(asked, audio, service), failure)
    return _whole(asked, audio, service)


async def _events(
    asked: PipelineRequest, audio: bytes, service: AsyncClient
) -> AsyncGenerator[dict[str, Any] | None, None]:
    async with _asked(asked, audio, service) as conversation:
        yield None
        last: dict[str, Any] | None = None  # the end of the sound file comes after the end of the turn
        async for said in conversation:
            match said:
                case TurnFinished():
                    last = events.done(said.timing)
                case TurnFailed():
                    last = turn_event(said)
                case _:
                    yield events.event(said)
        yield last


async def _whole(asked: PipelineRequest, audio: bytes, service: AsyncClient) -> Answer:
    sound = bytearray()
    body: dict[str, Any] = {"transcription": "", "response": ""}
    async with _asked(asked, audio, service) as conversation:
        media_type = (await conversation.start()).speaking.format.media_type
        async for said in conversation:
            match said:
                case UtteranceTranscript():
                    body["transcription"] = said.text.strip()
                case ReplyDone():
                    body |= {"response": said.text, **events.usage(said)}
                case ReplyAudio():
                    sound += said.audio.data
                case TurnFinished():
                    body["timing"] = events.milliseconds(said.timing)
                case TurnFailed():
                    raise turn_error(said)
    data = dumps({**body, "audio": b64encode(sound).decode(), "media_type": media_type})
    yield AnswerHead("application/json", {"content-length": str(len(data))})
    yield data


@asynccontextmanager
async def _asked(
    asked: PipelineRequest, audio: bytes, service: AsyncClient
) -> AsyncGenerator[AsyncConversation, None]:
    """A conversation of one turn; what is refused is before it begins."""
    async with service.converse(**asked.options()) as conversation:
        await conversation.start()
        await conversation.send_recording(audio)
        await conversation.end()
        yield conversation


def _from_form(fields: Fields) -> dict[str, Any]:
    """The last value of each field; an empty one counts as left out."""
    values: dict[str, Any] = {name: several[-1] for name, several in fields.items() if several[-1]}
    for name in NESTED:
        if name in values:
            try:
                values[name] = json.loads(values[name])
            except (ValueError, RecursionError) as error:
                raise ApiError(
                    400, f"{name}: {error}; write JSON", param=name, code="invalid_value"
                ) from error
    if values.get("stream", "false").lower() in ("true", "false", "1", "0"):
        values["stream"] = values.get("stream", "false").lower() in ("true", "1")
    if values.get("sample_rate", "").isdecimal():
        values["sample_rate"] = int(values["sample_rate"])
    return values


def _validated(values: bytearray | dict[str, Any]) -> PipelineRequest:
    try:
        if isinstance(values, bytearray):
            return PipelineRequest.model_validate_json(values)
        return PipelineRequest.model_validate(values)
    except ValidationError as error:
        raise from_validation(error.errors()) from error


async def _decoded(audio: str) -> bytes:
    data = bytearray()
    try:
        for start in range(0, len(audio), DECODED_AT_ONCE):
            data += base64.b64decode(audio[start : start + DECODED_AT_ONCE], validate=True)
            await asyncio.sleep(0)  # a recording takes long enough to hold up everybody else
    except ValueError as error:
        raise ApiError(400, f"audio: {error}; send a sound file in base64", param="audio") from error
    if not data:
        raise ApiError(400, "audio is missing; send a sound file in base64", param="audio", code="missing")
    return bytes(data)
