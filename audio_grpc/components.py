"""Builds from the settings all objects that live as long as the server does, and its services."""

import asyncio
import logging
from typing import Any
from uuid import uuid4

from opentelemetry.trace import TracerProvider
from platformdirs import user_data_path

from audio_grpc.access.keys import KeyStore
from audio_grpc.access.revocation import RunningCalls
from audio_grpc.access.uploads import Uploads
from audio_grpc.backends import registry
from audio_grpc.backends.base import ModelSpec
from audio_grpc.backends.choosing import plan
from audio_grpc.backends.silero import Silero
from audio_grpc.chat import Chat
from audio_grpc.config import Settings
from audio_grpc.machine import this_machine
from audio_grpc.runtime.loaded import Backend
from audio_grpc.runtime.memory import Memory
from audio_grpc.runtime.memory_manager import MemoryManager
from audio_grpc.runtime.model import Model
from audio_grpc.runtime.models import Models
from audio_grpc.services.activity import ActivityServicer
from audio_grpc.services.activity_admin import ActivityAdminServicer
from audio_grpc.services.cloning import SampleFinder
from audio_grpc.services.cluster_activity import ClusterActivity
from audio_grpc.services.conversation import ConversationServicer
from audio_grpc.services.history import HistoryServicer
from audio_grpc.services.jobs import JobConfig, JobRunner, JobServicer
from audio_grpc.services.key import KeyServicer
from audio_grpc.services.live_stages import HearingStage, SpeakingStage
from audio_grpc.services.model import ModelServicer
from audio_grpc.services.model_admin import ModelAdminServicer
from audio_grpc.services.requests import Limits
from audio_grpc.services.speech_to_text import SpeechToTextServicer
from audio_grpc.services.tasks import end
from audio_grpc.services.text_to_speech import TextToSpeechServicer
from audio_grpc.services.transcripts import SampleTranscripts
from audio_grpc.services.voice import VoiceServicer
from audio_grpc.services.voice_admin import VoiceAdminServicer
from audio_grpc.storage import ActivityStore, Database, JobBounds, JobStorage, PastRequests, open_blobs
from audio_grpc.storage.voices import FolderVoices
from audio_grpc.telemetry.activities import Activities
from audio_grpc.telemetry.history import HistoryConfig, RequestHistory
from audio_grpc.telemetry.metrics import Metrics
from audio_grpc.telemetry.observer import Observer
from audio_grpc.telemetry.tracing import CallTracer
from audio_grpc.v1.activity_admin_pb2_grpc import add_ActivityAdminServiceServicer_to_server
from audio_grpc.v1.activity_pb2_grpc import add_ActivityServiceServicer_to_server
from audio_grpc.v1.conversation_pb2_grpc import add_ConversationServiceServicer_to_server
from audio_grpc.v1.history_pb2_grpc import add_HistoryServiceServicer_to_server
from audio_grpc.v1.job_pb2_grpc import add_JobServiceServicer_to_server
from audio_grpc.v1.key_pb2_grpc import add_KeyServiceServicer_to_server
from audio_grpc.v1.model_admin_pb2_grpc import add_ModelAdminServiceServicer_to_server
from audio_grpc.v1.model_pb2_grpc import add_ModelServiceServicer_to_server
from audio_grpc.v1.speech_to_text_pb2_grpc import add_SpeechToTextServiceServicer_to_server
from audio_grpc.v1.text_to_speech_pb2_grpc import add_TextToSpeechServiceServicer_to_server
from audio_grpc.v1.voice_admin_pb2_grpc import add_VoiceAdminServiceServicer_to_server
from audio_grpc.v1.voice_pb2_grpc import add_VoiceServiceServicer_to_server

USER_DATA = user_data_path("audio-grpc")
DAY_SECONDS = 86400.0
UNLOAD_SECONDS = 10.0
PREVIEW_CHARACTERS = 100

log = logging.getLogger(__name__)


class Components:
    """To be made, started and ended on one event loop."""

    def __init__(self, settings: Settings, tracer_provider: TracerProvider | None, memory: Memory) -> None:
        self._settings = settings
        self.watches_ended = asyncio.Event()
        self.keys = KeyStore(settings.keys_file) if settings.keys_file else None
        self.running_calls = RunningCalls(self.keys) if self.keys else None
        self.uploads = Uploads(settings.max_upload_bytes_in_flight)
        self.models = _models(settings, memory)
        self.metrics = Metrics(self.models)
        self.storage = JobStorage(
            Database(settings.database_url or f"sqlite:///{USER_DATA / 'audio-grpc.db'}"),
            open_blobs(settings.results_url or str(USER_DATA / "results")),
        )
        database = self.storage.database
        self._past_requests = PastRequests(database, self.storage.blobs)
        self.history = RequestHistory(
            _history_rules(settings), database, self._past_requests, self.metrics.registry
        )
        self._tasks: list[asyncio.Task[None]] = []
        self._activities = Activities()
        board = ActivityStore(database, uuid4().hex)
        self._neighbours = ClusterActivity(board, self._activities) if database.is_shared else None
        self._activity_reports = ActivityServicer(self._activities, self.models, self._neighbours)
        self.observer = Observer(
            self.metrics,
            CallTracer(tracer_provider),
            self._activities,
            self.history,
            PREVIEW_CHARACTERS if settings.activity_previews else 0,
        )
        self._chat = Chat()
        self._voices = FolderVoices(settings.voices_path or USER_DATA / "voices")
        transcripts = SampleTranscripts(self.models)
        self._samples = SampleFinder(self._voices, transcripts, settings.max_voice_sample_bytes)
        self.job_runner = JobRunner(
            *(self.models, self._samples, self.storage, _job_rules(settings), self.running_calls)
        )

    def add_services(self, server: Any) -> None:
        """Every service of the contract, to a server or what stands for one."""
        settings, models, limits = self._settings, self.models, _limits(self._settings)
        hearing, speaking = HearingStage(models, Silero()), SpeakingStage(models, self._samples)
        text_to_speech = TextToSpeechServicer(models, limits, self._voices, self._samples, speaking)
        conversations = ConversationServicer(
            settings.pipelines, models, limits, hearing, speaking, self._chat
        )
        jobs = JobServicer(
            *(models, self._samples, self.storage, self.job_runner),
            *(settings.max_job_characters, _job_bounds(settings)),
        )
        history = HistoryServicer(self._past_requests, self.history.rules)
        add_TextToSpeechServiceServicer_to_server(text_to_speech, server)
        add_SpeechToTextServiceServicer_to_server(SpeechToTextServicer(models, limits, hearing), server)
        add_ConversationServiceServicer_to_server(conversations, server)
        add_ModelServiceServicer_to_server(ModelServicer(models), server)
        add_ModelAdminServiceServicer_to_server(ModelAdminServicer(models, self.watches_ended), server)
        add_VoiceServiceServicer_to_server(VoiceServicer(models, limits, self._voices), server)
        add_VoiceAdminServiceServicer_to_server(VoiceAdminServicer(self._voices), server)
        add_JobServiceServicer_to_server(jobs, server)
        add_ActivityServiceServicer_to_server(self._activity_reports, server)
        add_ActivityAdminServiceServicer_to_server(ActivityAdminServicer(self._activity_reports), server)
        add_HistoryServiceServicer_to_server(history, server)
        add_KeyServiceServicer_to_server(KeyServicer(), server)

    def start(self) -> None:
        """Starts the background tasks; jobs start by themselves once models are loaded."""
        self.models.keep_room()
        self._tasks = [asyncio.create_task(self.storage.database.prepare(), name="prepare the database")]
        self.history.start()
        if self.running_calls is not None:
            self._tasks.append(asyncio.create_task(self.running_calls.watch(), name="watch for revoked keys"))
        if self._neighbours is not None:
            self._neighbours.start(self._activity_reports.of_this_server)

    async def end_background(self) -> None:
        """Ends watches, jobs and activity streams, which never end by themselves, so that their calls end."""
        self.watches_ended.set()
        await self.job_runner.stop()
        self._activities.close()

    async def close(self) -> None:
        """Closes all objects; called once no calls are left."""
        await end(*self._tasks)
        await self._chat.close()
        try:
            await asyncio.wait_for(self.models.close(), UNLOAD_SECONDS)
        except TimeoutError:
            log.warning("a model does not come to an end; leaving it behind")
        if self._neighbours is not None:
            await self._neighbours.stop()
        await self.history.stop()
        await self.storage.database.close()


def _limits(settings: Settings) -> Limits:
    return Limits(
        text_characters=settings.max_text_characters,
        idle_seconds=settings.max_idle_seconds,
        audio_bytes=settings.max_audio_bytes,
        audio_seconds=settings.max_audio_seconds,
        voice_sample_bytes=settings.max_voice_sample_bytes,
        voices=settings.max_voices,
    )


def _job_rules(settings: Settings) -> JobConfig:
    return JobConfig(
        at_once=settings.jobs_at_once,
        lease_seconds=settings.job_lease_seconds,
        retention_seconds=settings.job_retention_days * DAY_SECONDS,
    )


def _job_bounds(settings: Settings) -> JobBounds:
    return JobBounds(
        waiting=settings.max_waiting_jobs,
        characters=settings.max_waiting_job_characters,
        kept=settings.max_kept_jobs,
    )


def _history_rules(settings: Settings) -> HistoryConfig:
    return HistoryConfig(
        is_on=settings.history,
        audio=settings.history_audio,
        keeps_texts=settings.history_texts,
        max_audio_bytes=settings.max_history_audio_bytes,
        retention_seconds=settings.history_days * DAY_SECONDS,
        asks_for_keys=settings.keys_file is not None,
    )


def _models(settings: Settings, memory: Memory) -> Models:
    """Every configured model; only the backends that are named are imported."""
    room = MemoryManager(
        memory,
        min_free_bytes=settings.min_free_memory_bytes,
        min_free_device_bytes=settings.min_free_device_memory_bytes,
    )
    machine = this_machine(settings.memory_limit_bytes, settings.replicas)

    def model(name: str, spec: ModelSpec, backend: type[Backend]) -> Model[Backend]:
        planned = plan(spec, backend, machine)
        return Model(name, planned.spec, backend, room, planned.expected)

    return Models(
        [
            model(name, spec, registry.synthesizer(spec.backend))
            for name, spec in settings.synthesizers.items()
        ],
        [
            model(name, spec, registry.transcriber(spec.backend))
            for name, spec in settings.transcribers.items()
        ],
        room,
    )
