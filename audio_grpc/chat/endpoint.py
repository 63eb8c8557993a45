"""One request to a chat endpoint, streamed.

It is tried twice, but never again once a token has come: the caller may have heard it. Leaving the generator
closes the connection, by which the endpoint learns to stop.
"""

import asyncio
import json
import logging
import os
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import aclosing, asynccontextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from audio_grpc.chat.events import Done, Token, replies, said
from audio_grpc.errors import ChatBroken, ChatFailed, ChatRefused, ChatTimeout, ChatUnreachable
from audio_grpc.extras import install
from audio_grpc.pipelines import LlmSpec

if TYPE_CHECKING:
    from httpx2 import AsyncClient, Response

ATTEMPTS, PAUSE_SECONDS = 2, 0.25
TRANSIENT = {408, 409, 429, 500, 502, 503, 504}
"""Statuses of what may go well the next time."""
LONGEST_ERROR_BYTES = 1 << 14
EVENTS = "text/event-stream"
IDENTITY = "identity"
"""The only encoding that is taken: what comes compressed may be a thousand times larger than it looks."""
HOW_TO = (
    "start the local one with `audio-grpc llm`, or set base_url (and key_env) in [pipelines.NAME.llm] of "
    "audio-grpc.toml"
)

log = logging.getLogger(__name__)

Reply = AsyncGenerator[Token | Done, None]


@dataclass(frozen=True)
class Message:
    """One message of a conversation, with the role of its sender."""

    role: Literal["system", "user", "assistant"]
    text: str


class Chat:
    """Asks chat endpoints over one pool of connections."""

    def __init__(self) -> None:
        self._client: AsyncClient | None = None

    async def reply(self, spec: LlmSpec, messages: Sequence[Message]) -> Reply:
        """The tokens, and last that the reply is complete. ChatFailed, in one of its kinds."""
        for attempt in range(1, ATTEMPTS + 1):
            begun = False
            try:
                async with aclosing(self._ask(spec, messages)) as events:
                    async for event in events:
                        begun = True
                        yield event
                return
            except ChatFailed as error:
                if begun or not error.recoverable or attempt == ATTEMPTS:
                    raise
                log.warning("asking the chat endpoint again: %s", error)
                await asyncio.sleep(PAUSE_SECONDS)

    async def close(self) -> None:
        """Close the connections."""
        if self._client is not None:
            await self._client.aclose()

    async def _ask(self, spec: LlmSpec, messages: Sequence[Message]) -> Reply:
        async with self._sent(spec, messages) as response:
            await _require_stream(response, spec)
            tokens = replies(response.aiter_raw())
            async with aclosing(tokens):
                limit, what = spec.first_token_seconds, "first_token_seconds"
                while (event := await _within(limit, what, tokens)) is not None:
                    limit, what = spec.idle_seconds, "idle_seconds"
                    yield event

    @asynccontextmanager
    async def _sent(self, spec: LlmSpec, messages: Sequence[Message]) -> "AsyncIterator[Response]":
        """The response, once its head is there; what goes wrong with the connection is a ChatFailed."""
        import httpx2

        client = self._pool()
        request = client.build_request(
            "POST",
            f"{spec.base_url.rstrip('/')}/chat/completions",
            json=_body(spec, messages),
            headers={"accept": EVENTS, "accept-encoding": IDENTITY, **_authorization(spec)},
            timeout=httpx2.Timeout(None, connect=spec.connect_seconds),
        )
        try:
            async with asyncio.timeout(spec.first_token_seconds):
                response = await client.send(request, stream=True)
        except TimeoutError:
            raise _late(spec.first_token_seconds, "first_token_seconds") from None
        except (httpx2.ConnectError, httpx2.ConnectTimeout):
            raise ChatUnreachable(f"no chat endpoint answers at {spec.base_url}; {HOW_TO}") from None
        except httpx2.HTTPError as error:
            raise ChatBroken(
                f"the chat endpoint hung up without an answer ({type(error).__name__})"
            ) from None
        try:
            yield response
        except httpx2.HTTPError as error:
            raise ChatBroken(
                f"the chat endpoint broke off in the middle of its reply ({type(error).__name__}); "
                "try the turn again"
            ) from None
        finally:
            await response.aclose()

    def _pool(self) -> "AsyncClient":
        if self._client is None:
            try:
                from httpx2 import AsyncClient
            except ImportError:
                raise ChatRefused(
                    f"this server cannot ask a chat endpoint; install it with: {install('conversation')}"
                ) from None
            self._client = AsyncClient()
        return self._client


def _body(spec: LlmSpec, messages: Sequence[Message]) -> dict[str, Any]:
    sampled = {} if spec.temperature is None else {"temperature": spec.temperature}
    named = {"model": spec.model} if spec.model else {}
    return {
        **named,
        "messages": [{"role": message.role, "content": message.text} for message in messages],
        "stream": True,
        "stream_options": {"include_usage": True},
        spec.max_tokens_field: spec.max_tokens,
        **sampled,
    }


def _authorization(spec: LlmSpec) -> dict[str, str]:
    """The key is read at each request, so that a new one needs no restart. Raises ChatRefused."""
    if spec.key_file is not None:
        try:
            key = spec.key_file.read_text().strip()
        except OSError as error:
            raise ChatRefused(f"the key_file of the chat endpoint cannot be read: {error.strerror}") from None
    elif spec.key_env:
        key = os.environ.get(spec.key_env, "").strip()
    else:
        return {}
    if not (key and key.isascii() and key.isprintable()):
        raise ChatRefused("the chat endpoint needs a key; key_env or key_file gives none that can be sent")
    return {"authorization": f"Bearer {key}"}


async def _require_stream(response: "Response", spec: LlmSpec) -> None:
    """Raises ChatRefused or ChatBroken if the answer is no stream of events."""
    kind = response.headers.get("content-type", "").partition(";")[0].strip()
    if response.headers.get("content-encoding", IDENTITY).lower() != IDENTITY:
        raise ChatRefused(f"{spec.base_url} compresses its answers although it is asked not to")
    if response.is_success and kind == EVENTS:
        return
    if response.is_success or kind == "text/html":
        raise ChatRefused(
            f"{spec.base_url} answers with {response.status_code} and {kind or 'no content type'} where "
            f"a stream of events is wanted; it is no chat endpoint: {HOW_TO}"
        )
    complaint = await _complaint(response, spec.idle_seconds)
    message = f"the chat endpoint answers with {response.status_code}: {complaint}"
    raise (ChatBroken if response.status_code in TRANSIENT else ChatRefused)(message)


async def _complaint(response: "Response", seconds: float) -> str:
    """Reads what of an error's body comes in so many seconds."""
    body = b""
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            async for data in response.aiter_raw():
                body += data
                if len(body) > LONGEST_ERROR_BYTES:
                    break
    try:
        return said(json.loads(body))
    except (ValueError, RecursionError):
        return said(body.decode(errors="replace"))


async def _within(seconds: float, setting: str, tokens: Reply) -> Token | Done | None:
    """The next event; None at the end. Raises ChatTimeout."""
    try:
        async with asyncio.timeout(seconds):
            return await anext(tokens, None)
    except TimeoutError:
        raise _late(seconds, setting) from None


def _late(seconds: float, setting: str) -> ChatTimeout:
    return ChatTimeout(
        f"the chat endpoint sent nothing for {seconds:g} s; try the turn again, or raise {setting} of the "
        "pipeline"
    )
