"""Who is let in, and how much: keys, their limits, and the bound on the uploads of all calls."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import aclosing
from types import TracebackType
from typing import Any, Self

import grpc
from grpc.aio import ServerInterceptor, ServicerContext

from audio_grpc.access.key_file import Key
from audio_grpc.access.keys import KeyStore
from audio_grpc.access.limits import Cost, Limiter, Usage
from audio_grpc.access.uploads import Uploads
from audio_grpc.errors import KeyMissing, SpeechError
from audio_grpc.interceptors.handlers import Behaviour, is_open, rewrapped
from audio_grpc.telemetry.call import current_call
from audio_grpc.v1.conversation_pb2 import ConverseRequest
from audio_grpc.v1.job_pb2 import CreateSpeechJobRequest
from audio_grpc.v1.key_pb2 import GetKeyRequest
from audio_grpc.v1.speech_to_text_pb2 import (
    StreamingTranscribeRequest,
    TranscribeRequest,
    TranscribeUploadRequest,
)
from audio_grpc.v1.text_to_speech_pb2 import StreamingSynthesizeRequest, SynthesizeRequest
from audio_grpc.v1.voice_pb2 import CreateCustomVoiceRequest

AUTHORIZATION = "authorization"
SCHEME = "bearer"
TEXTS = (SynthesizeRequest, StreamingSynthesizeRequest, ConverseRequest)
PASSING = (StreamingTranscribeRequest, ConverseRequest)
"""A live stream is heard and forgotten: it counts for the key, and takes up no memory."""
UPLOADS = (TranscribeRequest, TranscribeUploadRequest, CreateCustomVoiceRequest)

Context = ServicerContext[Any, Any]


class Access(ServerInterceptor):
    """Stands in front of every method but those that are open to everybody (health and reflection).

    What it refuses it raises, so the guard has to stand around it.
    """

    def __init__(self, keys: KeyStore | None, uploads: Uploads) -> None:
        self._keys = keys
        self._uploads = uploads
        self._limiter = Limiter()

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable[Any]],
        details: grpc.HandlerCallDetails,
    ) -> Any:
        """The handler of the call, with its messages counted; for a caller without a key, a refusal."""
        handler = await continuation(details)
        if handler is None or is_open(details.method):
            return handler
        try:
            key = self._key(details.invocation_metadata)
        except SpeechError as error:
            return _refusal(error)
        usage = self._limiter.usage(key.id, key.limits) if key else None
        tab = Tab(key, usage, self._uploads)
        counted = _counted_stream if handler.response_streaming else _counted_unary
        take = tab.take_each if handler.request_streaming else tab.take_first
        return rewrapped(
            handler,
            lambda behaviour: counted(behaviour, tab, take),
            tab.weighed(handler.request_deserializer),
        )

    def _key(self, metadata: Any) -> Key | None:
        """The caller's, None if no keys are asked for. KeyMissing, Unauthenticated, StorageFailed."""
        return None if self._keys is None else self._keys.find(_secret(metadata))


def _secret(metadata: Any) -> str:
    """Of ``authorization: Bearer KEY``: https://www.rfc-editor.org/rfc/rfc6750#section-2.1."""
    authorization: str = dict(metadata or ()).get(AUTHORIZATION, "")
    scheme, _, secret = authorization.partition(" ")
    if scheme.lower() != SCHEME or not secret.strip():
        raise KeyMissing("this server wants a key; send it in the metadata, as `authorization: Bearer KEY`")
    return secret.strip()


def _refusal(error: SpeechError) -> Any:
    """A handler that raises the error before it reads the request, which might be a large upload."""

    async def refuse(requests: AsyncIterator[Any], context: Context) -> None:
        raise error

    return grpc.stream_unary_rpc_method_handler(refuse)


class Tab:
    """What one call takes: of its key's limits, and of the memory for uploads until it ends."""

    def __init__(self, key: Key | None, usage: Usage | None, uploads: Uploads) -> None:
        self._key = key
        self._usage = usage
        self._uploads = uploads
        self._weight = 0
        self._uploaded = 0
        self._running = False

    def __enter__(self) -> Self:
        if self._key is not None:
            call = current_call.get()
            call.key, call.key_id = self._key.name, self._key.id
        return self

    def __exit__(self, kind: type[BaseException] | None, error: object, trace: TracebackType | None) -> None:
        self._uploads.release(self._uploaded)
        if self._usage is not None and self._running:
            self._usage.leave()

    def weighed(self, deserialize: Callable[[bytes], Any]) -> Callable[[bytes], Any]:
        """Remembers how many bytes the message has: asking it for its audio would copy that."""

        def parse(data: bytes) -> Any:
            self._weight = len(data)
            return deserialize(data)

        return parse

    def take_first(self, request: Any) -> Any:
        """The request of a call that sends one; RateLimited and others, see :meth:`Usage.take`, and Busy."""
        self._take(request, calls=0 if isinstance(request, GetKeyRequest) else 1)
        return request

    def take_each(self, requests: AsyncIterator[Any]) -> AsyncIterator[Any]:
        """The requests of a call that sends many, each taken as it arrives."""
        self._take(None, calls=1)
        return self._rest(requests)

    async def _rest(self, requests: AsyncIterator[Any]) -> AsyncIterator[Any]:
        async for request in requests:
            self._take(request)
            yield request

    def _take(self, request: Any, calls: int = 0) -> None:
        """All or nothing: whoever is refused by one limit has used up nothing of the others."""
        size = self._weight if _is_upload(request) else 0
        # What is heard and forgotten counts for the key, and takes up no memory.
        passing = self._weight if isinstance(request, PASSING) and not size else 0
        if size and isinstance(request, ConverseRequest):  # the recording before it is let go
            self._uploads.release(self._uploaded)
            self._uploaded = 0
        self._uploads.check(size, self._uploaded)
        if self._usage is not None:
            self._usage.take(Cost(calls, _characters(request), size + passing), self._uploaded)
            self._running = self._running or calls > 0
        self._uploads.hold(size)
        self._uploaded += size


def _characters(request: Any) -> int:
    """How long the text is that the request wants to be spoken."""
    if isinstance(request, CreateSpeechJobRequest):
        return len(request.speech.text)
    return len(request.text) if isinstance(request, TEXTS) else 0


def _is_upload(request: Any) -> bool:
    if isinstance(request, SynthesizeRequest):
        return request.HasField("sample")
    if isinstance(request, ConverseRequest):
        return request.HasField("recording")
    return isinstance(request, UPLOADS)


def _counted_unary(behaviour: Behaviour, tab: Tab, take: Callable[[Any], Any]) -> Behaviour:
    async def counted(request: Any, context: Context) -> Any:
        with tab:
            return await behaviour(take(request), context)

    return counted


def _counted_stream(behaviour: Behaviour, tab: Tab, take: Callable[[Any], Any]) -> Behaviour:
    async def counted(request: Any, context: Context) -> AsyncIterator[Any]:
        with tab:
            async with aclosing(behaviour(take(request), context)) as responses:
                async for response in responses:
                    yield response

    return counted
