"""The bound on the memory of uploads: over all calls, whatever keys they have, and however they end."""

import asyncio

import grpc
import pytest

from audio_grpc.access.uploads import Uploads
from audio_grpc.client import AsyncClient, ServiceError
from audio_grpc.errors import Busy
from audio_grpc.server import Server
from tests.conftest import Start
from tests.eventually import eventually

PIECE = bytes(40_000)


async def holds(server: Server, size: int) -> None:
    """Wait until the server holds about so much, for messages have some bytes beside the audio."""
    await eventually(lambda: size <= server.uploads.held < size + 1000)


async def refused(client: AsyncClient) -> ServiceError:
    with pytest.raises(ServiceError) as failure:
        await anext(client.transcribe(PIECE))
    return failure.value


async def test_uploads_beyond_the_bound_are_told_to_come_later(start: Start) -> None:
    server, client = await start(max_upload_bytes_in_flight=100_000)
    async with client.upload() as first, client.upload() as second:
        await first.write(PIECE)
        await second.write(PIECE)
        await holds(server, 2 * len(PIECE))
        error = await refused(client)
        assert (error.code, error.reason) == (grpc.StatusCode.RESOURCE_EXHAUSTED, "BUSY")
        assert (error.retry_after_seconds or 0) > 0
        assert "raise max_upload_bytes_in_flight" in error.message
        assert [data async for data in client.synthesize("Speech is no upload.")]
        await first.write(PIECE[:10_000])
        await holds(server, 2 * len(PIECE) + 10_000)
        with pytest.raises(ServiceError, match="retry later"):
            for _ in range(100):
                await second.write(PIECE)
        await holds(server, len(PIECE) + 10_000)
    await holds(server, 0)
    assert (await refused(client)).reason == "AUDIO_UNDECODABLE", "taken, and looked at"
    assert server.uploads.held == 0


async def test_uploads_that_wait_for_the_model_count(start: Start) -> None:
    slow = {"concurrency": 1, "queue": 4, "options": {"delay_seconds": 0.5}}
    server, client = await start(listener=slow, max_upload_bytes_in_flight=50_000)
    audio = b"".join([data async for data in client.synthesize("Hi.")])
    calls = [client.transcribe(audio) for _ in range(3)]
    tasks = [asyncio.ensure_future(anext(call)) for call in calls]
    await holds(server, 3 * len(audio))
    assert (await refused(client)).reason == "BUSY"
    assert [segment.text for segment in await asyncio.gather(*tasks)] == ["Hi."] * 3
    for call in calls:
        assert [segment async for segment in call] == []
    await holds(server, 0)


async def test_an_upload_alone_is_taken_whatever_its_size(start: Start) -> None:
    server, client = await start(max_upload_bytes_in_flight=10)
    audio = b"".join([data async for data in client.synthesize("Hi.")])
    assert [segment.text async for segment in client.transcribe(audio)] == ["Hi."]
    async with client.upload() as upload:
        for start_of_piece in range(0, len(audio), 1000):
            await upload.write(audio[start_of_piece : start_of_piece + 1000])
        async with await upload.transcribe() as transcript:
            assert [segment.text async for segment in transcript] == ["Hi."]
    await holds(server, 0)


async def test_the_sample_of_a_custom_voice_is_an_upload(start: Start) -> None:
    server, client = await start(max_upload_bytes_in_flight=1000)
    server.uploads.hold(500)
    reasons = []
    for size in (400, 501):
        with pytest.raises(ServiceError) as failure:
            await client.create_voice("Anna", bytes(size))
        reasons.append(failure.value.reason)
    assert reasons == ["CLONING_UNAVAILABLE", "BUSY"]
    assert server.uploads.held == 500


def test_a_message_without_audio_is_never_refused() -> None:
    uploads = Uploads(10)
    uploads.hold(11)
    uploads.check(0, 0)
    with pytest.raises(Busy):
        uploads.check(1, 0)
