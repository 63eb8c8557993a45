"""Callers who never stop calling, and what became of their calls."""

import asyncio
import itertools
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from operator import ge
from typing import Any

import httpx2
import openai

from audio_grpc.client import AsyncClient, Encoding, ServiceError
from tests.eventually import eventually
from tests.supervisor.stack import RunningStack

SPEECH: Any = {"model": "tts-1", "voice": "tone", "input": "Hello there.", "response_format": "pcm"}
UNARY_CALLERS, STREAM_CALLERS, HTTP_CALLERS = 8, 16, 8


@dataclass
class Load:
    """``done`` counts each caller's calls; what ``broken`` has had begun, what ``failed`` has not."""

    done: list[int] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)
    broken: list[str] = field(default_factory=list)

    async def of_each(self, more: int) -> None:
        """Wait until every caller has come through so many calls more."""
        wanted = [count + more for count in self.done]
        await eventually(lambda: all(map(ge, self.done, wanted)))


@asynccontextmanager
async def calling(stack: RunningStack) -> AsyncIterator[Load]:
    """32 callers: of a unary method, of a stream, and of the gateway."""
    load = Load()
    stop = asyncio.Event()

    async def keep_calling(call: Callable[[], Awaitable[None]], number: int) -> None:
        while not stop.is_set():
            await call()
            load.done[number] += 1

    http = openai.AsyncOpenAI(base_url=f"http://{stack.address}/v1", api_key="none", max_retries=0)
    async with stack.client() as client, http:
        calls = itertools.chain(
            itertools.repeat(lambda: unary(client, load), UNARY_CALLERS),
            itertools.repeat(lambda: stream(client, load), STREAM_CALLERS),
            itertools.repeat(lambda: speech(http, load), HTTP_CALLERS),
        )
        tasks = []
        for number, call in enumerate(calls):
            load.done.append(0)
            tasks.append(asyncio.ensure_future(keep_calling(call, number)))
        try:
            await load.of_each(2)
            yield load
        finally:
            stop.set()
            await asyncio.gather(*tasks)


async def unary(client: AsyncClient, load: Load) -> None:
    try:
        await client.list_voices()
    except ServiceError as error:
        load.failed.append(f"unary: {error}")


async def stream(client: AsyncClient, load: Load) -> None:
    began = False
    try:
        async with client.synthesize("Hello there.", encoding=Encoding.PCM_S16LE) as spoken:
            await spoken.start()
            began = True
            async for _ in spoken:
                pass
    except ServiceError as error:
        (load.broken if began else load.failed).append(f"stream: {error}")


async def speech(openai_client: openai.AsyncOpenAI, load: Load) -> None:
    began = False
    try:
        async with openai_client.audio.speech.with_streaming_response.create(**SPEECH) as response:
            began = True
            async for _ in response.iter_bytes():
                pass
    except (openai.OpenAIError, httpx2.HTTPError) as error:
        (load.broken if began else load.failed).append(f"speech: {error!r}")
