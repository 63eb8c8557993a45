"""Reads a stream of chat completion chunks.

https://platform.openai.com/docs/api-reference/chat-streaming; the events are
https://html.spec.whatwg.org/multipage/server-sent-events.html.
"""

import json
from collections.abc import AsyncGenerator, AsyncIterator
from dataclasses import dataclass
from typing import Any

from audio_grpc.errors import ChatBroken

END = "[DONE]"
LONGEST_MESSAGE = 300
"""Of what an endpoint says about an error, in characters."""


@dataclass(frozen=True)
class Token:
    """More of the reply."""

    text: str


@dataclass(frozen=True)
class Done:
    """The reply is complete; counts are 0 if the endpoint does not state them."""

    finish_reason: str
    prompt_tokens: int = 0
    completion_tokens: int = 0


async def replies(lines: AsyncIterator[str]) -> AsyncGenerator[Token | Done, None]:
    """The tokens, and last that the reply is complete. ChatBroken for a stream that is cut, or is none."""
    finish_reason = ""
    usage: dict[str, Any] = {}
    async for data in _data(lines):
        if data == END:
            break
        chunk = _parsed(data)
        usage = chunk.get("usage") or usage
        for choice in chunk.get("choices") or []:
            if text := (choice.get("delta") or {}).get("content"):
                yield Token(str(text))
            finish_reason = choice.get("finish_reason") or finish_reason
    if not finish_reason:
        raise ChatBroken("the chat endpoint broke off in the middle of its reply; try the turn again")
    yield Done(finish_reason, _count(usage, "prompt_tokens"), _count(usage, "completion_tokens"))


async def _data(lines: AsyncIterator[str]) -> AsyncIterator[str]:
    """Of each event; chat endpoints write each on one line."""
    async for line in lines:
        if line.startswith("data:"):
            yield line.removeprefix("data:").strip()


def _parsed(data: str) -> dict[str, Any]:
    try:
        chunk = json.loads(data)
    except ValueError:
        raise ChatBroken(f"the chat endpoint sent an event that is no JSON: {data[:60]!r}") from None
    if not isinstance(chunk, dict):
        raise ChatBroken(f"the chat endpoint sent an event that is no object: {data[:60]!r}")
    if chunk.get("error"):
        raise ChatBroken(f"the chat endpoint failed in the middle of its reply: {said(chunk)}")
    return chunk


def _count(usage: dict[str, Any], name: str) -> int:
    value = usage.get(name)
    return value if isinstance(value, int) else 0


def said(body: Any) -> str:
    """The message of an error in OpenAI's shape, or what there is in its place, shortened."""
    error = body.get("error", body) if isinstance(body, dict) else body
    message = error.get("message", error) if isinstance(error, dict) else error
    return str(message)[:LONGEST_MESSAGE]
