"""Chatterbox's paths of speech; each with the short name that it has as well."""

from fastapi import APIRouter, Request
from starlette.responses import Response

from audio_gateway.answers import AnswerResponse
from audio_gateway.bodies import JsonRoute, Kept
from audio_gateway.caller import Service
from audio_gateway.dialects.chatterbox import documents
from audio_gateway.dialects.chatterbox.speech import ChatterboxSpeechRequest, SpeechForm, answer
from audio_gateway.forms import read_any_form, validated
from audio_gateway.multipart import FileField

MAX_SAMPLE_BYTES = 10 << 20

router = APIRouter(route_class=JsonRoute, tags=["chatterbox: speech"])


@router.post("/audio/speech", response_class=Response, responses=documents.SPEECH)
@router.post("/tts", include_in_schema=False)
async def create_chatterbox_speech(body: ChatterboxSpeechRequest, service: Service) -> Response:
    """Speak a text; WAV by default, or events that begin with the format of the samples."""
    return AnswerResponse(answer(body, service))


@router.post("/audio/speech/stream", response_class=Response, responses=documents.SPEECH)
@router.post("/tts/stream", include_in_schema=False)
async def stream_speech(body: ChatterboxSpeechRequest, service: Service) -> Response:
    """Speak a text; the audio is sent while later parts of the text are still being spoken."""
    return AnswerResponse(answer(body, service))


@router.post(
    "/audio/speech/upload",
    response_class=Response,
    responses=documents.SPEECH,
    openapi_extra=documents.SPEECH_FORM,
)
@router.post("/tts/upload", include_in_schema=False)
@router.post(
    "/audio/speech/stream/upload",
    response_class=Response,
    responses=documents.SPEECH,
    openapi_extra=documents.SPEECH_FORM,
)
@router.post("/tts/stream/upload", include_in_schema=False)
async def create_speech_with_voice(request: Request, service: Service) -> Response:
    """Speak a text with the voice of a sample, which is deleted afterwards."""
    sample = Kept(request)
    file = FileField(sample.write, MAX_SAMPLE_BYTES, required=False)
    form = validated(SpeechForm, await read_any_form(request, {"voice_file": file}))
    return AnswerResponse(answer(form, service, bytes(sample.data)))
