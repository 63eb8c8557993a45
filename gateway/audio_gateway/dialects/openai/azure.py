"""The paths of Azure's OpenAI service, where the name of a deployment is that of the model.

https://learn.microsoft.com/azure/ai-services/openai/reference; ``api-version`` may be any. Azure's newer
paths, ``/openai/v1/...``, are OpenAI's own.
"""

from fastapi import APIRouter, Depends, Request
from pydantic import Field
from starlette.responses import Response

from audio_gateway.answers import AnswerResponse
from audio_gateway.bodies import JsonRoute
from audio_gateway.caller import Configured, Service
from audio_gateway.dialects.openai import realtime, speech, transcripts
from audio_gateway.dialects.openai.errors import translate, translate_model
from audio_gateway.dialects.openai.forms import read_transcript_form, read_translation_form
from audio_gateway.dialects.openai.routes import hear, list_models, retrieve_model
from audio_gateway.errors import speaks
from audio_grpc.client import Task

PREFIX = "/openai"
DEPLOYMENT = "/deployments/{deployment}/audio"
router = APIRouter(route_class=JsonRoute, dependencies=[Depends(speaks(translate))])
router.include_router(realtime.router)
router.get("/models")(list_models)
router.get("/models/{model:path}", dependencies=[Depends(speaks(translate_model))])(retrieve_model)


class DeploymentSpeechRequest(speech.SpeechRequest):
    """A text to say, and how; the model is the deployment, whatever is said here."""

    model: str = Field("")


@router.post(f"{DEPLOYMENT}/speech", response_class=Response)
async def create_speech(deployment: str, body: DeploymentSpeechRequest, service: Service) -> Response:
    """Speak a text."""
    return AnswerResponse(speech.answer(body.model_copy(update={"model": deployment}), service))


@router.post(f"{DEPLOYMENT}/transcriptions", response_class=Response)
async def create_transcription(
    deployment: str, request: Request, service: Service, settings: Configured
) -> Response:
    """Write down a recording, in the language that was spoken."""
    form, transcript = await hear(
        *(request, service, settings.max_file_bytes),
        lambda fields: read_transcript_form({**fields, "model": [deployment]}),
        Task.TRANSCRIBE,
    )
    return AnswerResponse(transcripts.answer(transcript, form, Task.TRANSCRIBE))


@router.post(f"{DEPLOYMENT}/translations", response_class=Response)
async def create_translation(
    deployment: str, request: Request, service: Service, settings: Configured
) -> Response:
    """Write down a recording, in English."""
    form, transcript = await hear(
        *(request, service, settings.max_file_bytes),
        lambda fields: read_translation_form({**fields, "model": [deployment]}),
        Task.TRANSLATE,
    )
    return AnswerResponse(transcripts.answer(transcript, form, Task.TRANSLATE))
