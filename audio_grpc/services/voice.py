"""VoiceService."""

import asyncio
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from grpc.aio import ServicerContext

from audio_grpc.convert import from_custom_voice
from audio_grpc.errors import (
    CloningUnavailable,
    InvalidRequest,
    TooManyVoices,
    VoiceExists,
    quoted,
    request_id_reused,
)
from audio_grpc.runtime.models import Models
from audio_grpc.services.callers import manager, speaker
from audio_grpc.services.cloning import MAX_TRANSCRIPT_CHARACTERS
from audio_grpc.services.fields import fields_of, to_update
from audio_grpc.services.pages import page_of
from audio_grpc.services.request_ids import read_request_id
from audio_grpc.services.requests import Limits
from audio_grpc.services.samples import checked_sample
from audio_grpc.storage.voices import VoiceStore, is_id, new_id
from audio_grpc.telemetry.call import current_call
from audio_grpc.telemetry.history.sound import media_type_of
from audio_grpc.text import clean, hidden_characters
from audio_grpc.types import CustomVoice, RequestId
from audio_grpc.v1 import voice_pb2 as pb
from audio_grpc.v1.voice_pb2_grpc import VoiceServiceServicer

Context = ServicerContext[Any, Any]

MAX_NAME_CHARACTERS = 64
MAX_ALIASES = 20
UPDATABLE = ("name", "aliases")
MAX_CHARACTERS = {"transcript": MAX_TRANSCRIPT_CHARACTERS, "consent": 256}
LANGUAGE_CODE = re.compile(r"[A-Za-z]{2,8}(-[A-Za-z0-9]{1,8})*")
"""The form that all BCP-47 codes have: https://www.rfc-editor.org/rfc/rfc5646#section-2.1."""


class VoiceServicer(VoiceServiceServicer):
    """Makes voices from samples, updates them, and deletes them."""

    def __init__(self, models: Models, limits: Limits, voices: VoiceStore) -> None:
        self._models = models
        self._limits = limits
        self._voices = voices

    async def CreateCustomVoice(
        self, request: pb.CreateCustomVoiceRequest, context: Context
    ) -> pb.CreateCustomVoiceResponse:
        """The voice, once it is kept; of a request that comes again, the one that it made."""
        self._require_cloning()
        request_id = await asyncio.to_thread(_request_id, request)
        if request_id and (made := await self._made_for(request_id)):
            return pb.CreateCustomVoiceResponse(voice=made)
        name = self._new_name(request.name, "name")
        _check_texts(request)
        await self._require_room()
        sample = await checked_sample(request.sample, "sample", max_bytes=self._limits.voice_sample_bytes)
        voice = CustomVoice(
            id=new_id(),
            name=name,
            create_time=datetime.now(UTC),
            sample_seconds=sample.seconds,
            language_code=request.language_code,
            transcript=request.transcript,
            consent=request.consent,
            owner=current_call.get().key_id,
            sample_bytes=len(request.sample),
            sample_media_type=media_type_of(request.sample),
            request_id=request_id,
        )
        try:
            await self._voices.add(voice, request.sample)
        except VoiceExists:
            if request_id and (made := await self._made_for(request_id)):  # at the same moment
                return pb.CreateCustomVoiceResponse(voice=made)
            raise
        return pb.CreateCustomVoiceResponse(voice=from_custom_voice(voice))

    async def ListCustomVoices(
        self, request: pb.ListCustomVoicesRequest, context: Context
    ) -> pb.ListCustomVoicesResponse:
        """Returns a page of the caller's voices and the shared ones."""
        kept, aliases = await self._voices.all(manager()), await self._voices.aliases()
        every = (((voice.create_time.timestamp(), voice.id), _described(voice, aliases)) for voice in kept)
        voices, following = page_of(every, request)
        return pb.ListCustomVoicesResponse(voices=voices, next_page_token=following)

    async def GetCustomVoice(
        self, request: pb.GetCustomVoiceRequest, context: Context
    ) -> pb.GetCustomVoiceResponse:
        """Returns the voice of this id or name. Raises VoiceNotFound."""
        return pb.GetCustomVoiceResponse(voice=await self._find(request.id))

    async def DeleteCustomVoice(
        self, request: pb.DeleteCustomVoiceRequest, context: Context
    ) -> pb.DeleteCustomVoiceResponse:
        """Deletes the voice; returns an empty message. Raises VoiceNotFound, ScopeMissing."""
        await self._voices.remove(request.id, manager())
        return pb.DeleteCustomVoiceResponse()

    async def UpdateCustomVoice(
        self, request: pb.UpdateCustomVoiceRequest, context: Context
    ) -> pb.UpdateCustomVoiceResponse:
        """Updates the name and the aliases of a voice, as far as the mask names them; returns the voice."""
        paths = to_update(request.voice, request.update_mask, UPDATABLE)
        with fields_of("voice"):
            voice = await self._find(request.voice.id)
            name = self._new_name(request.voice.name, "name") if "name" in paths else None
            aliases = self._new_aliases(request.voice.aliases, voice) if "aliases" in paths else None
            await self._voices.update(voice.id, name, aliases, manager())
        return pb.UpdateCustomVoiceResponse(voice=await self._find(voice.id))

    async def GetCustomVoiceSample(
        self, request: pb.GetCustomVoiceSampleRequest, context: Context
    ) -> pb.GetCustomVoiceSampleResponse:
        """Returns a voice and the recording it was made from."""
        sample = await self._voices.sample(await self._voices.find(request.id, manager()))
        return pb.GetCustomVoiceSampleResponse(voice=await self._find(request.id), sample=sample)

    async def GetDefaultVoice(
        self, request: pb.GetDefaultVoiceRequest, context: Context
    ) -> pb.GetDefaultVoiceResponse:
        """Returns the default voice, if one is set."""
        chosen = await self._voices.default(manager())
        return pb.GetDefaultVoiceResponse(voice=await self._find(chosen) if chosen else None)

    async def _made_for(self, request: RequestId) -> pb.CustomVoice | None:
        """The voice that was made for a request, if one was. Raises RequestIdReused if for another one."""
        owner = current_call.get().key_id
        for voice in await self._voices.all(speaker()):
            if voice.owner == owner and voice.request_id and voice.request_id.id == request.id:
                if voice.request_id != request:
                    raise request_id_reused()
                return await self._find(voice.id)
        return None

    async def _find(self, id_or_name: str) -> pb.CustomVoice:
        return await find_voice(self._voices, id_or_name)

    def _new_name(self, given: str, field: str) -> str:
        """The name, which no model's own voice has; raises InvalidRequest, VoiceExists."""
        name = _name(given, field)
        self._require_new(name, field)
        return name

    def _new_aliases(self, given: Sequence[str], voice: pb.CustomVoice) -> list[str]:
        """Returns the aliases that it is to have. Raises InvalidRequest, VoiceExists, TooManyVoices."""
        if len(given) > MAX_ALIASES:
            raise TooManyVoices(f"{len(given)} aliases are too many; a voice has at most {MAX_ALIASES}")
        aliases: list[str] = []
        for one in given:
            alias = one if one in voice.aliases else self._new_name(one, "aliases")
            if alias in aliases:
                raise VoiceExists(f"the alias {quoted(alias)} is there twice; send it once", field="aliases")
            aliases.append(alias)
        return aliases

    def _require_cloning(self) -> None:
        if not any(model.backend.info.cloning for model in self._models.synthesizers):
            raise CloningUnavailable(
                "no model of this server can speak with a custom voice; configure a synthesiser that can"
            )

    async def _require_room(self) -> None:
        """Raises TooManyVoices if the key may have no more; those that come at once may be some more."""
        owner, most = current_call.get().key_id, self._limits.voices
        if (count := sum(voice.owner == owner for voice in await self._voices.all(speaker()))) >= most:
            raise TooManyVoices(f"this key has {count} voices, and may have {most} (max_voices); delete one")

    def _require_new(self, name: str, field: str) -> None:
        """Raises VoiceExists for the names of models' own voices; the store knows the custom ones."""
        for model in self._models.synthesizers:
            info = model.backend.info
            aliases = info.voice_aliases(model.spec.voice_aliases)
            if name in {*aliases, *(voice.name for voice in info.voices)}:
                raise VoiceExists(
                    f"model {model.name!r} has a voice {quoted(name)} of its own; choose another name",
                    field=field,
                )


def _request_id(request: pb.CreateCustomVoiceRequest) -> RequestId | None:
    """Returns the id and fingerprint of the request; slow for a large sample. Raises InvalidRequest."""
    asked = pb.CreateCustomVoiceRequest()
    asked.CopyFrom(request)
    asked.ClearField("request_id")
    return read_request_id(request.request_id, asked)


async def find_voice(voices: VoiceStore, id_or_name: str) -> pb.CustomVoice:
    """Returns the voice of this id, name or alias, as the caller may change it. Raises VoiceNotFound."""
    return _described(await voices.find(id_or_name, manager()), await voices.aliases())


def _described(voice: CustomVoice, aliases: Mapping[str, Sequence[str]]) -> pb.CustomVoice:
    return from_custom_voice(voice, aliases.get(voice.id, ()))


def _name(given: str, field: str) -> str:
    """The name without white space around it. Raises InvalidRequest if it cannot be one."""
    name = given.strip()
    if len(name) > MAX_NAME_CHARACTERS:
        problem = f"has {len(name)} characters"
    elif not clean(name).strip():
        problem = "has no character that can be seen"
    elif hidden := hidden_characters(name):
        problem = f"has a control character ({quoted(hidden)})"
    elif is_id(name):
        problem = "is what the ids of voices look like"
    else:
        return name
    raise InvalidRequest(
        f"the name {problem}; send 1 to {MAX_NAME_CHARACTERS} characters that people can read", field=field
    )


def _check_texts(request: pb.CreateCustomVoiceRequest) -> None:
    for field, longest in MAX_CHARACTERS.items():
        if (length := len(getattr(request, field))) > longest:
            raise InvalidRequest(f"{field} has {length} characters; send at most {longest}", field=field)
    if request.language_code and not LANGUAGE_CODE.fullmatch(request.language_code):
        raise InvalidRequest(
            f"{quoted(request.language_code)} is no BCP-47 language code; send one such as en or de-AT",
            field="language_code",
        )
