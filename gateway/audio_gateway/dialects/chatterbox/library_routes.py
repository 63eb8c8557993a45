"""Chatterbox's library of voices, which are the service's custom voices."""

from typing import Any

from fastapi import APIRouter, Depends, Request
from starlette.responses import Response

from audio_gateway.bodies import Kept
from audio_gateway.caller import Service
from audio_gateway.dialects.chatterbox import documents, library
from audio_gateway.dialects.chatterbox.errors import translate_rename
from audio_gateway.errors import ApiError, speaks
from audio_gateway.forms import read_any_form, validated
from audio_gateway.multipart import FileField

MAX_SAMPLE_BYTES = 10 << 20

router = APIRouter(tags=["chatterbox: voices"])


@router.get("/languages")
async def list_languages(service: Service) -> dict[str, Any]:
    """List the languages that the models speak."""
    return library.languages(await service.list_models())


@router.get("/voices")
@router.get("/voice-library", include_in_schema=False)
@router.get("/voice_library", include_in_schema=False)
async def list_library(service: Service) -> dict[str, Any]:
    """List the voices that were uploaded."""
    return library.listed(await service.list_custom_voices())


@router.post("/voices", status_code=201, openapi_extra=documents.UPLOAD_FORM)
@router.post("/voice-library", status_code=201, include_in_schema=False)
@router.post("/voice_library", status_code=201, include_in_schema=False)
async def upload_voice(request: Request, service: Service) -> dict[str, Any]:
    """Keep the voice of a speaker under a name."""
    sample = Kept(request)
    file = FileField(sample.write, MAX_SAMPLE_BYTES)
    form = validated(library.UploadForm, await read_any_form(request, {"voice_file": file}))
    voice = await service.create_voice(form.voice_name, bytes(sample.data), language_code=form.language)
    return {"message": "Voice uploaded successfully", "voice": library.described(voice)}


@router.get("/voices/default")
@router.get("/default-voice", include_in_schema=False)
async def get_default_voice(service: Service) -> dict[str, Any]:
    """Get the voice for requests that name none."""
    return library.chosen(await service.get_default_voice())


@router.post("/voices/default", openapi_extra=documents.NAME_FORM)
@router.post("/default-voice", include_in_schema=False)
async def set_default_voice(request: Request, service: Service) -> dict[str, Any]:
    """Choose the default voice from the library."""
    form = validated(library.NameForm, await read_any_form(request, {}))
    await service.set_default_voice(form.voice_name)
    now = library.chosen(await service.get_default_voice())
    return {"message": "Default voice updated successfully", **now}


@router.delete("/voices/default")
@router.delete("/default-voice", include_in_schema=False)
async def reset_default_voice(service: Service) -> dict[str, Any]:
    """Speak with the models' own voices again where none is named."""
    await service.set_default_voice("")
    return {"message": "Default voice reset to system default", **library.chosen(None)}


@router.get("/voices/all-names")
async def list_all_voice_names(service: Service) -> dict[str, Any]:
    """The voices' names and aliases."""
    return library.names(await service.list_custom_voices())


@router.post("/voices/cleanup")
async def clean_up_voices(service: Service) -> dict[str, Any]:
    """Remove voices whose samples are missing."""
    removed = await service.clean_up_voices()
    return {"message": "Cleanup completed", "removed_voices": removed, "count": len(removed)}


@router.get("/voices/{voice_name:path}/download", response_class=Response, responses=documents.SAMPLE)
async def download_voice(voice_name: str, service: Service) -> Response:
    """Download the sample of a voice, as it was uploaded."""
    voice = await service.get_custom_voice(voice_name)
    sample = await service.get_voice_sample(voice.id)
    media_type, headers = library.attachment(voice.name, sample)
    return Response(sample, media_type=media_type, headers=headers)


@router.get("/voices/{voice_name:path}/aliases")
async def list_voice_aliases(voice_name: str, service: Service) -> dict[str, Any]:
    """List the further names of a voice."""
    return library.aliases(await service.get_custom_voice(voice_name))


@router.post("/voices/{voice_name:path}/aliases", status_code=201, openapi_extra=documents.ALIAS_FORM)
async def add_voice_alias(voice_name: str, request: Request, service: Service) -> dict[str, Any]:
    """Give a voice a further name."""
    form = validated(library.AliasForm, await read_any_form(request, {}))
    voice = await service.get_custom_voice(voice_name)
    voice = await service.update_voice(voice.id, aliases=[*voice.aliases, form.alias])
    return {"message": "Alias added successfully", "alias": form.alias, **library.aliases(voice)}


@router.delete("/voices/{voice_name:path}/aliases/{alias:path}")
async def remove_voice_alias(voice_name: str, alias: str, service: Service) -> dict[str, Any]:
    """Remove a further name of a voice."""
    voice = await service.get_custom_voice(voice_name)
    if alias not in voice.aliases:
        raise ApiError(404, f"{voice.name!r} has no alias {alias!r}", param="alias", code="voice_not_found")
    voice = await service.update_voice(voice.id, aliases=[one for one in voice.aliases if one != alias])
    return {"message": "Alias removed successfully", "alias": alias, **library.aliases(voice)}


@router.get("/voices/{voice_name:path}")
async def get_voice(voice_name: str, service: Service) -> dict[str, Any]:
    """Get one voice, by name, alias or id."""
    return {"voice": library.described(await service.get_custom_voice(voice_name))}


@router.put(
    "/voices/{voice_name:path}",
    openapi_extra=documents.RENAME_FORM,
    dependencies=[Depends(speaks(translate_rename))],
)
async def rename_voice(voice_name: str, request: Request, service: Service) -> dict[str, Any]:
    """Give a voice another name."""
    form = validated(library.RenameForm, await read_any_form(request, {}))
    voice = await service.update_voice(voice_name, name=form.new_name)
    return {"message": "Voice renamed successfully", "old_name": voice_name, "new_name": voice.name}


@router.delete("/voices/{voice_name:path}")
async def delete_from_library(voice_name: str, service: Service) -> dict[str, Any]:
    """Delete a voice and its sample."""
    await service.delete_custom_voice(voice_name)
    return {"message": "Voice deleted successfully", "voice_name": voice_name}
