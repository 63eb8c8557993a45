"""Assembles the server from its settings, and runs it until it is told to stop."""

import asyncio
import gc
import logging
import signal
from collections.abc import Awaitable, Callable, Sequence
from uuid import uuid4

import grpc
from grpc_channelz.v1 import channelz, channelz_pb2
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection
from opentelemetry.trace import TracerProvider
from platformdirs import user_data_path

from audio_grpc.access.exposure import require_protection
from audio_grpc.access.keys import KeyStore
from audio_grpc.access.tls import server_credentials
from audio_grpc.access.uploads import Uploads
from audio_grpc.addresses import target
from audio_grpc.backends import registry
from audio_grpc.backends.silero import Silero
from audio_grpc.chat import Chat
from audio_grpc.config import Settings
from audio_grpc.errors import ConfigurationError
from audio_grpc.interceptors.access import Access
from audio_grpc.interceptors.guard import Guard
from audio_grpc.interceptors.recorder import Recorder
from audio_grpc.runtime.memory import Memory, SystemMemory
from audio_grpc.runtime.model import Model
from audio_grpc.runtime.models import AnyModel, Models
from audio_grpc.runtime.room import Room
from audio_grpc.services.activity import ActivityReports
from audio_grpc.services.cloning import Samples
from audio_grpc.services.conversation import Conversations
from audio_grpc.services.history import HistoryReports
from audio_grpc.services.jobs import JobRules, JobRunner, Jobs
from audio_grpc.services.live_stages import HearingStage, SpeakingStage
from audio_grpc.services.model import ModelDirectory
from audio_grpc.services.neighbours import Neighbours
from audio_grpc.services.requests import Limits
from audio_grpc.services.speech_to_text import SpeechToText
from audio_grpc.services.text_to_speech import TextToSpeech
from audio_grpc.services.transcripts import SampleTranscripts
from audio_grpc.services.voice import CustomVoices
from audio_grpc.store import ActivityBoard, Database, JobStorage, PastRequests, open_blobs
from audio_grpc.telemetry.activities import Activities
from audio_grpc.telemetry.endpoint import MetricsEndpoint
from audio_grpc.telemetry.history import History, HistoryRules
from audio_grpc.telemetry.metrics import Metrics
from audio_grpc.telemetry.observer import Observer
from audio_grpc.telemetry.tracing import CallTracer
from audio_grpc.v1 import (
    activity_pb2,
    conversation_pb2,
    history_pb2,
    job_pb2,
    model_pb2,
    speech_to_text_pb2,
    text_to_speech_pb2,
    voice_pb2,
)
from audio_grpc.v1.activity_pb2_grpc import add_ActivityServiceServicer_to_server
from audio_grpc.v1.conversation_pb2_grpc import add_ConversationServiceServicer_to_server
from audio_grpc.v1.history_pb2_grpc import add_HistoryServiceServicer_to_server
from audio_grpc.v1.job_pb2_grpc import add_JobServiceServicer_to_server
from audio_grpc.v1.model_pb2_grpc import add_ModelServiceServicer_to_server
from audio_grpc.v1.speech_to_text_pb2_grpc import add_SpeechToTextServiceServicer_to_server
from audio_grpc.v1.text_to_speech_pb2_grpc import add_TextToSpeechServiceServicer_to_server
from audio_grpc.v1.voice_pb2_grpc import add_VoiceServiceServicer_to_server
from audio_grpc.voices import FolderVoices

TEXT_TO_SPEECH = text_to_speech_pb2.DESCRIPTOR.services_by_name["TextToSpeechService"].full_name
SPEECH_TO_TEXT = speech_to_text_pb2.DESCRIPTOR.services_by_name["SpeechToTextService"].full_name
CONVERSATION = conversation_pb2.DESCRIPTOR.services_by_name["ConversationService"].full_name
MODEL = model_pb2.DESCRIPTOR.services_by_name["ModelService"].full_name
VOICE = voice_pb2.DESCRIPTOR.services_by_name["VoiceService"].full_name
JOB = job_pb2.DESCRIPTOR.services_by_name["JobService"].full_name
ACTIVITY = activity_pb2.DESCRIPTOR.services_by_name["ActivityService"].full_name
HISTORY = history_pb2.DESCRIPTOR.services_by_name["HistoryService"].full_name
CHANNELZ = channelz_pb2.DESCRIPTOR.services_by_name["Channelz"].full_name
SERVING = health_pb2.HealthCheckResponse.SERVING
NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING
EVERYTHING = health.OVERALL_HEALTH
# The transport takes somewhat more than the service, so that an upload which is a little too large gets
# an answer that says what to do.
TRANSPORT_MARGIN = 1.25
USER_DATA = user_data_path("audio-grpc")
DAY_SECONDS = 86400.0
UNLOAD_SECONDS = 10.0
PREVIEW_CHARACTERS = 100

log = logging.getLogger(__name__)


class Server:
    """One server on one port, with its models.

    ``tracer_provider`` is where its spans go, if anywhere, and ``memory`` what it takes for the machine's.
    """

    def __init__(
        self,
        settings: Settings,
        tracer_provider: TracerProvider | None = None,
        memory: Memory | None = None,
    ) -> None:
        self.settings = settings
        self.port = 0
        self.keys = KeyStore(settings.keys_file) if settings.keys_file else None
        self.uploads = Uploads(settings.max_upload_bytes_in_flight)
        self._credentials = server_credentials(
            settings.tls_certificate, settings.tls_key, settings.tls_client_ca
        )
        require_protection(
            settings.host,
            keys=self.keys is not None,
            tls=self._credentials is not None,
            allow_open=settings.allow_open,
        )
        self.models = _models(settings, memory or SystemMemory())
        self.metrics_url = ""
        self._metrics = Metrics(self.models)
        self._metrics_endpoint: MetricsEndpoint | None = None
        self._activities = Activities()
        self._storage = JobStorage(
            Database(settings.database_url or f"sqlite:///{USER_DATA / 'audio-grpc.db'}"),
            open_blobs(settings.results_url or str(USER_DATA / "results")),
        )
        self._past_requests = PastRequests(self._storage.database, self._storage.blobs)
        board = ActivityBoard(self._storage.database, uuid4().hex)
        is_shared = self._storage.database.is_shared
        self._neighbours = Neighbours(board, self._activities) if is_shared else None
        self._history = History(
            _history_rules(settings), self._storage.database, self._past_requests, self._metrics.registry
        )
        self._observer = Observer(
            self._metrics,
            CallTracer(tracer_provider),
            self._activities,
            self._history,
            PREVIEW_CHARACTERS if settings.activity_previews else 0,
        )
        self._chat = Chat()
        self._health = health.aio.HealthServicer()
        self._server = self._assemble()

    @property
    def address(self) -> str:
        """Where it listens."""
        return target(self.settings.host, self.port)

    async def start(self) -> None:
        """Listen, and load the resident models; then health says SERVING.

        ConfigurationError if the port cannot be had, ModelLoadFailed if a resident model cannot.
        """
        for service in (EVERYTHING, TEXT_TO_SPEECH, SPEECH_TO_TEXT):
            await self._health.set(service, NOT_SERVING)
        for service in (CONVERSATION, MODEL, VOICE, JOB, ACTIVITY, HISTORY):
            await self._health.set(service, SERVING)
        self.port = self._listen(target(self.settings.host, self.settings.port))
        self._publish_metrics()
        self.models.keep_room()
        self._history.start()
        if self._neighbours is not None:
            self._neighbours.start(self._activity_reports.of_this_server)
        await self._server.start()
        await asyncio.gather(
            self._load_resident(TEXT_TO_SPEECH, self.models.synthesizers),
            self._load_resident(SPEECH_TO_TEXT, self.models.transcribers),
        )
        self._job_runner.start()
        await self._health.set(EVERYTHING, SERVING)
        log.info("serving on %s", self.address)

    async def drain(self) -> None:
        """Say NOT_SERVING, so that calls go elsewhere; those that still come are served."""
        await self._health.enter_graceful_shutdown()

    async def stop(self, grace_seconds: float) -> None:
        """Refuse new calls, let running ones finish within the grace period, and unload the models."""
        await self.drain()
        await self._job_runner.stop()
        self._activities.close()
        await self._server.stop(grace_seconds)
        await self._chat.close()
        try:
            await asyncio.wait_for(self.models.close(), UNLOAD_SECONDS)
        except TimeoutError:
            log.warning("a model does not come to an end; leaving it behind")
        if self._neighbours is not None:
            await self._neighbours.stop()
        await self._history.stop()
        await self._storage.database.close()
        # Last, so that the draining can be watched; taken first, as a second signal comes here as well.
        endpoint, self._metrics_endpoint = self._metrics_endpoint, None
        if endpoint is not None:
            await asyncio.to_thread(endpoint.close)

    def _publish_metrics(self) -> None:
        if self.settings.metrics_port is not None:
            self._metrics_endpoint = MetricsEndpoint(
                self._metrics.registry, self.settings.metrics_host, self.settings.metrics_port
            )
            self.metrics_url = self._metrics_endpoint.url
            log.info("metrics on %s", self.metrics_url)

    def _listen(self, wanted: str) -> int:
        """The port that it listens on now."""
        try:
            if self._credentials is None:
                return self._server.add_insecure_port(wanted)
            return self._server.add_secure_port(wanted, self._credentials)
        except RuntimeError as error:
            raise ConfigurationError(
                f"cannot listen on {wanted}; is another server running there? Choose another with --port"
            ) from error

    async def _load_resident(self, service: str, models: Sequence[AnyModel]) -> None:
        await asyncio.gather(*(model.load() for model in models if model.spec.resident))
        await self._health.set(service, SERVING)

    def _assemble(self) -> grpc.aio.Server:
        limits = Limits(
            text_characters=self.settings.max_text_characters,
            idle_seconds=self.settings.max_idle_seconds,
            audio_bytes=self.settings.max_audio_bytes,
            audio_seconds=self.settings.max_audio_seconds,
            voice_sample_bytes=self.settings.max_voice_sample_bytes,
        )
        upload = max(self.settings.max_audio_bytes, self.settings.max_voice_sample_bytes)
        largest = round(upload * TRANSPORT_MARGIN) + (1 << 20)
        server = grpc.aio.server(
            interceptors=[
                Guard(self._observer),
                Access(self.keys, self.uploads),
                Recorder(self._history),
            ],
            options=[
                ("grpc.max_receive_message_length", largest),
                # Two servers on one port would share its calls between them, silently.
                ("grpc.so_reuseport", 0),
            ],
        )
        voices = FolderVoices(self.settings.voices_path or USER_DATA / "voices")
        samples = Samples(voices, SampleTranscripts(self.models), limits.voice_sample_bytes)
        hearing = HearingStage(self.models, Silero())
        speaking = SpeakingStage(self.models, samples)
        text_to_speech = TextToSpeech(self.models, limits, voices, samples, speaking)
        add_TextToSpeechServiceServicer_to_server(text_to_speech, server)
        add_SpeechToTextServiceServicer_to_server(SpeechToText(self.models, limits, hearing), server)
        conversations = Conversations(
            self.settings.pipelines, self.models, limits, hearing, speaking, self._chat
        )
        add_ConversationServiceServicer_to_server(conversations, server)
        add_ModelServiceServicer_to_server(ModelDirectory(self.models), server)
        add_VoiceServiceServicer_to_server(CustomVoices(self.models, limits, voices), server)
        add_JobServiceServicer_to_server(self._jobs(samples), server)
        self._activity_reports = ActivityReports(self._activities, self.models, self._neighbours)
        add_ActivityServiceServicer_to_server(self._activity_reports, server)
        past_requests = HistoryReports(self._past_requests, self._history.rules)
        add_HistoryServiceServicer_to_server(past_requests, server)
        health_pb2_grpc.add_HealthServicer_to_server(self._health, server)
        channelz.add_channelz_servicer(server)
        own = (TEXT_TO_SPEECH, SPEECH_TO_TEXT, CONVERSATION, MODEL, VOICE, JOB, ACTIVITY, HISTORY)
        names = (*own, health.SERVICE_NAME, CHANNELZ)
        reflection.enable_server_reflection((*names, reflection.SERVICE_NAME), server)
        return server

    def _jobs(self, samples: Samples) -> Jobs:
        """JobService, and the runner behind it."""
        settings = self.settings
        rules = JobRules(
            at_once=settings.jobs_at_once,
            lease_seconds=settings.job_lease_seconds,
            retention_seconds=settings.job_retention_days * DAY_SECONDS,
        )
        self._job_runner = JobRunner(self.models, samples, self._storage, rules)
        return Jobs(self.models, samples, self._storage, self._job_runner, settings.max_job_characters)


def _history_rules(settings: Settings) -> HistoryRules:
    return HistoryRules(
        is_on=settings.history,
        audio=settings.history_audio,
        keeps_texts=settings.history_texts,
        max_audio_bytes=settings.max_history_audio_bytes,
        retention_seconds=settings.history_days * DAY_SECONDS,
        asks_for_keys=settings.keys_file is not None,
    )


def _models(settings: Settings, memory: Memory) -> Models:
    """Every configured model; only the backends that are named are imported."""
    room = Room(
        memory,
        min_free_bytes=settings.min_free_memory_bytes,
        min_free_device_bytes=settings.min_free_device_memory_bytes,
    )
    return Models(
        [
            Model(name, spec, registry.synthesizer(spec.backend), room)
            for name, spec in settings.synthesizers.items()
        ],
        [
            Model(name, spec, registry.transcriber(spec.backend), room)
            for name, spec in settings.transcribers.items()
        ],
        room,
    )


OnReady = Callable[[Server], Awaitable[None]]


async def serve(
    settings: Settings, on_ready: OnReady | None = None, tracer_provider: TracerProvider | None = None
) -> None:
    """Run a server until SIGTERM or Ctrl-C; a second one cuts the calls that are still running.

    After SIGTERM it takes calls for a while yet: a proxy that was just told goes on sending them until it has
    asked for the server's health again. After Ctrl-C, which a person waits for, it does not.

    ``on_ready`` runs once it serves; what it raises ends the server.
    """
    server = Server(settings, tracer_provider)
    signals: asyncio.Queue[int] = asyncio.Queue()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, signals.put_nowait, number)
    starting = asyncio.create_task(_start(server, on_ready))
    told_to_stop = asyncio.create_task(signals.get())
    try:
        await asyncio.wait((starting, told_to_stop), return_when=asyncio.FIRST_COMPLETED)
        if starting.done():
            starting.result()
            await told_to_stop
        starting.cancel()
    finally:
        told_again = asyncio.create_task(signals.get())
        if told_to_stop.done() and told_to_stop.result() == signal.SIGTERM:
            log.info("draining; calls are taken for %g s more", settings.drain_seconds)
            await server.drain()
            await asyncio.wait((told_again,), timeout=settings.drain_seconds)
        log.info("stopping; running calls have %g s to finish", settings.shutdown_grace_seconds)
        stopping = asyncio.create_task(server.stop(settings.shutdown_grace_seconds))
        await asyncio.wait((stopping, told_again), return_when=asyncio.FIRST_COMPLETED)
        if told_again.done():
            await server.stop(0)
        await stopping


async def _start(server: Server, on_ready: OnReady | None) -> None:
    await server.start()
    # What exists now stays: to look through it again would stop every stream for 40 to 80 ms each time.
    gc.collect()
    gc.freeze()
    if on_ready is not None:
        await on_ready(server)
