"""VoiceAdminService."""

from typing import Any

from grpc.aio import ServicerContext

from audio_grpc.services.callers import manager
from audio_grpc.services.voice import find_voice
from audio_grpc.storage.voices import VoiceStore
from audio_grpc.v1 import voice_admin_pb2 as pb
from audio_grpc.v1.voice_admin_pb2_grpc import VoiceAdminServiceServicer

Context = ServicerContext[Any, Any]


class VoiceAdminServicer(VoiceAdminServiceServicer):
    """Shares voices, chooses the default one, and removes what is left of voices without samples."""

    def __init__(self, voices: VoiceStore) -> None:
        self._voices = voices

    async def ShareCustomVoice(
        self, request: pb.ShareCustomVoiceRequest, context: Context
    ) -> pb.ShareCustomVoiceResponse:
        """Shares a voice with everybody; returns it."""
        voice = await self._voices.share(request.id, manager())
        return pb.ShareCustomVoiceResponse(voice=await find_voice(self._voices, voice.id))

    async def SetDefaultVoice(
        self, request: pb.SetDefaultVoiceRequest, context: Context
    ) -> pb.SetDefaultVoiceResponse:
        """Sets the default voice, or none for an empty id; returns it."""
        voice = await find_voice(self._voices, request.id) if request.id else None
        await self._voices.set_default(voice.id if voice else "")
        return pb.SetDefaultVoiceResponse(voice=voice)

    async def CleanUpCustomVoices(
        self, request: pb.CleanUpCustomVoicesRequest, context: Context
    ) -> pb.CleanUpCustomVoicesResponse:
        """Removes the voices whose samples are missing; returns their names."""
        return pb.CleanUpCustomVoicesResponse(removed=await self._voices.clean())
