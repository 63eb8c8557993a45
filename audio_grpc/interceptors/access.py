"""Decides who is let in, to what, and how much: keys, their scopes and limits, the bound on all uploads."""

import asyncio
import shlex
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import ExitStack, aclosing
from functools import partial
from types import TracebackType
from typing import Any, Self

import grpc
from grpc.aio import ServerInterceptor, ServicerContext

from audio_grpc.access.key_file import Key
from audio_grpc.access.keys import KeyStore
from audio_grpc.access.limits import Cost, Limiter, Usage
from audio_grpc.access.policies import Policy, Scope, SoundFate, policy_of
from audio_grpc.access.revocation import RunningCalls
from audio_grpc.access.uploads import Uploads
from audio_grpc.errors import KeyMissing, ScopeMissing, SpeechError
from audio_grpc.interceptors.handlers import Behaviour, is_open, rewrapped
from audio_grpc.runtime.budget import taker
from audio_grpc.telemetry.call import current_call
from audio_grpc.v1.conversation_pb2 import ConverseResponse

AUTHORIZATION = "authorization"
SCHEME = "bearer"

Context = ServicerContext[Any, Any]


class Access(ServerInterceptor):
    """Stands in front of every method but those that are open to everybody (health and reflection).

    What it refuses it raises, so the guard has to stand around it.
    """

    def __init__(self, keys: KeyStore | None, uploads: Uploads, running: RunningCalls | None = None) -> None:
        self._keys = keys
        self._uploads = uploads
        self._running = running
        self._limiter = Limiter()

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable[Any]],
        details: grpc.HandlerCallDetails,
    ) -> Any:
        """The handler of the call, with its messages counted; for a caller who may not call it, a refusal."""
        handler = await continuation(details)
        if handler is None or is_open(details.method):
            return handler
        path = str(details.method)
        policy = policy_of(path)
        key = None
        try:
            key = self._key(details.invocation_metadata, policy)
            if key is not None:
                _require_scopes(key, policy, path)
        except SpeechError as error:
            return _refusal(error, key)
        if key is not None:
            taker.set(key.id)  # for all that follows in the task of this call
        usage = self._limiter.usage(key.id, key.limits) if key else None
        tab = Tab(policy, key, usage, self._uploads, self._running)
        tab.is_strangers = self._keys is not None and key is None
        counted = _counted_stream if handler.response_streaming else _counted_unary
        take = tab.take_each if handler.request_streaming else tab.take_first
        return rewrapped(
            handler,
            lambda behaviour: counted(behaviour, tab, take),
            tab.weighed(handler.request_deserializer),
        )

    def _key(self, metadata: Any, policy: Policy) -> Key | None:
        """The caller's; None if none is asked for, or a stranger may call. KeyMissing and others."""
        if self._keys is None or (policy.is_public and not dict(metadata or ()).get(AUTHORIZATION)):
            return None
        return self._keys.find(_secret(metadata))


def _require_scopes(key: Key, policy: Policy, path: str) -> None:
    """ScopeMissing, which names all that are."""
    missing = [scope for scope in Scope if scope in policy.scopes and not key.may(scope)]
    if not missing:
        return
    all_scopes = [scope for scope in Scope if key.may(scope) or scope in missing]
    options = " ".join(f"--scope {scope}" for scope in all_scopes)
    raise ScopeMissing(
        f"{path.rpartition('/')[2]} needs the scope {' and '.join(missing)}, which this key does not have; "
        f"its operator can give it that: audio-grpc keys scopes {shlex.quote(key.name)} {options}"
    )


def _secret(metadata: Any) -> str:
    """Of ``authorization: Bearer KEY``: https://www.rfc-editor.org/rfc/rfc6750#section-2.1."""
    authorization: str = dict(metadata or ()).get(AUTHORIZATION, "")
    scheme, _, secret = authorization.partition(" ")
    if scheme.lower() != SCHEME or not secret.strip():
        raise KeyMissing("this server wants a key; send it as `authorization: Bearer KEY`")
    return secret.strip()


def _refusal(error: SpeechError, key: Key | None) -> Any:
    """A handler that raises the error before it reads the request, which might be a large upload."""

    async def refuse(requests: AsyncIterator[Any], context: Context) -> None:
        _name_caller(key)
        raise error

    return grpc.stream_unary_rpc_method_handler(refuse)


def _name_caller(key: Key | None) -> None:
    """Say whose call it is, for all who look at it."""
    if key is not None:
        call = current_call.get()
        call.key, call.key_id = key.name, key.id
        call.scopes = frozenset(scope for scope in Scope if key.may(scope))


class Tab:
    """What one call takes: of its key's limits, and of the memory for uploads until it ends."""

    def __init__(
        self,
        policy: Policy,
        key: Key | None,
        usage: Usage | None,
        uploads: Uploads,
        running: RunningCalls | None,
    ) -> None:
        self._policy = policy
        self._key = key
        self._usage = usage
        self._uploads = uploads
        self._running = running
        self._weight = 0
        self._held = 0
        self._replaceable = 0
        self._reply = SpokenReply()
        self._counts = False
        self._following = ExitStack()
        self.is_strangers = False

    def __enter__(self) -> Self:
        _name_caller(self._key)
        current_call.get().is_strangers = self.is_strangers
        task = asyncio.current_task()
        if self._key is not None and self._running is not None and task is not None:
            end = partial(current_call.get().interrupt, task)
            self._following.enter_context(self._running.following(self._key, end))
        return self

    def __exit__(self, kind: type[BaseException] | None, error: object, trace: TracebackType | None) -> None:
        self._following.close()
        self._uploads.release(self._held)
        if self._usage is not None and self._counts:
            self._usage.leave()

    def weighed(self, deserialize: Callable[[bytes], Any]) -> Callable[[bytes], Any]:
        """Remembers how many bytes the message has: asking it for its audio would copy that."""

        def parse(data: bytes) -> Any:
            self._weight = len(data)
            return deserialize(data)

        return parse

    def take_first(self, request: Any) -> Any:
        """The request of a call that sends one; RateLimited and others, see :meth:`Usage.take`, and Busy."""
        self._take(request, calls=int(self._policy.counts))
        return request

    def take_each(self, requests: AsyncIterator[Any]) -> AsyncIterator[Any]:
        """The requests of a call that sends many, each taken as it arrives."""
        self._take(None, calls=1)
        return self._rest(requests)

    def take_reply(self, response: Any) -> Any:
        """A response; RateLimited if it has more that is spoken than the key may have."""
        if self._policy.charges_reply and self._usage is not None:
            self._usage.take_reply(self._reply.more(response))
        return response

    async def _rest(self, requests: AsyncIterator[Any]) -> AsyncIterator[Any]:
        async for request in requests:
            self._take(request)
            yield request

    def _take(self, request: Any, calls: int = 0) -> None:
        """All or nothing: whoever is refused by one limit has used up nothing of the others."""
        sound = SoundFate.NONE if request is None else self._policy.sound(request)
        characters = 0 if request is None else self._policy.characters(request)
        size = 0 if sound is SoundFate.NONE else self._weight
        if sound is SoundFate.REPLACED:
            self._let_go(self._replaceable)
            self._replaceable = 0
        kept = 0 if sound is SoundFate.PASSING else size
        self._uploads.check(kept, self._held)
        if self._usage is not None:
            self._usage.take(Cost(calls, characters, size), self._held)
            self._counts = self._counts or calls > 0
        self._uploads.hold(kept)
        self._held += kept
        if sound is SoundFate.REPLACED:
            self._replaceable = kept

    def _let_go(self, size: int) -> None:
        self._uploads.release(size)
        self._held -= size


class SpokenReply:
    """Counts how much of the replies in a conversation was spoken, as the sound of it goes out."""

    def __init__(self) -> None:
        self._turn = -1
        self._end = 0

    def more(self, response: ConverseResponse) -> int:
        """Characters of which this response has the first sound."""
        if response.WhichOneof("event") != "audio":
            return 0
        if response.audio.turn != self._turn:
            self._turn, self._end = response.audio.turn, 0
        before, self._end = self._end, max(self._end, response.audio.audio.mark.text_end)
        return self._end - before


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
                    yield tab.take_reply(response)

    return counted
