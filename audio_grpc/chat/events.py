"""Reads a stream of chat completion chunks.

https://platform.openai.com/docs/api-reference/chat-streaming; the events are
https://html.spec.whatwg.org/multipage/server-sent-events.html.
"""

import json
from collections.abc import AsyncGenerator, AsyncIterator
from dataclasses import dataclass
from typing import Any

from audio_grpc.errors import ChatBroken, quoted
from audio_grpc.text import encodable

END = "[DONE]"
UNSTATED_REASON = "stop"
LONGEST_LINE_BYTES = 1 << 20
LONGEST_MESSAGE, LONGEST_REASON = 300, 100
"""The most characters of an endpoint's error, and of its reason for the end of a reply."""
MOST_TOKENS = (1 << 31) - 1


@dataclass(frozen=True)
class Token:
    """The next part of the reply's text."""

    text: str


@dataclass(frozen=True)
class Done:
    """The reply is complete; counts are 0 if the endpoint does not state them."""

    finish_reason: str
    prompt_tokens: int = 0
    completion_tokens: int = 0


async def replies(body: AsyncIterator[bytes]) -> AsyncGenerator[Token | Done, None]:
    """Yields the tokens, and last the reply's end. Raises ChatBroken if the stream is cut, or none."""
    finish_reason = ""
    usage: object = None
    async for data in _data(body):
        if data == END:  # says as much as a reason, which some leave out
            finish_reason = finish_reason or UNSTATED_REASON
            break
        chunk = _parsed(data)
        usage = chunk.get("usage") or usage
        for choice in _objects(chunk.get("choices")):
            if text := _text(choice):
                yield Token(text)
            finish_reason = str(choice.get("finish_reason") or finish_reason)[:LONGEST_REASON]
    if not finish_reason:
        raise ChatBroken("the chat endpoint broke off in the middle of its reply; try the turn again")
    yield Done(finish_reason, _count(usage, "prompt_tokens"), _count(usage, "completion_tokens"))


async def _data(body: AsyncIterator[bytes]) -> AsyncIterator[str]:
    """Yields the data of each event; chat endpoints write each on one line."""
    async for line in _lines(body):
        if line.startswith(b"data:"):
            yield line.removeprefix(b"data:").decode(errors="replace").strip()


async def _lines(body: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    waiting = bytearray()
    async for data in body:
        *complete, rest = data.replace(b"\r", b"\n").split(b"\n")
        for line in complete:
            waiting += line
            yield bytes(waiting)
            waiting.clear()
        waiting += rest
        if len(waiting) > LONGEST_LINE_BYTES:
            raise ChatBroken(f"the chat endpoint sent a line of more than {LONGEST_LINE_BYTES >> 20} MiB")
    yield bytes(waiting)


def _parsed(data: str) -> dict[str, Any]:
    try:
        chunk = json.loads(data)
    except (ValueError, RecursionError):
        raise ChatBroken(f"the chat endpoint sent an event that is no JSON: {quoted(data)}") from None
    if not isinstance(chunk, dict):
        raise ChatBroken(f"the chat endpoint sent an event that is no object: {quoted(data)}")
    if chunk.get("error"):
        raise ChatBroken(f"the chat endpoint failed in the middle of its reply: {said(chunk)}")
    return chunk


def _objects(value: object) -> list[dict[str, Any]]:
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []


def _text(choice: dict[str, Any]) -> str:
    """Returns the next part of the reply; empty if it is no text."""
    delta = choice.get("delta")
    text = delta.get("content") if isinstance(delta, dict) else None
    return encodable(text) if isinstance(text, str) else ""


def _count(usage: object, name: str) -> int:
    value = usage.get(name) if isinstance(usage, dict) else None
    return value if isinstance(value, int) and 0 <= value <= MOST_TOKENS else 0


def said(body: Any) -> str:
    """The message of an error in OpenAI's shape, or what there is in its place, shortened."""
    error = body.get("error", body) if isinstance(body, dict) else body
    message = error.get("message", error) if isinstance(error, dict) else error
    return encodable(str(message)[:LONGEST_MESSAGE])
