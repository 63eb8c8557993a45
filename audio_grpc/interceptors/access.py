"""Decides who is let in, to what, and how much: keys, their scopes and limits, the bound on all uploads."""

import asyncio
import shlex
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import ExitStack, aclosing
from functools import partial
from types import TracebackType
from typing import Any, Self

from audio_grpc.access.key_file import Key
from audio_grpc.access.keys import KeyStore
from audio_grpc.access.limits import Cost, KeyUsage, Limiter
from audio_grpc.access.policies import Policy, Scope, SoundFate, policy_of
from audio_grpc.access.revocation import RunningCalls
from audio_grpc.access.uploads import Uploads
from audio_grpc.errors import KeyMissing, ScopeMissing
from audio_grpc.interceptors.bounds import Arrived
from audio_grpc.runtime.budget import taker
from audio_grpc.telemetry.call import Call, current_call
from audio_grpc.telemetry.tracing import Metadata
from audio_grpc.v1.conversation_pb2 import ConverseResponse

AUTHORIZATION = "authorization"
SCHEME = "bearer"


class Access:
    """Stands in front of every method but those that are open to everybody (health and reflection)."""

    def __init__(self, keys: KeyStore | None, uploads: Uploads, running: RunningCalls | None = None) -> None:
        self._keys = keys
        self._uploads = uploads
        self._running = running
        self._limiter = Limiter()

    def admit(self, path: str, call: Call, metadata: Metadata) -> "CallQuota":
        """Returns the account of a call to that method. Raises KeyMissing, ScopeMissing and others.

        Asked before the request is read, which might be a large upload.
        """
        policy = policy_of(path)
        key = self._key(metadata, policy)
        if key is None:
            call.is_strangers = self._keys is not None
            return CallQuota(policy, None, None, self._uploads, None)
        call.key, call.key_id = key.name, key.id
        call.scopes = frozenset(scope for scope in Scope if key.may(scope))
        _require_scopes(key, policy, path)
        taker.set(key.id)  # for all that follows in the task of this call
        return CallQuota(policy, key, self._limiter.usage(key.id, key.limits), self._uploads, self._running)

    def _key(self, metadata: Metadata, policy: Policy) -> Key | None:
        """The caller's; None if none is asked for, or a stranger may call. KeyMissing and others."""
        if self._keys is None or (policy.is_public and not dict(metadata or ()).get(AUTHORIZATION)):
            return None
        return self._keys.find(_secret(metadata))


def _require_scopes(key: Key, policy: Policy, path: str) -> None:
    """Raises ScopeMissing, with all missing scopes."""
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
    """Returns KEY of ``authorization: Bearer KEY`` (RFC 6750, 2.1). Raises KeyMissing."""
    authorization: str = dict(metadata or ()).get(AUTHORIZATION, "")
    scheme, _, secret = authorization.partition(" ")
    if scheme.lower() != SCHEME or not secret.strip():
        raise KeyMissing("this server wants a key; send it as `authorization: Bearer KEY`")
    return secret.strip()


class CallQuota:
    """Counts one call against its key's limits, and its uploads against their memory until it ends."""

    def __init__(
        self,
        policy: Policy,
        key: Key | None,
        usage: KeyUsage | None,
        uploads: Uploads,
        running: RunningCalls | None,
    ) -> None:
        self._policy = policy
        self._key = key
        self._usage = usage
        self._uploads = uploads
        self._running = running
        self._held = 0
        self._replaceable = 0
        self._counts = False
        self._following = ExitStack()

    def __enter__(self) -> Self:
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

    def take_first(self, arrived: Arrived) -> Any:
        """Returns the only request of a call; Busy, RateLimited and others, see :meth:`Usage.take`."""
        request = arrived.check()
        self._take(request, arrived.size, calls=int(self._policy.counts))
        return request

    def take_each(self, requests: AsyncIterator[Arrived]) -> AsyncIterator[Any]:
        """The requests of a call that sends many, each taken as it arrives."""
        self._take(None, 0, calls=1)
        return self._rest(requests)

    def replies(self, responses: AsyncGenerator[Any, None]) -> AsyncGenerator[Any, None]:
        """The responses; raises RateLimited if they have more that is spoken than the key may have."""
        return self._charged(responses) if self._policy.charges_reply and self._usage else responses

    async def _charged(self, responses: AsyncGenerator[Any, None]) -> AsyncGenerator[Any, None]:
        assert self._usage is not None
        spoken = SpokenReply()
        async with aclosing(responses):
            async for response in responses:
                self._usage.take_reply(spoken.more(response))
                yield response

    async def _rest(self, requests: AsyncIterator[Arrived]) -> AsyncIterator[Any]:
        async for arrived in requests:
            request = arrived.check()
            self._take(request, arrived.size)
            yield request

    def _take(self, request: Any, weight: int, calls: int = 0) -> None:
        """All or nothing: whoever is refused by one limit has used up nothing of the others."""
        sound = SoundFate.NONE if request is None else self._policy.sound(request)
        characters = 0 if request is None else self._policy.characters(request)
        size = 0 if sound is SoundFate.NONE else weight
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
