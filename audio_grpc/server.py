"""The server: its port, its health, and the order in which it starts and ends."""

import asyncio
import logging
from collections.abc import Sequence

import grpc
from grpc_channelz.v1 import channelz_pb2
from grpc_channelz.v1.channelz import aio as channelz
from grpc_channelz.v1.channelz_pb2_grpc import add_ChannelzServicer_to_server
from grpc_health.v1 import health_pb2
from grpc_health.v1.health_pb2_grpc import add_HealthServicer_to_server
from opentelemetry.trace import TracerProvider

from audio_grpc.access.keys import KeyStore
from audio_grpc.access.protection import require_protection
from audio_grpc.access.tls import server_credentials
from audio_grpc.access.uploads import Uploads
from audio_grpc.addresses import target
from audio_grpc.components import Components
from audio_grpc.config import Settings
from audio_grpc.errors import ConfigurationError
from audio_grpc.interceptors.access import Access
from audio_grpc.interceptors.calls import CallInterceptor
from audio_grpc.interceptors.methods import Methods
from audio_grpc.interceptors.recorder import Recorder
from audio_grpc.runtime.memory import Memory, SystemMemory
from audio_grpc.runtime.models import AnyModel, Models
from audio_grpc.services.health import EVERYTHING, NOT_SERVING, SERVING, Health
from audio_grpc.services.reflection import Reflection
from audio_grpc.telemetry.endpoint import MetricsEndpoint
from audio_grpc.v1 import (
    activity_admin_pb2,
    activity_pb2,
    conversation_pb2,
    history_pb2,
    job_pb2,
    key_pb2,
    model_admin_pb2,
    model_pb2,
    speech_to_text_pb2,
    text_to_speech_pb2,
    voice_admin_pb2,
    voice_pb2,
)

TEXT_TO_SPEECH = text_to_speech_pb2.DESCRIPTOR.services_by_name["TextToSpeechService"].full_name
SPEECH_TO_TEXT = speech_to_text_pb2.DESCRIPTOR.services_by_name["SpeechToTextService"].full_name
MODEL_SERVICES = (TEXT_TO_SPEECH, SPEECH_TO_TEXT)
"""The services that report serving once the resident models of their kind are loaded."""
ALWAYS_SERVING = tuple(
    service.full_name
    for file in (
        *(conversation_pb2, model_pb2, model_admin_pb2, voice_pb2, voice_admin_pb2, job_pb2),
        *(activity_pb2, activity_admin_pb2, history_pb2, key_pb2),
    )
    for service in file.DESCRIPTOR.services_by_name.values()
)
CHANNELZ = channelz_pb2.DESCRIPTOR.services_by_name["Channelz"].full_name
HEALTH = health_pb2.DESCRIPTOR.services_by_name["Health"].full_name
# The transport takes somewhat more than the service, so that an upload which is a little too large gets
# an answer that says what to do.
TRANSPORT_MARGIN = 1.25
MOST_BYTES_OF_CHARACTER = 4
"""The most bytes of a character in UTF-8."""
LARGEST_METADATA_BYTES = 128 << 10
"""The most bytes of metadata of one call: twice the limit of Envoy."""

SILENCE = (
    # A connection that says nothing, or has no calls any more, or whose other end is gone, ends.
    ("grpc.server_handshake_timeout_ms", 10_000),
    ("grpc.max_connection_idle_ms", 300_000),
    ("grpc.keepalive_time_ms", 60_000),
    ("grpc.keepalive_timeout_ms", 20_000),
    # As Envoy allows a caller.
    ("grpc.max_concurrent_streams", 1000),
)
UNREAD_BYTES = 1 << 20
"""The bytes that may be sent before they are asked for."""

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
        memory = memory or SystemMemory(limit=settings.memory_limit_bytes)
        self._parts = Components(settings, tracer_provider, memory)
        self._credentials = server_credentials(
            settings.tls_certificate, settings.tls_key, settings.tls_client_ca
        )
        require_protection(
            settings.host,
            keys=self._parts.keys is not None,
            tls=self._credentials is not None,
            allow_open=settings.allow_open,
        )
        self.metrics_url = ""
        self._metrics_endpoint: MetricsEndpoint | None = None
        self._health = Health()
        self._server = self._assemble()

    @property
    def models(self) -> Models:
        """Every configured model."""
        return self._parts.models

    @property
    def keys(self) -> KeyStore | None:
        """The keys that callers need; None: anybody may call."""
        return self._parts.keys

    @property
    def uploads(self) -> Uploads:
        """The memory that uploads hold, and its limit."""
        return self._parts.uploads

    @property
    def address(self) -> str:
        """The address at which it listens, in gRPC's notation."""
        return target(self.settings.host, self.port)

    async def start(self) -> None:
        """Listen, and load the resident models; then health says SERVING.

        Raises ConfigurationError if the port cannot be had, ModelLoadFailed if a resident model cannot.
        """
        for service in (EVERYTHING, *MODEL_SERVICES):
            self._health.set(service, NOT_SERVING)
        for service in ALWAYS_SERVING:
            self._health.set(service, SERVING)
        self.port = self._listen(target(self.settings.host, self.settings.port))
        self._publish_metrics()
        self._parts.start()
        await self._server.start()
        await asyncio.gather(
            self._load_resident(TEXT_TO_SPEECH, self.models.synthesizers),
            self._load_resident(SPEECH_TO_TEXT, self.models.transcribers),
        )
        self._parts.job_runner.start()
        self._health.set(EVERYTHING, SERVING)
        log.info("serving on %s", self.address)

    def drain(self) -> None:
        """Say NOT_SERVING, so that calls go elsewhere; those that still come are served."""
        self._health.drain()

    async def end_watches(self) -> None:
        """Let go of those who only watch: they would hold up the end of whatever stands in front, too."""
        self._health.end_watches()
        await self._parts.end_background()

    async def stop(self, grace_seconds: float) -> None:
        """Refuse new calls, let running ones finish within the grace period, and unload the models."""
        self.drain()
        await self.end_watches()
        await self._server.stop(grace_seconds)
        await self._parts.close()
        # Last, so that the draining can be watched; taken first, as a second signal comes here as well.
        endpoint, self._metrics_endpoint = self._metrics_endpoint, None
        if endpoint is not None:
            await asyncio.to_thread(endpoint.close)

    def _publish_metrics(self) -> None:
        if self.settings.metrics_port is not None:
            self._metrics_endpoint = MetricsEndpoint(
                self._parts.metrics.registry, self.settings.metrics_host, self.settings.metrics_port
            )
            self.metrics_url = self._metrics_endpoint.url
            log.info("metrics on %s", self.metrics_url)

    def _listen(self, wanted: str) -> int:
        """Listens, and returns the port."""
        try:
            if self._credentials is None:
                return self._server.add_insecure_port(wanted)
            return self._server.add_secure_port(wanted, self._credentials)
        except RuntimeError as error:
            raise ConfigurationError(
                f"cannot listen on {wanted}; is another server running there? "
                "Choose another with --port, AUDIO_GRPC_PORT or port"
            ) from error

    async def _load_resident(self, service: str, models: Sequence[AnyModel]) -> None:
        await asyncio.gather(*(model.load() for model in models if model.spec.resident))
        self._health.set(service, SERVING)

    def _assemble(self) -> grpc.aio.Server:
        upload = max(self.settings.max_audio_bytes, self.settings.max_voice_sample_bytes)
        largest = round(upload * TRANSPORT_MARGIN) + (1 << 20)
        characters = max(self.settings.max_text_characters, self.settings.max_job_characters)
        text_bytes = characters * MOST_BYTES_OF_CHARACTER + (1 << 20)
        parts = self._parts
        access = Access(parts.keys, parts.uploads, parts.running_calls)
        interceptor = CallInterceptor(
            parts.observer, access, text_bytes, parts.models.memory.budget.uploads, upload
        )
        methods = Methods(Recorder(parts.history).around, interceptor.around)
        parts.add_services(methods)
        add_HealthServicer_to_server(self._health, methods)
        add_ChannelzServicer_to_server(channelz.ChannelzServicer(), methods)
        Reflection((*ALWAYS_SERVING, *MODEL_SERVICES, HEALTH, CHANNELZ), parts.watches_ended).add_to(methods)
        return grpc.aio.server(
            handlers=(methods,),
            options=[
                ("grpc.max_receive_message_length", largest),
                # Long metadata gets an answer of ours; gRPC's is RESOURCE_EXHAUSTED, which clients retry.
                ("grpc.max_metadata_size", LARGEST_METADATA_BYTES),
                ("grpc.absolute_max_metadata_size", LARGEST_METADATA_BYTES),
                *SILENCE,
                # Of an upload that waits for its turn, so much comes; probing for bandwidth, gRPC would take
                # megabytes of each.
                ("grpc.http2.bdp_probe", 0),
                ("grpc.http2.lookahead_bytes", UNREAD_BYTES),
                # Two servers on one port would share its calls between them, silently.
                ("grpc.so_reuseport", 0),
            ],
        )
