"""The paths of OpenAI's audio API, each a translation to one RPC and back."""

from collections.abc import Awaitable, Callable
from functools import partial
from typing import TypeVar

from fastapi import APIRouter, Depends, Request
from starlette.responses import Response

from audio_gateway.answers import AnswerResponse
from audio_gateway.bodies import JsonRoute, Kept
from audio_gateway.caller import Configured, Service
from audio_gateway.dialects.openai import directory, documents, speech, transcripts
from audio_gateway.dialects.openai.errors import translate, translate_model
from audio_gateway.dialects.openai.forms import (
    TranslationForm,
    read_transcript_form,
    read_translation_form,
    read_voice_form,
)
from audio_gateway.errors import speaks
from audio_gateway.multipart import Fields, FileField, passed_on, read_form
from audio_grpc.client import AsyncClient, AsyncTranscript, ServiceError, Task

PREFIX = "/v1"
MAX_SAMPLE_BYTES = 10 << 20

Form = TypeVar("Form", bound=TranslationForm)
router = APIRouter(dependencies=[Depends(speaks(translate))], responses=documents.ERRORS)
speech_router = APIRouter(
    route_class=JsonRoute, dependencies=[Depends(speaks(translate))], responses=documents.ERRORS
)
"""Routes on a path that another dialect has, too."""


@speech_router.post("/audio/speech", tags=["audio"], response_class=Response, responses=documents.SPEECH)
async def create_speech(body: speech.SpeechRequest, service: Service) -> Response:
    """Speak a text; the audio is sent while later parts of the text are still being spoken."""
    return AnswerResponse(speech.answer(body, service))


@router.post(
    "/audio/transcriptions",
    tags=["audio"],
    response_class=Response,
    responses=documents.TRANSCRIPT,
    openapi_extra=documents.TRANSCRIPTION_FORM,
)
async def create_transcription(request: Request, service: Service, settings: Configured) -> Response:
    """Write down a recording, in the language that was spoken."""
    listen = partial(hear, request, service, settings.max_file_bytes)
    form, transcript = await listen(read_transcript_form, Task.TRANSCRIBE)
    return AnswerResponse(transcripts.answer(transcript, form, Task.TRANSCRIBE))


@router.post(
    "/audio/translations",
    tags=["audio"],
    response_class=Response,
    responses=documents.TRANSCRIPT,
    openapi_extra=documents.TRANSLATION_FORM,
)
async def create_translation(request: Request, service: Service, settings: Configured) -> Response:
    """Write down a recording, in English."""
    listen = partial(hear, request, service, settings.max_file_bytes)
    form, transcript = await listen(read_translation_form, Task.TRANSLATE)
    return AnswerResponse(transcripts.answer(transcript, form, Task.TRANSLATE))


async def hear(
    request: Request,
    service: AsyncClient,
    max_bytes: int,
    read: Callable[[Fields], Form],
    task: Task,
) -> tuple[Form, AsyncTranscript]:
    """Pass the file on while it is being received, and begin its transcript."""
    async with passed_on(service) as upload:
        fields = await read_form(request, {"file": FileField(upload.write, max_bytes)})
        form = read(fields)
        return form, await upload.transcribe(**form.options(task))


@router.get("/models", tags=["models"])
async def list_models(service: Service) -> directory.ModelList:
    """List every model, under each of its names."""
    return directory.listed(await service.list_models())


@router.get("/models/{model:path}", tags=["models"], dependencies=[Depends(speaks(translate_model))])
async def retrieve_model(model: str, service: Service) -> directory.ModelEntry:
    """Get one model, by name or alias."""
    return directory.named(await service.get_model(model), model)


@router.get("/audio/voices", tags=["voices"])
async def list_voices(service: Service) -> directory.VoiceList:
    """The voices that speech can be made with; who shows no key is told of the models' own."""
    own = await service.list_voices()
    return directory.voices(own, await _or_none(service.list_custom_voices()) or [])


@router.get("/audio/models", tags=["voices"])
async def list_speakers(service: Service) -> directory.SpeakerList:
    """The models that speech can be made with, as Open WebUI asks for them: it shows no key."""
    models = await _or_none(service.list_models())
    if models is None:
        return directory.speakers_of(await service.list_voices())
    return directory.speakers(models)


Listed = TypeVar("Listed")


async def _or_none(listing: Awaitable[Listed]) -> Listed | None:
    """Returns the list; None where the service lists it for nobody without a key, and none was shown."""
    try:
        return await listing
    except ServiceError as error:
        if error.reason == "API_KEY_MISSING":
            return None
        raise


@router.post("/audio/voices", tags=["voices"], openapi_extra=documents.VOICE_FORM)
async def create_voice(request: Request, service: Service) -> directory.VoiceEntry:
    """Make a voice from a recording of a speaker."""
    sample = Kept(request)
    fields = await read_form(request, {"audio_sample": FileField(sample.write, MAX_SAMPLE_BYTES)})
    form = read_voice_form(fields)
    voice = await service.create_voice(
        form.name,
        bytes(sample.data),
        transcript=form.transcript,
        language_code=form.language,
        consent=form.consent,
    )
    models = [one.model for one in await service.list_voices() if one.name == voice.id]
    return directory.custom_voice(voice, models)


@router.delete("/audio/voices/{voice}", tags=["voices"])
async def delete_voice(voice: str, service: Service) -> directory.DeletedVoice:
    """Forget a voice that was made from a recording."""
    await service.delete_custom_voice(voice)
    return directory.DeletedVoice(id=voice)
