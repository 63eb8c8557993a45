"""The client for threads."""

from collections.abc import Iterator, Sequence
from functools import partial
from typing import Self, Unpack
from uuid import uuid4

import grpc
from grpc_health.v1.health_pb2 import HealthCheckRequest, HealthCheckResponse
from grpc_health.v1.health_pb2_grpc import HealthStub

from audio_grpc.client.admin import Admin
from audio_grpc.client.credentials import Tls, authorization
from audio_grpc.client.errors import ServiceError
from audio_grpc.client.history import History
from audio_grpc.client.jobs import Jobs
from audio_grpc.client.live_speech import LiveSpeech
from audio_grpc.client.live_transcript import LiveTranscript
from audio_grpc.client.options import (
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
from audio_grpc.client.streams import CHANNEL_OPTIONS, Speech, Stream, Transcript, audio, segment
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


class Client(Jobs, History, Admin):
    """A connection to a server, for threads. Every method raises ServiceError for what the server refuses.

    ``api_key`` goes with every call, and ``tls`` protects it on the way; without, the connection is plain.
    """

    def __init__(self, target: str, *, api_key: str | None = None, tls: Tls | None = None) -> None:
        self._metadata = authorization(api_key)
        if tls is None:
            self._channel = grpc.insecure_channel(target, options=CHANNEL_OPTIONS)
        else:
            self._channel = grpc.secure_channel(target, tls.credentials(), options=CHANNEL_OPTIONS)
        self._text_to_speech = TextToSpeechServiceStub(self._channel)
        self._speech_to_text = SpeechToTextServiceStub(self._channel)
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

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Cancel what is running, and close the connection."""
        self._channel.close()

    def synthesize(self, text: str, **options: Unpack[SpeechOptions]) -> Speech:
        """The bytes of a sound file, as they are made."""
        timeout = options.pop("timeout", None)
        request = synthesize_request(text, options)
        call = self._text_to_speech.Synthesize(request, timeout=timeout, metadata=self._metadata)
        return Stream(call, audio)

    def live_speech(self, **options: Unpack[LiveSpeechOptions]) -> LiveSpeech:
        """Starts speech of a text that is still being written."""
        timeout = options.pop("timeout", None)
        method = self._text_to_speech.StreamingSynthesize
        return LiveSpeech(partial(method, timeout=timeout, metadata=self._metadata), options)

    def transcribe(self, recording: bytes, **options: Unpack[TranscriptOptions]) -> Transcript:
        """The segments of a transcript, as they are recognised."""
        timeout = options.pop("timeout", None)
        request = transcribe_request(recording, options)
        call = self._speech_to_text.Transcribe(request, timeout=timeout, metadata=self._metadata)
        return Stream(call, segment)

    def listen(self, sample_rate_hertz: int, **options: Unpack[ListenOptions]) -> LiveTranscript:
        """A transcript of bare samples that are still being recorded."""
        timeout = options.pop("timeout", None)
        method = partial(self._speech_to_text.StreamingTranscribe, timeout=timeout, metadata=self._metadata)
        return LiveTranscript(method, listen_request(sample_rate_hertz, options))

    def list_voices(self, model: str = "") -> list[Voice]:
        """Returns the voices of one model, or of all."""
        request = ListVoicesRequest(model=model, page_size=LARGEST_PAGE)
        return list(self._pages(self._text_to_speech.ListVoices, request, lambda page: page.voices))

    def list_models(self) -> list[Model]:
        """Every configured model."""
        request = ListModelsRequest(page_size=LARGEST_PAGE)
        return list(self._pages(self._models.ListModels, request, lambda page: page.models))

    def get_model(self, name: str) -> Model:
        """Returns one model, by name or alias."""
        return self._unary(self._models.GetModel, GetModelRequest(name=name)).model

    def load_model(self, name: str) -> Iterator[Model]:
        """The model whenever its state or its progress changes, until it is ready."""
        try:
            for response in self._model_admin.LoadModel(LoadModelRequest(name=name), metadata=self._metadata):
                yield response.model
        except grpc.RpcError as error:
            raise ServiceError.of(error) from error

    def unload_model(self, name: str) -> Model:
        """Unloads a model; returns it once its memory is free."""
        return self._unary(self._model_admin.UnloadModel, UnloadModelRequest(name=name)).model

    def get_memory(self) -> Memory:
        """Returns the memory that the server uses, and that is left."""
        return self._unary(self._model_admin.GetMemory, GetMemoryRequest()).memory

    def free_memory(self) -> FreeMemoryResponse:
        """Have idle models unloaded that are not resident, and unused memory given back."""
        return self._unary(self._model_admin.FreeMemory, FreeMemoryRequest())

    def create_voice(
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
        return self._repeatable(self._voices.CreateCustomVoice, request).voice

    def list_custom_voices(self) -> list[CustomVoice]:
        """The voices that were made from samples, oldest first."""
        request = ListCustomVoicesRequest(page_size=LARGEST_PAGE)
        return list(self._pages(self._voices.ListCustomVoices, request, lambda page: page.voices))

    def get_custom_voice(self, id_or_name: str) -> CustomVoice:
        """Returns the custom voice of this id or name. Raises ServiceError if there is none."""
        request = GetCustomVoiceRequest(id=id_or_name)
        return self._unary(self._voices.GetCustomVoice, request).voice

    def delete_custom_voice(self, id_or_name: str) -> None:
        """Deletes a custom voice and its sample."""
        self._unary(self._voices.DeleteCustomVoice, DeleteCustomVoiceRequest(id=id_or_name))

    def share_voice(self, id_or_name: str) -> CustomVoice:
        """Share one of them with everybody; the key needs the scope admin."""
        request = ShareCustomVoiceRequest(id=id_or_name)
        return (self._unary(self._voice_admin.ShareCustomVoice, request)).voice

    def update_voice(
        self, id_or_name: str, *, name: str | None = None, aliases: Sequence[str] | None = None
    ) -> CustomVoice:
        """Gives a custom voice another name, other aliases, or both; returns the voice."""
        request = update_voice_request(id_or_name, name, aliases)
        return self._unary(self._voices.UpdateCustomVoice, request).voice

    def get_voice_sample(self, id_or_name: str) -> bytes:
        """Returns the recording that a custom voice was made from."""
        request = GetCustomVoiceSampleRequest(id=id_or_name)
        return (self._unary(self._voices.GetCustomVoiceSample, request)).sample

    def get_default_voice(self) -> CustomVoice | None:
        """The one for those who name none, if there is one."""
        reply = self._unary(self._voices.GetDefaultVoice, GetDefaultVoiceRequest())
        return reply.voice if reply.HasField("voice") else None

    def set_default_voice(self, id_or_name: str) -> None:
        """Sets the voice for requests that name none; empty for none."""
        self._unary(self._voice_admin.SetDefaultVoice, SetDefaultVoiceRequest(id=id_or_name))

    def clean_up_voices(self) -> list[str]:
        """Have those removed whose samples are missing; the names."""
        reply = self._unary(self._voice_admin.CleanUpCustomVoices, CleanUpCustomVoicesRequest())
        return list(reply.removed)

    def list_activities(self, max_recent: int | None = None) -> list[Activity]:
        """The active requests, oldest first, and then the recent ones, the last first."""
        request = ListActivitiesRequest(max_recent=max_recent, page_size=LARGEST_PAGE)
        return list(self._pages(self._activities.ListActivities, request, lambda page: page.activities))

    def watch_activities(
        self, max_recent: int | None = None, *, interval: float | None = None
    ) -> Iterator[list[Activity]]:
        """Yields the activities every ``interval`` seconds while any is active, until the server ends."""
        request = WatchActivitiesRequest(
            max_recent=max_recent, interval=None if interval is None else from_seconds(interval)
        )
        return self._watched(self._activities.WatchActivities, request)

    def clear_activities(self) -> int:
        """Have the recent requests forgotten; how many there were."""
        return (self._unary(self._activities.ClearActivities, ClearActivitiesRequest())).cleared

    def get_statistics(self) -> Statistics:
        """Returns totals since the server's start."""
        return (self._unary(self._activities.GetStatistics, GetStatisticsRequest())).statistics

    def get_key(self) -> Key | None:
        """The key that the calls carry, without its secret; None if the server asks for none."""
        reply = self._unary(self._keys.GetKey, GetKeyRequest())
        return reply.key if reply.HasField("key") else None

    def is_serving(self, service: str = "", timeout: float | None = None) -> bool:
        """Tells if the server's health service reports the service as serving; an empty name asks for all."""
        reply = self._unary(self._health.Check, HealthCheckRequest(service=service), timeout=timeout)
        return bool(reply.status == HealthCheckResponse.SERVING)
