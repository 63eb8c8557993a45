"""Messages that are begun and do not end cost the callers who send them, and nobody else."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest

from audio_grpc.access import key_file
from audio_grpc.access.limits import KeyLimits
from audio_grpc.audio import encode
from audio_grpc.client import AsyncClient, ServiceError
from audio_grpc.interceptors import arrivals
from audio_grpc.runtime import arriving, budget
from audio_grpc.runtime.budget import COPIES, Pool
from audio_grpc.server import Server
from audio_grpc.types import Audio, Encoding
from audio_grpc.v1.text_to_speech_pb2 import SpeakerSample, SynthesizeRequest
from tests.conftest import Start
from tests.eventually import eventually

TRANSCRIBE = "/audio_grpc.v1.SpeechToTextService/Transcribe"
SYNTHESIZE = "/audio_grpc.v1.TextToSpeechService/Synthesize"
LIVE = "/audio_grpc.v1.TextToSpeechService/StreamingSynthesize"
SOUND = b"".join(encode([Audio(np.zeros(16000, np.float32), 16000)], Encoding.WAV, 16000))
LATER = grpc.StatusCode.RESOURCE_EXHAUSTED
SHORT_OF_MEMORY = 1
"""Bytes, so that one share is given at a time."""


@asynccontextmanager
async def begun(server: Server, path: str, *, key: str = "") -> AsyncIterator[Any]:
    """A call that has sent no message yet."""
    metadata = (("authorization", f"Bearer {key}"),) if key else ()
    async with grpc.aio.insecure_channel(server.address) as channel:
        method: Any = channel.stream_stream(path)
        call = method(metadata=metadata)
        try:
            yield call
        finally:
            call.cancel()


def uploads(server: Server) -> Pool:
    return server.models.memory.budget.uploads


async def until_taken(server: Server) -> None:
    await eventually(lambda: uploads(server).taken)


async def transcribe(client: AsyncClient) -> None:
    async for _ in client.transcribe(SOUND):
        pass


@pytest.fixture
def hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(arriving, "SLOW_SECONDS", 0.05)


@pytest.mark.usefixtures("hurried")
async def test_a_recording_that_does_not_come_gives_way_to_those_who_wait(start: Start) -> None:
    server, client = await start(memory_limit_bytes=SHORT_OF_MEMORY)
    async with begun(server, TRANSCRIBE) as stalled:
        await until_taken(server)
        await transcribe(client)
        assert await stalled.code() is LATER
        assert "others wait, and the recording came slowly" in await stalled.details()
    assert not uploads(server).taken


@pytest.mark.usefixtures("hurried")
async def test_an_upload_that_comes_drop_by_drop_gives_way_as_well(start: Start) -> None:
    server, client = await start(memory_limit_bytes=SHORT_OF_MEMORY)
    async with client.upload() as upload:
        await upload.write(SOUND[:100])
        await until_taken(server)

        async def drip() -> None:
            while True:
                await upload.write(b"\0")
                await asyncio.sleep(0.01)

        dripping = asyncio.create_task(drip())
        await transcribe(client)
        with pytest.raises(ServiceError) as ended:
            await dripping
        assert (ended.value.code, ended.value.reason) == (LATER, "MEMORY_SHORT")


async def test_a_recording_in_one_message_has_so_long_to_come(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    server, _ = await start()
    monkeypatch.setattr(arrivals, "LONGEST_LARGE_SECONDS", 0.05)
    async with begun(server, TRANSCRIBE) as stalled:
        assert await stalled.code() is grpc.StatusCode.ABORTED
        assert "has not come within 0.05 s" in await stalled.details()


async def test_an_upload_in_which_nothing_comes_ends(start: Start) -> None:
    _, client = await start(max_idle_seconds=0.05)
    async with client.upload() as upload:
        await upload.write(SOUND[:100])
        with pytest.raises(ServiceError, match=r"nothing more of the recording came for 0\.05 s") as ended:
            while True:
                await asyncio.sleep(0.1)
                await upload.write(b"\0")
        assert ended.value.reason == "STREAM_IDLE"


async def test_a_text_that_takes_its_time_holds_memory_or_is_one_of_few(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(arrivals, "MOST_UNSHARED", 1)
    monkeypatch.setattr(arrivals, "LONGEST_SECONDS", 0.0)  # which is for small messages only
    server, client = await start(memory_limit_bytes=SHORT_OF_MEMORY)
    async with begun(server, SYNTHESIZE) as first:
        await until_taken(server)
        assert uploads(server).taken == COPIES * server.settings.max_audio_bytes
        async with begun(server, SYNTHESIZE) as second, begun(server, SYNTHESIZE) as third:
            ends = {asyncio.create_task(call.code()): call for call in (second, third)}
            [ended], [other] = await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
            assert ended.result() is LATER
            assert "messages are arriving slowly" in await ends[ended].details()
            assert [_ async for _ in client.synthesize("Hello.")], "what comes at once is never refused"
            request = SynthesizeRequest(text="Hello.").SerializeToString()
            for call in (first, ends[other]):
                await call.write(request)
                assert await call.read()
            other.cancel()


async def test_of_many_streams_without_a_first_message_the_first_gives_way(start: Start) -> None:
    server, client = await start()
    calls = []
    async with grpc.aio.insecure_channel(server.address) as channel:
        method: Any = channel.stream_stream(LIVE)
        calls = [method() for _ in range(arrivals.MOST_UNOPENED + 1)]
        ends = [asyncio.create_task(call.code()) for call in calls]
        [ended], others = await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
        assert ended.result() is LATER
        assert not any(end.done() for end in others)
        assert [_ async for _ in client.synthesize("Hello.")]
        for call in calls:
            call.cancel()


async def test_a_sample_takes_its_share_of_the_memory(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(budget, "LONGEST_WAIT_SECONDS", 0.05)
    monkeypatch.setattr(arrivals, "UNCOUNTED_BYTES", 1000)
    server, client = await start(memory_limit_bytes=SHORT_OF_MEMORY)
    request = SynthesizeRequest(text="Hello.", sample=SpeakerSample(audio=SOUND))
    async with uploads(server).share(1):
        async with begun(server, SYNTHESIZE) as call:
            await call.write(request.SerializeToString())
            assert await call.code() is LATER
        assert [_ async for _ in client.synthesize("Hello.")]


@pytest.mark.usefixtures("hurried")
async def test_callers_take_turns_for_memory(start: Start, tmp_path: Path) -> None:
    keys = tmp_path / "keys.json"
    one, another = (key_file.add(keys, name, KeyLimits())[1] for name in ("one", "another"))
    server, client = await start(memory_limit_bytes=SHORT_OF_MEMORY, keys_file=keys)
    async with AsyncExitStack() as holding:
        await holding.enter_async_context(uploads(server).share(1))
        async with grpc.aio.insecure_channel(server.address) as channel:
            method: Any = channel.stream_stream(TRANSCRIBE)
            metadata = (("authorization", f"Bearer {one}"),)
            stalled = [method(metadata=metadata) for _ in range(8)]
            await eventually(lambda: sum(map(len, uploads(server)._waiting.values())) >= len(stalled))
            waiting = asyncio.create_task(
                transcribe(client.with_metadata({"authorization": f"Bearer {another}"}))
            )
            await eventually(lambda: len(uploads(server)._waiting) >= 2)
            await holding.aclose()
            await waiting
            assert sum(call.done() for call in stalled) == 1, "one of the first caller's had its turn before"
            for call in stalled:
                call.cancel()
