"""Order and end of calls: places, the queue, refusals, and calls that are left without a trace."""

import asyncio
import gc
import threading
from types import GeneratorType

import grpc
import psutil
import pytest

from audio_grpc.backends.base import Traits
from audio_grpc.backends.tone import ToneSpeaker
from audio_grpc.client import AsyncClient, AsyncSpeech, Encoding, ServiceError
from audio_grpc.runtime.admission import Admission
from audio_grpc.server import Server
from tests.conftest import PATIENCE_SECONDS, Start
from tests.eventually import eventually

SLOW = {"delay_seconds": 0.02}
LONG = "A text that takes the slowed speaker some twenty seconds to say. " * 16


def admission(server: Server) -> Admission:
    return server.models.synthesizer("").admission


async def first_chunk(client: AsyncClient, text: str = LONG) -> AsyncSpeech:
    """A stream that has begun to sound."""
    speech = client.synthesize(text, encoding=Encoding.PCM_S16LE)
    await anext(speech)
    return speech


async def until_waiting(server: Server, callers: int) -> None:
    await eventually(lambda: admission(server).waiting == callers)


async def until_idle(server: Server) -> None:
    """Wait for the last place to be left: another caller gets it, and leaves it again."""
    places = [await admission(server).enter() for _ in range(admission(server).places)]
    for place in places:
        place.leave()


async def test_a_caller_who_leaves_frees_the_place_within_one_chunk(start: Start) -> None:
    server, client = await start(options=SLOW, concurrency=1, queue=1, read_ahead=1)
    speech = await first_chunk(client, LONG * 60)
    spoken = [anext(speech) for _ in range(2)]
    for chunk in spoken:
        await chunk
    following = asyncio.create_task(first_chunk(client, "Next."))
    speech.cancel()
    # The text would go on for many minutes; the next caller is heard after a chunk or two.
    await asyncio.wait_for(following, PATIENCE_SECONDS)
    assert admission(server).running == 1


async def test_a_hundred_callers_who_leave_leave_nothing_behind(start: Start) -> None:
    server, client = await start(options=SLOW, concurrency=4, threads=2, queue=200)

    async def come_and_go() -> None:
        async with await first_chunk(client):
            pass

    def generators() -> int:
        gc.collect()
        return sum(isinstance(thing, GeneratorType) for thing in gc.get_objects())

    async def crowd(size: int) -> tuple[int, int, int]:
        await asyncio.gather(*(come_and_go() for _ in range(size)))
        await until_idle(server)
        return threading.active_count(), generators(), psutil.Process().memory_info().rss

    await crowd(100)
    threads, running, memory = await crowd(100)
    threads_after, _, memory_after = await crowd(100)
    assert threads_after <= threads
    await eventually(
        lambda: generators() <= running
    )  # the last places are left a moment before the calls end
    assert memory_after - memory < 8 << 20
    assert (admission(server).running, admission(server).waiting) == (0, 0)


async def test_a_full_queue_turns_away_at_once_and_says_when_to_retry(start: Start) -> None:
    server, client = await start(options=SLOW, concurrency=1, queue=1)
    running = await first_chunk(client)
    waiting = asyncio.create_task(first_chunk(client, "Waiting."))
    await until_waiting(server, 1)
    with pytest.raises(ServiceError) as failure:
        await first_chunk(client)
    assert failure.value.code is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert failure.value.reason == "QUEUE_FULL"
    assert 0 < (failure.value.retry_after_seconds or 0) <= 60
    assert "retry later" in failure.value.message
    running.cancel()
    assert await waiting


async def test_a_speaker_has_places_for_as_many_as_it_turns_out_to_speak_to_in_real_time(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    traits = Traits(in_real_time=True, speed=20.0, worker_cores=1)
    monkeypatch.setattr(ToneSpeaker, "traits", traits, raising=False)
    for configured, grows in ((None, True), (5, False)):
        server, client = await start(concurrency=configured)
        expected = (await client.get_model("speaker")).max_running
        assert [chunk async for chunk in client.synthesize(LONG)], "in far less time than it sounds"
        await until_idle(server)
        assert ((await client.get_model("speaker")).max_running > expected) is grows


async def test_a_hundred_callers_at_once_are_served_by_default(embedded: str) -> None:
    async with AsyncClient(embedded) as client:

        async def speak() -> int:
            return sum([len(chunk) async for chunk in client.synthesize("Hello there.", model="hibari")])

        assert min(await asyncio.gather(*(speak() for _ in range(100)))) > 10_000


async def test_calls_that_wait_are_let_in_when_there_are_more_places() -> None:
    admission = Admission("speaker", places=1, queue=3)
    place = await admission.enter()
    waiting = [asyncio.create_task(admission.enter()) for _ in range(3)]
    await asyncio.sleep(0)
    waiting[0].cancel()
    admission.resize(2)
    second = await waiting[1]
    assert waiting[0].cancelled()
    assert (admission.running, admission.waiting) == (2, 1)
    admission.resize(1)
    place.leave()
    await asyncio.sleep(0)
    assert (admission.running, admission.waiting) == (1, 1), "there is a place less"
    second.leave()
    (await waiting[2]).leave()
    assert (admission.running, admission.waiting) == (0, 0)


async def test_a_deadline_counts_while_queued(start: Start) -> None:
    server, client = await start(options=SLOW, concurrency=1, queue=4)
    running = await first_chunk(client)
    with pytest.raises(ServiceError) as failure:
        await anext(client.synthesize("Too late.", timeout=0.2))
    assert failure.value.code is grpc.StatusCode.DEADLINE_EXCEEDED
    running.cancel()
    await until_idle(server)
    assert admission(server).waiting == 0


async def test_a_deadline_stops_a_running_call(start: Start) -> None:
    server, client = await start(options=SLOW, concurrency=1)
    with pytest.raises(ServiceError) as failure:
        async for _ in client.synthesize(LONG * 60, timeout=1):
            pass
    assert failure.value.code is grpc.StatusCode.DEADLINE_EXCEEDED
    await asyncio.wait_for(until_idle(server), PATIENCE_SECONDS)


async def test_the_queue_is_served_in_the_order_of_arrival(start: Start) -> None:
    server, client = await start(options=SLOW, concurrency=1, queue=8)
    running = await first_chunk(client)
    served: list[int] = []

    async def call(number: int) -> None:
        async for _ in client.synthesize("x"):
            pass
        served.append(number)

    waiting = []
    for number in range(5):
        waiting.append(asyncio.create_task(call(number)))
        await until_waiting(server, number + 1)
    running.cancel()
    await asyncio.gather(*waiting)
    assert served == [0, 1, 2, 3, 4]


async def test_a_slow_reader_does_not_hold_the_only_thread(start: Start) -> None:
    """Somebody who listens as fast as one can hear must not keep everybody else waiting."""
    _, client = await start(concurrency=2, threads=1, read_ahead=1)
    stalled = await first_chunk(client, LONG * 60)  # more than the transport buffers; and nobody reads on
    assert await first_chunk(client, "Not kept waiting.")
    assert await anext(stalled)


async def test_calls_take_turns_on_one_thread(start: Start) -> None:
    _, client = await start(options=SLOW, concurrency=2, threads=1)
    long = await first_chunk(client)
    short = client.synthesize("Short.", encoding=Encoding.PCM_S16LE)
    assert len(b"".join([data async for data in short])) == 6 * 4800
    with pytest.raises(RuntimeError, match="not been read to its end"):
        _ = long.finished


async def test_a_model_that_breaks_fails_its_own_call_only(start: Start) -> None:
    server, client = await start(options={"fail_after": 3}, concurrency=4)
    good = await asyncio.gather(*(_collect(client, "ok!") for _ in range(3)))
    assert all(len(audio) == 3 * 4800 for audio in good)
    with pytest.raises(ServiceError) as failure:
        await _collect(client, "broken")
    assert (failure.value.code, failure.value.reason) == (grpc.StatusCode.INTERNAL, "MODEL_FAILED")
    assert "told to fail" not in failure.value.message, "the inner workings stay in the log"
    assert len(await _collect(client, "ok!")) == 3 * 4800
    assert admission(server).running == 0


async def _collect(client: AsyncClient, text: str) -> bytes:
    return b"".join([data async for data in client.synthesize(text, encoding=Encoding.PCM_S16LE)])
