"""Recordings and the work on them take no more memory than there is: they wait, or are told to come later."""

import asyncio

import grpc
import numpy as np
import pytest

from audio_grpc.audio import encode
from audio_grpc.backends.base import Transcript
from audio_grpc.backends.tone import ToneListener
from audio_grpc.client import AsyncClient, ServiceError
from audio_grpc.errors import MemoryShort
from audio_grpc.runtime import budget as module
from audio_grpc.runtime.budget import COPIES, HEADROOM_BYTES, Budget
from audio_grpc.runtime.model import Model
from audio_grpc.types import Audio, Encoding, TranscriptionOptions
from tests.conftest import Start
from tests.eventually import eventually

MIB = 1 << 20
SOUND = b"".join(encode([Audio(np.zeros(16000, np.float32), 16000)], Encoding.WAV, 16000))


def budget(mebibytes: int | None, work: int = 0) -> Budget:
    free = None if mebibytes is None else mebibytes * MIB + HEADROOM_BYTES
    return Budget(lambda: free, lambda: work * MIB)


async def test_uploads_wait_for_those_before_them_in_their_order() -> None:
    memory = budget(100)
    order: list[int] = []
    leave = [asyncio.Event() for _ in range(4)]

    async def upload(number: int, size: int) -> None:
        async with memory.uploads.share(size * MIB):
            order.append(number)
            await leave[number].wait()

    tasks = [asyncio.create_task(upload(number, size)) for number, size in enumerate([60, 60, 30, 30])]
    await eventually(lambda: order == [0])
    await asyncio.sleep(0)
    assert order == [0], "a small one does not pass a large one, which would never have its turn"
    leave[0].set()
    await eventually(lambda: order == [0, 1, 2])
    leave[1].set()
    await eventually(lambda: order == [0, 1, 2, 3])
    leave[2].set()
    leave[3].set()
    await asyncio.gather(*tasks)
    assert memory.uploads.taken == 0


async def test_what_has_arrived_and_is_smaller_lets_others_in() -> None:
    memory = budget(100)
    async with memory.uploads.share(80 * MIB) as share:
        second = asyncio.create_task(_hold(memory, 80 * MIB))
        await asyncio.sleep(0)
        assert not second.done()
        share.shrink(10 * MIB)
        await second
    assert memory.uploads.taken == 0


async def test_whoever_is_alone_is_never_refused_and_nobody_where_nothing_is_known() -> None:
    await _hold(budget(10), 500 * MIB)
    memory = budget(None)
    async with memory.uploads.share(500 * MIB):
        await _hold(memory, 10**15)


async def test_uploads_leave_room_for_the_work_on_them() -> None:
    memory = budget(100, work=50)
    async with memory.uploads.share(40 * MIB):
        second = asyncio.create_task(_hold(memory, 40 * MIB))
        await asyncio.sleep(0)
        assert not second.done()
        async with memory.work.share(50 * MIB):
            await asyncio.sleep(0)
            assert not second.done()
    await second


async def test_too_many_and_too_long_waits_are_told_to_come_later(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_WAITING", 1)
    memory = budget(100)
    async with memory.uploads.share(80 * MIB):
        with pytest.raises(MemoryShort, match="no memory became free"):
            async with memory.uploads.share(80 * MIB, 0.01):
                pass
        waiting = asyncio.create_task(_hold(memory, 80 * MIB))
        await asyncio.sleep(0)
        with pytest.raises(MemoryShort, match="too many calls wait"):
            await _hold(memory, 80 * MIB)
        waiting.cancel()
        await asyncio.wait([waiting])
        await _hold(memory, 10 * MIB)
    assert memory.uploads.taken == 0


async def _hold(memory: Budget, size: int) -> None:
    async with memory.uploads.share(size):
        pass


@pytest.mark.parametrize("streaming", [False, True])
async def test_a_recording_that_finds_no_memory_is_told_to_come_later_before_it_is_read(
    start: Start, monkeypatch: pytest.MonkeyPatch, streaming: bool
) -> None:
    monkeypatch.setattr(module, "LONGEST_WAIT_SECONDS", 0.05)
    server, client = await start(memory_limit_bytes=1)
    memory = server.models.memory.budget
    async with memory.uploads.share(MIB):
        with pytest.raises(ServiceError) as refused:
            await transcribe(client, streaming)
        assert (refused.value.code, refused.value.reason) == (
            grpc.StatusCode.RESOURCE_EXHAUSTED,
            "MEMORY_SHORT",
        )
        assert refused.value.retry_after_seconds
        assert [await anext(client.synthesize("Hello."))], "what needs no such memory goes on"
    await transcribe(client, streaming)
    assert (memory.uploads.taken, memory.work.taken) == (0, 0)


async def test_what_is_held_of_a_recording_is_given_back_however_the_call_ends(start: Start) -> None:
    server, client = await start()
    memory = server.models.memory.budget
    await transcribe(client, False)
    with pytest.raises(ServiceError):
        async for _ in client.transcribe(b"no sound"):
            pass
    async with client.upload() as upload:
        await upload.write(SOUND[:100])
        await eventually(lambda: memory.uploads.taken > 0)
        assert memory.uploads.taken == COPIES * server.settings.max_audio_bytes
    await eventually(lambda: memory.uploads.taken == 0)


async def test_the_work_on_a_recording_takes_its_share_while_it_goes_on(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    taken: list[int] = []
    work = ToneListener.transcribe

    def noted(listener: ToneListener, audio: Audio, options: TranscriptionOptions) -> Transcript:
        taken.append(memory.work.taken)
        return work(listener, audio, options)

    monkeypatch.setattr(ToneListener, "transcribe", noted)
    monkeypatch.setattr(Model, "work_bytes", 50 * MIB)
    server, client = await start()
    memory = server.models.memory.budget
    await transcribe(client, False)
    assert taken == [50 * MIB]
    await eventually(lambda: memory.work.taken == 0)


async def transcribe(client: AsyncClient, streaming: bool) -> None:
    if not streaming:
        async for _ in client.transcribe(SOUND):
            pass
        return
    upload = client.upload()
    await upload.write(SOUND)
    async for _ in await upload.transcribe():
        pass
