"""Limits of keys: each limit, the time to retry, and slots freed however a call ends."""

import asyncio
from pathlib import Path

import grpc
import pytest

from audio_grpc.access import key_file
from audio_grpc.access.limits import Cost, KeyLimits, KeyUsage, Limiter
from audio_grpc.client import AsyncClient, Encoding, ServiceError
from audio_grpc.errors import InvalidRequest, MessageTooLarge, RateLimited, TextTooLong
from audio_grpc.server import Server
from tests.conftest import PATIENCE_SECONDS, Start
from tests.eventually import eventually

SLOW = {"delay_seconds": 0.02}
LONG = "A text that takes the slowed speaker some twenty seconds to say. " * 16


class Clock:
    """Time that passes when it is told to."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def refusal(usage: KeyUsage, cost: Cost, sent_before: int = 0) -> RateLimited:
    with pytest.raises(RateLimited) as failure:
        usage.take(cost, sent_before)
    return failure.value


@pytest.mark.parametrize(
    ("limits", "cost", "name"),
    [
        (KeyLimits(requests_per_minute=7), Cost(calls=1), "requests_per_minute"),
        (KeyLimits(characters_per_minute=700), Cost(characters=100), "characters_per_minute"),
        (KeyLimits(upload_bytes_per_minute=7 << 20), Cost(upload_bytes=1 << 20), "upload_bytes_per_minute"),
    ],
)
def test_a_minutes_worth_may_be_used_at_once_and_then_as_it_comes_back(
    limits: KeyLimits, cost: Cost, name: str
) -> None:
    clock = Clock()
    usage = KeyUsage(limits, clock)
    for _ in range(7):
        usage.take(cost)
    for _ in range(20):
        error = refusal(usage, cost)
        assert name in error.message
        assert error.retry_after_seconds == pytest.approx(60 / 7, abs=0.002)
        clock.now += error.retry_after_seconds / 2
        assert refusal(usage, cost).retry_after_seconds == pytest.approx(30 / 7, abs=0.002)
        clock.now += error.retry_after_seconds / 2
        usage.take(cost)
    clock.now += 3600
    for _ in range(7):
        usage.take(cost)
    refusal(usage, cost)


def test_whoever_is_refused_by_one_limit_has_used_up_nothing_of_the_others() -> None:
    usage = KeyUsage(KeyLimits(2, 2, 100, 100), Clock())
    usage.take(Cost(calls=1, characters=60, upload_bytes=60))
    for cost in (Cost(1, 41, 40), Cost(1, 40, 41)):
        for _ in range(5):
            refusal(usage, cost)
    usage.take(Cost(calls=1, characters=40, upload_bytes=40))
    assert usage.running == 2


def test_of_several_limits_the_one_with_the_longest_wait_is_named() -> None:
    usage = KeyUsage(KeyLimits(streams=2, requests_per_minute=2, characters_per_minute=60), Clock())
    usage.take(Cost(calls=1, characters=60))
    usage.take(Cost(calls=1))
    error = refusal(usage, Cost(calls=1, characters=45))
    assert "characters_per_minute" in error.message
    assert error.retry_after_seconds == pytest.approx(45, abs=0.002)
    assert "requests_per_minute" in refusal(usage, Cost(calls=1, characters=15)).message


@pytest.mark.parametrize(
    ("cost", "before", "kind", "field"),
    [
        (Cost(characters=101), 0, TextTooLong, "text"),
        (Cost(upload_bytes=101), 0, MessageTooLarge, None),
        (Cost(upload_bytes=1), 100, MessageTooLarge, None),
    ],
)
def test_what_no_waiting_would_let_through_is_no_matter_of_time(
    cost: Cost, before: int, kind: type[InvalidRequest], field: str | None
) -> None:
    usage = KeyUsage(KeyLimits(characters_per_minute=100, upload_bytes_per_minute=100), Clock())
    with pytest.raises(kind, match=r"has 101, and this key may use 100 .*; send less") as failure:
        usage.take(cost, before)
    assert failure.value.field == field


def test_an_upload_in_pieces_is_told_when_all_of_it_would_go_through() -> None:
    clock = Clock()
    usage = KeyUsage(KeyLimits(upload_bytes_per_minute=600), clock)
    usage.take(Cost(upload_bytes=500))
    usage.take(Cost(upload_bytes=100), sent_before=0)
    error = refusal(usage, Cost(upload_bytes=100), sent_before=100)
    assert error.retry_after_seconds == pytest.approx(20, abs=0.002)
    clock.now += error.retry_after_seconds
    usage.take(Cost(upload_bytes=100))
    usage.take(Cost(upload_bytes=100), sent_before=100)


def test_each_key_has_limits_of_its_own_and_an_edited_file_changes_them() -> None:
    limiter = Limiter(Clock())
    limiter.usage("a", KeyLimits(streams=1, requests_per_minute=1)).take(Cost(calls=1))
    limiter.usage("b", KeyLimits(streams=1, requests_per_minute=1)).take(Cost(calls=1))
    refusal(limiter.usage("a", KeyLimits(streams=1, requests_per_minute=1)), Cost(calls=1))
    assert "streams" in refusal(limiter.usage("a", KeyLimits(1, 5)), Cost(calls=1)).message
    limiter.usage("a", KeyLimits(2, 5)).take(Cost(calls=1))
    limiter.usage("a", KeyLimits()).take(Cost(9, 10**9, 10**9))


def test_keys_that_use_nothing_are_forgotten() -> None:
    clock = Clock()
    limiter = Limiter(clock)
    for number in range(1000):
        usage = limiter.usage(f"key {number}", KeyLimits(streams=1, requests_per_minute=60))
        usage.take(Cost(calls=1))
        if number != 500:
            usage.leave()
        clock.now += 1
    assert len(limiter) <= 3
    refusal(limiter.usage("key 500", KeyLimits(streams=1, requests_per_minute=60)), Cost(calls=1))


def test_a_reply_takes_a_minutes_worth_at_most() -> None:
    usage = KeyUsage(KeyLimits(characters_per_minute=60), Clock())
    usage.take_reply(100)
    with pytest.raises(RateLimited) as failure:
        usage.take_reply(30)
    assert failure.value.retry_after_seconds == pytest.approx(30, abs=0.002)


async def limited(start: Start, folder: Path, limits: KeyLimits) -> tuple[Server, AsyncClient]:
    """A slow server, and a client whose key has these limits."""
    _, secret = key_file.add(folder / "keys.json", "alice", limits)
    server, client = await start(keys_file=folder / "keys.json", options=SLOW, concurrency=2)
    return server, client.with_metadata({"authorization": f"Bearer {secret}"})


def assert_limited(error: ServiceError, name: str, longest_wait: float) -> None:
    assert (error.code, error.reason) == (grpc.StatusCode.RESOURCE_EXHAUSTED, "RATE_LIMITED")
    assert name in error.message
    assert 0 < (error.retry_after_seconds or 0) <= longest_wait + 0.01


async def test_requests_a_minute(start: Start, tmp_path: Path) -> None:
    _, client = await limited(start, tmp_path, KeyLimits(requests_per_minute=3))
    for _ in range(3):
        assert await client.list_models()
    with pytest.raises(ServiceError) as failure:
        await client.list_models()
    assert_limited(failure.value, "requests_per_minute", 20)
    assert await client.is_serving(), "health is nobody's request"


async def test_characters_a_minute(start: Start, tmp_path: Path) -> None:
    _, client = await limited(start, tmp_path, KeyLimits(characters_per_minute=10))
    assert [data async for data in client.synthesize("naïve")], "characters, not bytes"
    with pytest.raises(ServiceError) as failure:
        await anext(client.synthesize("sixsix"))
    assert_limited(failure.value, "characters_per_minute", 6)
    assert await client.list_models(), "only what is spoken counts"
    with pytest.raises(ServiceError) as failure:
        await anext(client.synthesize("more than ten"))
    assert (failure.value.reason, failure.value.field) == ("TEXT_TOO_LONG", "text")


async def test_characters_a_minute_of_a_text_that_is_being_written(start: Start, tmp_path: Path) -> None:
    _, client = await limited(start, tmp_path, KeyLimits(characters_per_minute=10))
    async with client.live_speech() as speech:
        await speech.write("naïve")
        await speech.flush()
        await anext(speech)
        await speech.write("sixsix")
        with pytest.raises(ServiceError) as failure:
            async for _ in speech:
                pass
    assert_limited(failure.value, "characters_per_minute", 6)


async def test_upload_bytes_a_minute(start: Start, tmp_path: Path) -> None:
    _, client = await limited(start, tmp_path, KeyLimits(upload_bytes_per_minute=100_000))
    audio = b"".join([data async for data in client.synthesize("Hi.")])
    assert 10_000 < len(audio) < 20_000
    assert [segment.text async for segment in client.transcribe(audio)] == ["Hi."]
    with pytest.raises(ServiceError) as failure:
        await anext(client.transcribe(bytes(90_000)))
    assert_limited(failure.value, "upload_bytes_per_minute", 60)
    assert [segment.text async for segment in client.transcribe(audio)] == ["Hi."]


async def test_upload_bytes_count_as_they_arrive(start: Start, tmp_path: Path) -> None:
    server, client = await limited(start, tmp_path, KeyLimits(upload_bytes_per_minute=100_000))
    async with client.upload() as upload:
        await upload.write(bytes(60_000))
        await received(server, 60_000)
    with pytest.raises(ServiceError) as failure:
        async with client.upload() as upload:
            for _ in range(100):
                await upload.write(bytes(10_000))
    assert_limited(failure.value, "upload_bytes_per_minute", 60)


async def test_an_upload_that_is_more_than_a_minutes_worth_is_too_large(start: Start, tmp_path: Path) -> None:
    _, client = await limited(start, tmp_path, KeyLimits(upload_bytes_per_minute=1000))
    with pytest.raises(ServiceError) as failure:
        await anext(client.transcribe(bytes(1001)))
    assert failure.value.reason == "MESSAGE_TOO_LARGE"


async def test_calls_in_progress_are_counted_and_those_that_were_cancelled_are_not(
    start: Start, tmp_path: Path
) -> None:
    _, client = await limited(start, tmp_path, KeyLimits(streams=2))
    running = [client.synthesize(LONG, encoding=Encoding.PCM_S16LE) for _ in range(2)]
    for speech in running:
        await anext(speech)
    with pytest.raises(ServiceError) as failure:
        await client.list_models()
    assert_limited(failure.value, "2 calls in progress at once (streams)", 1)
    running[0].cancel()
    await let_in(client)
    running[1].cancel()
    await let_in(client)


async def test_a_slot_is_free_again_after_a_deadline(start: Start, tmp_path: Path) -> None:
    _, client = await limited(start, tmp_path, KeyLimits(streams=1))
    with pytest.raises(ServiceError) as failure:
        async for _ in client.synthesize(LONG, timeout=0.3):
            pass
    assert failure.value.code is grpc.StatusCode.DEADLINE_EXCEEDED
    await let_in(client)


async def test_a_slot_is_free_again_after_an_error(start: Start, tmp_path: Path) -> None:
    _, client = await limited(start, tmp_path, KeyLimits(streams=1))
    for _ in range(5):
        with pytest.raises(ServiceError) as failure:
            await anext(client.synthesize("Hi.", voice="nobody"))
        assert failure.value.reason == "VOICE_NOT_FOUND"
        with pytest.raises(ServiceError) as failure:
            await client.get_model("nobody")
        assert failure.value.reason == "MODEL_NOT_FOUND"


async def test_a_slot_is_free_again_after_an_upload_that_was_left(start: Start, tmp_path: Path) -> None:
    server, client = await limited(start, tmp_path, KeyLimits(streams=1))
    async with client.upload() as upload:
        await upload.write(b"RIFF")
        await received(server, 4)
        with pytest.raises(ServiceError, match="calls in progress"):
            await client.list_models()
    await let_in(client)


async def let_in(client: AsyncClient) -> None:
    """Ask until there is a slot again: the server learns of the end of a call a little later than we do."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        while True:
            try:
                await client.list_models()
            except ServiceError as error:
                if error.reason != "RATE_LIMITED":
                    raise
            else:
                return


async def received(server: Server, size: int) -> None:
    """Wait until the server has so many bytes of uploads in hand."""
    await eventually(lambda: server.uploads.held >= size)
