"""The client for asyncio."""

from collections.abc import AsyncIterator, Mapping, Sequence
from copy import copy
from typing import Self, Unpack
from uuid import uuid4

import grpc
from grpc_health.v1.health_pb2 import HealthCheckRequest, HealthCheckResponse
from grpc_health.v1.health_pb2_grpc import HealthStub

from audio_grpc.client.admin import AsyncAdmin
from audio_grpc.client.conversation import AsyncConversation
from audio_grpc.client.credentials import Metadata, Tls, authorization
from audio_grpc.client.errors import ServiceError
from audio_grpc.client.history import AsyncHistory
from audio_grpc.client.jobs import AsyncJobs
from audio_grpc.client.live_speech import AsyncLiveSpeech
from audio_grpc.client.live_transcript import AsyncLiveTranscript
from audio_grpc.client.options import (
    ConverseOptions,
    ListenOptions,
    LiveSpeechOptions,
    SpeechOptions,
    TranscriptOptions,
    listen_request,
    synthesize_request,
    transcribe_request,
    update_voice_request,
)
from audio_grpc.client.pages import LARGEST_PAGE
from audio_grpc.client.streams import (
    CHANNEL_OPTIONS,
    AsyncSpeech,
    AsyncStream,
    AsyncTranscript,
    AsyncUpload,
    audio,
    segment,
)
from audio_grpc.convert import from_seconds
from audio_grpc.v1.activity_admin_pb2_grpc import ActivityAdminServiceStub
from audio_grpc.v1.activity_pb2 import (
    Activity,
    ClearActivitiesRequest,
    GetStatisticsRequest,
    ListActivitiesRequest,
    Statistics,
    WatchActivitiesRequest,
)
from audio_grpc.v1.activity_pb2_grpc import ActivityServiceStub
from audio_grpc.v1.conversation_pb2 import ListPipelinesRequest, Pipeline
from audio_grpc.v1.conversation_pb2_grpc import ConversationServiceStub
from audio_grpc.v1.history_pb2_grpc import HistoryServiceStub
from audio_grpc.v1.job_pb2_grpc import JobServiceStub
from audio_grpc.v1.key_pb2 import GetKeyRequest, Key
from audio_grpc.v1.key_pb2_grpc import KeyServiceStub
from audio_grpc.v1.model_admin_pb2 import (
    FreeMemoryRequest,
    FreeMemoryResponse,
    GetMemoryRequest,
    LoadModelRequest,
    Memory,
    UnloadModelRequest,
)
from audio_grpc.v1.model_admin_pb2_grpc import ModelAdminServiceStub
from audio_grpc.v1.model_pb2 import GetModelRequest, ListModelsRequest, Model
from audio_grpc.v1.model_pb2_grpc import ModelServiceStub
from audio_grpc.v1.speech_to_text_pb2_grpc import SpeechToTextServiceStub
from audio_grpc.v1.text_to_speech_pb2 import ListVoicesRequest, Voice
from audio_grpc.v1.text_to_speech_pb2_grpc import TextToSpeechServiceStub
from audio_grpc.v1.voice_admin_pb2 import (
    CleanUpCustomVoicesRequest,
    SetDefaultVoiceRequest,
    ShareCustomVoiceRequest,
)
from audio_grpc.v1.voice_admin_pb2_grpc import VoiceAdminServiceStub
from audio_grpc.v1.voice_pb2 import (
    CreateCustomVoiceRequest,
    CustomVoice,
    DeleteCustomVoiceRequest,
    GetCustomVoiceRequest,
    GetCustomVoiceSampleRequest,
    GetDefaultVoiceRequest,
    ListCustomVoicesRequest,
)
from audio_grpc.v1.voice_pb2_grpc import VoiceServiceStub


class AsyncClient(AsyncJobs, AsyncHistory, AsyncAdmin):
    """A connection to a server, for asyncio. Every method raises ServiceError for what the server refuses.

    ``api_key`` goes with every call, and ``tls`` protects it on the way; without, the connection is plain.
    """

    def __init__(self, target: str, *, api_key: str | None = None, tls: Tls | None = None) -> None:
        self._metadata: Metadata = authorization(api_key)
        if tls is None:
            self._channel = grpc.aio.insecure_channel(target, options=CHANNEL_OPTIONS)
        else:
            self._channel = grpc.aio.secure_channel(target, tls.credentials(), options=CHANNEL_OPTIONS)
        self._text_to_speech = TextToSpeechServiceStub(self._channel)
        self._speech_to_text = SpeechToTextServiceStub(self._channel)
        self._conversations = ConversationServiceStub(self._channel)
        self._models = ModelServiceStub(self._channel)
        self._model_admin = ModelAdminServiceStub(self._channel)
        self._voices = VoiceServiceStub(self._channel)
        self._voice_admin = VoiceAdminServiceStub(self._channel)
        self._jobs = JobServiceStub(self._channel)
        self._history = HistoryServiceStub(self._channel)
        self._activities = ActivityServiceStub(self._channel)
        self._activity_admin = ActivityAdminServiceStub(self._channel)
        self._keys = KeyServiceStub(self._channel)
        self._health = HealthStub(self._channel)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Cancel what is running, and close the connection."""
        await self._channel.close()

    def with_metadata(self, metadata: Mapping[str, str]) -> Self:
        """Returns a client on the same connection whose calls carry ``metadata`` as well.

        An ``authorization`` in it takes the place of the client's own key.
        """
        other = copy(self)
        other._metadata = tuple({**dict(self._metadata), **metadata}.items())
        return other

    def synthesize(self, text: str, **options: Unpack[SpeechOptions]) -> AsyncSpeech:
        """The bytes of a sound file, as they are made."""
        timeout = options.pop("timeout", None)
        request = synthesize_request(text, options)
        return AsyncStream(
            self._text_to_speech.Synthesize(request, timeout=timeout, metadata=self._metadata), audio
        )

    def live_speech(self, **options: Unpack[LiveSpeechOptions]) -> AsyncLiveSpeech:
        """Starts speech of a text that is still being written."""
        timeout = options.pop("timeout", None)
        call = self._text_to_speech.StreamingSynthesize(timeout=timeout, metadata=self._metadata)
        return AsyncLiveSpeech(call, options)

    def transcribe(self, recording: bytes, **options: Unpack[TranscriptOptions]) -> AsyncTranscript:
        """The segments of a transcript, as they are recognised."""
        timeout = options.pop("timeout", None)
        request = transcribe_request(recording, options)
        return AsyncStream(
            self._speech_to_text.Transcribe(request, timeout=timeout, metadata=self._metadata), segment
        )

    def upload(self, timeout: float | None = None) -> AsyncUpload:
        """A recording that is sent piece by piece, for whoever does not have it whole."""
        return AsyncUpload(self._speech_to_text.TranscribeUpload(timeout=timeout, metadata=self._metadata))

    def listen(self, sample_rate_hertz: int, **options: Unpack[ListenOptions]) -> AsyncLiveTranscript:
        """A transcript of bare samples that are still being recorded."""
        timeout = options.pop("timeout", None)
        call = self._speech_to_text.StreamingTranscribe(timeout=timeout, metadata=self._metadata)
        return AsyncLiveTranscript(call, listen_request(sample_rate_hertz, options))

    def converse(self, **options: Unpack[ConverseOptions]) -> AsyncConversation:
        """A conversation with a language model, in speech."""
        timeout = options.pop("timeout", None)
        call = self._conversations.Converse(timeout=timeout, metadata=self._metadata)
        return AsyncConversation(call, options)

    async def list_pipelines(self) -> list[Pipeline]:
        """Returns the templates that conversations can start from; the first is the default."""
        request = ListPipelinesRequest(page_size=LARGEST_PAGE)
        pages = self._pages(self._conversations.ListPipelines, request, lambda page: page.pipelines)
        return [one async for one in pages]

    async def list_voices(self, model: str = "") -> list[Voice]:
        """Returns the voices of one model, or of all."""
        request = ListVoicesRequest(model=model, page_size=LARGEST_PAGE)
        pages = self._pages(self._text_to_speech.ListVoices, request, lambda page: page.voices)
        return [one async for one in pages]

    async def list_models(self) -> list[Model]:
        """Every configured model."""
        request = ListModelsRequest(page_size=LARGEST_PAGE)
        pages = self._pages(self._models.ListModels, request, lambda page: page.models)
        return [one async for one in pages]

    async def get_model(self, name: str) -> Model:
        """Returns one model, by name or alias."""
        return (await self._unary(self._models.GetModel, GetModelRequest(name=name))).model

    async def load_model(self, name: str) -> AsyncIterator[Model]:
        """The model whenever its state or its progress changes, until it is ready."""
        try:
            async for response in self._model_admin.LoadModel(
                LoadModelRequest(name=name), metadata=self._metadata
            ):
                yield response.model
        except grpc.RpcError as error:
            raise ServiceError.of(error) from error

    async def unload_model(self, name: str) -> Model:
        """Unloads a model; returns it once its memory is free."""
        return (await self._unary(self._model_admin.UnloadModel, UnloadModelRequest(name=name))).model

    async def get_memory(self) -> Memory:
        """Returns the memory that the server uses, and that is left."""
        return (await self._unary(self._model_admin.GetMemory, GetMemoryRequest())).memory

    async def free_memory(self) -> FreeMemoryResponse:
        """Have idle models unloaded that are not resident, and unused memory given back."""
        return await self._unary(self._model_admin.FreeMemory, FreeMemoryRequest())

    async def create_voice(
        self, name: str, sample: bytes, *, transcript: str = "", language_code: str = "", consent: str = ""
    ) -> CustomVoice:
        """A voice made from a recording of a speaker; protos/audio_grpc/v1/voice.proto has the ranges."""
        request = CreateCustomVoiceRequest(
            name=name,
            sample=sample,
            transcript=transcript,
            language_code=language_code,
            consent=consent,
            request_id=str(uuid4()),
        )
        return (await self._repeatable(self._voices.CreateCustomVoice, request)).voice

    async def list_custom_voices(self) -> list[CustomVoice]:
        """The voices that were made from samples, oldest first."""
        request = ListCustomVoicesRequest(page_size=LARGEST_PAGE)
        pages = self._pages(self._voices.ListCustomVoices, request, lambda page: page.voices)
        return [one async for one in pages]

    async def get_custom_voice(self, id_or_name: str) -> CustomVoice:
        """Returns the custom voice of this id or name. Raises ServiceError if there is none."""
        request = GetCustomVoiceRequest(id=id_or_name)
        return (await self._unary(self._voices.GetCustomVoice, request)).voice

    async def delete_custom_voice(self, id_or_name: str) -> None:
        """Deletes a custom voice and its sample."""
        await self._unary(self._voices.DeleteCustomVoice, DeleteCustomVoiceRequest(id=id_or_name))

    async def share_voice(self, id_or_name: str) -> CustomVoice:
        """Share one of them with everybody; the key needs the scope admin."""
        request = ShareCustomVoiceRequest(id=id_or_name)
        return (await self._unary(self._voice_admin.ShareCustomVoice, request)).voice

    async def update_voice(
        self, id_or_name: str, *, name: str | None = None, aliases: Sequence[str] | None = None
    ) -> CustomVoice:
        """Gives a custom voice another name, other aliases, or both; returns the voice."""
        request = update_voice_request(id_or_name, name, aliases)
        return (await self._unary(self._voices.UpdateCustomVoice, request)).voice

    async def get_voice_sample(self, id_or_name: str) -> bytes:
        """Returns the recording that a custom voice was made from."""
        request = GetCustomVoiceSampleRequest(id=id_or_name)
        return (await self._unary(self._voices.GetCustomVoiceSample, request)).sample

    async def get_default_voice(self) -> CustomVoice | None:
        """The one for those who name none, if there is one."""
        reply = await self._unary(self._voices.GetDefaultVoice, GetDefaultVoiceRequest())
        return reply.voice if reply.HasField("voice") else None

    async def set_default_voice(self, id_or_name: str) -> None:
        """Sets the voice for requests that name none; empty for none."""
        await self._unary(self._voice_admin.SetDefaultVoice, SetDefaultVoiceRequest(id=id_or_name))

    async def clean_up_voices(self) -> list[str]:
        """Have those removed whose samples are missing; the names."""
        reply = await self._unary(self._voice_admin.CleanUpCustomVoices, CleanUpCustomVoicesRequest())
        return list(reply.removed)

    async def list_activities(self, max_recent: int | None = None) -> list[Activity]:
        """The active requests, oldest first, and then the recent ones, the last first."""
        request = ListActivitiesRequest(max_recent=max_recent, page_size=LARGEST_PAGE)
        pages = self._pages(self._activities.ListActivities, request, lambda page: page.activities)
        return [one async for one in pages]

    def watch_activities(
        self, max_recent: int | None = None, *, interval: float | None = None
    ) -> AsyncIterator[list[Activity]]:
        """Yields the activities every ``interval`` seconds while any is active, until the server ends."""
        request = WatchActivitiesRequest(
            max_recent=max_recent, interval=None if interval is None else from_seconds(interval)
        )
        return self._watched(self._activities.WatchActivities, request)

    async def clear_activities(self) -> int:
        """Have the recent requests forgotten; how many there were."""
        return (await self._unary(self._activities.ClearActivities, ClearActivitiesRequest())).cleared

    async def get_statistics(self) -> Statistics:
        """Returns totals since the server's start."""
        return (await self._unary(self._activities.GetStatistics, GetStatisticsRequest())).statistics

    async def get_key(self) -> Key | None:
        """The key that the calls carry, without its secret; None if the server asks for none."""
        reply = await self._unary(self._keys.GetKey, GetKeyRequest())
        return reply.key if reply.HasField("key") else None

    async def is_serving(self, service: str = "") -> bool:
        """Tells if the server's health service reports the service as serving; an empty name asks for all."""
        reply = await self._unary(self._health.Check, HealthCheckRequest(service=service))
        return bool(reply.status == HealthCheckResponse.SERVING)
