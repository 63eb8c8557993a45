"""Paths that two dialects have, where the request tells which of them it is in."""

from typing import Annotated, Any

from fastapi import APIRouter, Request
from pydantic import Discriminator, Tag
from starlette.responses import Response

from audio_gateway.answers import AnswerResponse
from audio_gateway.bodies import JsonRoute
from audio_gateway.caller import Service
from audio_gateway.dialects.chatterbox import errors as chatterbox_errors
from audio_gateway.dialects.chatterbox import speech as chatterbox
from audio_gateway.dialects.openai import documents
from audio_gateway.dialects.openai import errors as openai_errors
from audio_gateway.dialects.openai import speech as openai

router = APIRouter(route_class=JsonRoute, responses=documents.ERRORS)


def _dialect(body: Any) -> str:
    """OpenAI's requests name a model; Chatterbox's need not."""
    return "chatterbox" if isinstance(body, dict) and body.get("model") is None else "openai"


Speech = Annotated[
    Annotated[openai.SpeechRequest, Tag("openai")]
    | Annotated[chatterbox.ChatterboxSpeechRequest, Tag("chatterbox")],
    Discriminator(_dialect),
]


@router.post("/audio/speech", tags=["audio"], response_class=Response, responses=documents.SPEECH)
async def create_speech_of_either(request: Request, body: Speech, service: Service) -> Response:
    """Speak a text; with a model as OpenAI does, without one as Chatterbox does (in WAV by default)."""
    if isinstance(body, chatterbox.ChatterboxSpeechRequest):
        request.state.translate = chatterbox_errors.translate
        return AnswerResponse(chatterbox.answer(body, service))
    request.state.translate = openai_errors.translate
    return AnswerResponse(openai.answer(body, service))
