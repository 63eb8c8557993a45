"""GateFlow's paths. Those that OpenAI has as well are there below GateFlow's own prefix only."""

from functools import partial
from typing import Any

from fastapi import APIRouter, Depends, Request, WebSocket
from starlette.responses import Response

from audio_gateway.answers import AnswerResponse
from audio_gateway.caller import Configured, Service
from audio_gateway.dialects.gateflow import pipelines, realtime, transcriptions
from audio_gateway.dialects.gateflow.errors import event, translate
from audio_gateway.dialects.openai import documents
from audio_gateway.dialects.openai import transcripts as openai
from audio_gateway.dialects.openai.forms import read_transcript_form
from audio_gateway.errors import speaks
from audio_gateway.multipart import FileField, passed_on, read_form
from audio_gateway.sockets import converse
from audio_grpc.client import Task

PREFIX = "/gateflow/v1"

own_router = APIRouter()
"""Routes on paths that no other dialect has."""
router = APIRouter()
"""Routes on paths that other dialects have with another meaning."""

BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "application/json": {"schema": {"type": "object", "required": ["audio"]}},
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": ["audio"],
                    "properties": {"audio": {"type": "string", "format": "binary"}},
                }
            },
        },
    }
}
PIPELINE: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "Transcription, response and its audio; or with stream, events as they happen.",
        "content": {
            "application/json": {"schema": {"type": "object"}},
            "application/x-ndjson": {"schema": {"type": "string"}},
        },
    }
}


@own_router.post(
    "/audio/pipelines",
    tags=["pipelines"],
    response_class=Response,
    responses={**documents.ERRORS, **PIPELINE},
    dependencies=[Depends(speaks(translate))],
    openapi_extra=BODY,
)
async def run_pipeline(request: Request, service: Service, settings: Configured) -> Response:
    """Answer a recording in speech."""
    asked, audio = await pipelines.read(request, settings.max_file_bytes)
    return AnswerResponse(pipelines.answer(asked, audio, service))


@own_router.websocket("/audio/realtime")
async def converse_in_real_time(socket: WebSocket, service: Service, settings: Configured) -> None:
    """Converse; the messages are in :mod:`audio_gateway.dialects.gateflow.realtime`."""
    await converse(socket, settings, partial(realtime.hold, service), translate, event)


@router.post("/audio/transcriptions", dependencies=[Depends(speaks(translate))])
async def create_transcription(request: Request, service: Service, settings: Configured) -> Response:
    """Write down a recording; with stream as lines of JSON, else as OpenAI does."""
    async with passed_on(service) as upload:
        fields = await read_form(request, {"file": FileField(upload.write, settings.max_file_bytes)})
        form = read_transcript_form(fields)
        transcript = await upload.transcribe(**form.options(Task.TRANSCRIBE))
        if form.stream:
            return AnswerResponse(transcriptions.answer(transcript))
        return AnswerResponse(openai.answer(transcript, form, Task.TRANSCRIBE))
