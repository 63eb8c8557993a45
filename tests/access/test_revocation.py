"""The end of calls in progress, and of jobs, when their key is revoked."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import grpc
import pytest

from audio_grpc.access import key_file
from audio_grpc.access.limits import KeyLimits
from audio_grpc.client import AsyncClient, Encoding, ServiceError
from audio_grpc.v1 import job_pb2 as pb
from tests.access.test_keys import with_key
from tests.conftest import PATIENCE_SECONDS, Start
from tests.conversation.chat_double import ChatDouble
from tests.jobs.conftest import ended, reached

LONG = "A text that takes the slowed speaker some minutes to say. " * 200
PCM = Encoding.PCM_S16LE

Begin = Callable[[AsyncClient], Awaitable[AsyncIterator[Any]]]


async def speech(client: AsyncClient) -> AsyncIterator[Any]:
    return client.synthesize(LONG, encoding=PCM)


async def slow_reader(client: AsyncClient) -> AsyncIterator[Any]:
    """The server waits for a reader who takes nothing more until the key is revoked."""
    stream = client.synthesize(LONG, encoding=PCM)
    await anext(stream)
    return stream


async def job_that_is_watched(client: AsyncClient) -> AsyncIterator[Any]:
    return client.watch_job((await client.create_job(LONG)).id)


async def job_that_is_downloaded(client: AsyncClient) -> AsyncIterator[Any]:
    return client.download_job((await client.create_job(LONG)).id, follow=True)


async def activities(client: AsyncClient) -> AsyncIterator[Any]:
    return client.watch_activities()


STREAMS = [speech, slow_reader, job_that_is_watched, job_that_is_downloaded, activities]


@asynccontextmanager
async def let_in(start: Start, keys: Path, **changes: Any) -> AsyncIterator[tuple[AsyncClient, str]]:
    """A client with a key that can be revoked, and the key's id; its calls take very long."""
    key, secret = key_file.add(keys, "alice", KeyLimits())
    _, client = await start(keys_file=keys, options={"delay_seconds": 0.02}, **changes)
    async with asyncio.timeout(PATIENCE_SECONDS):
        yield with_key(client, secret), key.id


def assert_revoked(error: ServiceError) -> None:
    assert (error.code, error.reason) == (grpc.StatusCode.UNAUTHENTICATED, "API_KEY_INVALID")
    assert "revoked" in error.message


@pytest.mark.parametrize("begin", STREAMS)
async def test_a_stream_ends_with_its_key(start: Start, keys: Path, begin: Begin) -> None:
    async with let_in(start, keys, concurrency=2) as (alice, key_id):
        stream = await begin(alice)
        await anext(stream)
        key_file.revoke(keys, key_id)
        with pytest.raises(ServiceError) as failure:
            async for _ in stream:
                pass
        assert_revoked(failure.value)


async def test_live_streams_end_with_their_key(start: Start, keys: Path) -> None:
    async with (
        let_in(start, keys) as (alice, key_id),
        alice.live_speech() as speech,
        alice.listen(16000) as hearing,
    ):
        await speech.start()
        await hearing.start()
        key_file.revoke(keys, key_id)
        for stream in (speech, hearing):
            with pytest.raises(ServiceError) as failure:
                async for _ in stream:
                    pass
            assert_revoked(failure.value)


async def test_a_conversation_ends_with_its_key(start: Start, keys: Path) -> None:
    async with ChatDouble() as chat:
        pipelines = {"agent": {"llm": {"base_url": chat.base_url}}}
        async with let_in(start, keys, pipelines=pipelines) as (alice, key_id), alice.converse() as talk:
            await talk.start()
            await talk.say("Hello?")
            await chat.asked()
            key_file.revoke(keys, key_id)
            with pytest.raises(ServiceError) as failure:
                async for _ in talk:
                    pass
            assert_revoked(failure.value)


async def test_a_call_that_waits_for_its_turn_ends_with_its_key(start: Start, keys: Path) -> None:
    async with let_in(start, keys, concurrency=1) as (alice, key_id):
        running = alice.synthesize(LONG, encoding=PCM)
        await anext(running)
        waiting = alice.synthesize("Hi.", encoding=PCM)
        first = asyncio.ensure_future(anext(waiting))
        key_file.revoke(keys, key_id)
        with pytest.raises(ServiceError) as failure:
            await first
        assert_revoked(failure.value)


async def test_an_upload_ends_with_its_key(start: Start, keys: Path) -> None:
    async with let_in(start, keys) as (alice, key_id), alice.upload() as upload:
        await upload.write(b"RIFF")
        key_file.revoke(keys, key_id)
        with pytest.raises(ServiceError) as failure:
            while True:
                await upload.write(bytes(100))
                await asyncio.sleep(0.01)
        assert_revoked(failure.value)


async def test_the_place_of_a_revoked_call_is_free_again(start: Start, keys: Path) -> None:
    _, other = key_file.add(keys, "bob", KeyLimits())
    async with let_in(start, keys, concurrency=1) as (alice, key_id):
        stream = alice.synthesize(LONG, encoding=PCM)
        await anext(stream)
        key_file.revoke(keys, key_id)
        assert [data async for data in with_key(alice, other).synthesize("Hi.")]
        with suppress(ServiceError):
            async for _ in stream:
                pass


RUNNING, QUEUED, PAUSED = (
    pb.SPEECH_JOB_STATE_RUNNING,
    pb.SPEECH_JOB_STATE_QUEUED,
    pb.SPEECH_JOB_STATE_PAUSED,
)
COMPLETED, FAILED = pb.SPEECH_JOB_STATE_COMPLETED, pb.SPEECH_JOB_STATE_FAILED


async def onlooker(start: Start) -> AsyncClient:
    """A client of another server on the database, which asks for no keys and runs no jobs."""
    return (await start(jobs_at_once=0))[1]


async def test_jobs_fail_with_their_key_whatever_their_state(start: Start, keys: Path) -> None:
    _, secret = key_file.add(keys, "bob", KeyLimits())
    async with let_in(start, keys) as (alice, key_id):
        jobs = [await alice.create_job(LONG) for _ in range(3)]
        await alice.pause_job(jobs[2].id)
        await reached(alice, jobs[0].id, lambda job: job.state == RUNNING)
        others = await with_key(alice, secret).create_job("Hi.")
        anybody = await onlooker(start)
        assert [(await anybody.get_job(job.id)).state for job in jobs] == [RUNNING, QUEUED, PAUSED]
        key_file.revoke(keys, key_id)
        for job in jobs:
            failed = await ended(anybody, job.id)
            assert (failed.state, failed.error.reason) == (FAILED, "API_KEY_INVALID")
            assert "was revoked" in failed.error.message
        assert (await ended(anybody, others.id)).state == COMPLETED, "the place is free again"


async def test_a_server_that_runs_no_jobs_ends_them_too(start: Start, keys: Path) -> None:
    key, secret = key_file.add(keys, "alice", KeyLimits())
    _, client = await start(keys_file=keys, jobs_at_once=0)
    job = await with_key(client, secret).create_job(LONG)
    key_file.revoke(keys, key.id)
    failed = await ended(await onlooker(start), job.id)
    assert (failed.state, failed.error.reason) == (FAILED, "API_KEY_INVALID")


async def test_jobs_of_before_there_were_keys_go_on(start: Start, keys: Path) -> None:
    anybody = await onlooker(start)
    job = await anybody.create_job("Hi.")
    await start(keys_file=keys)
    assert (await ended(anybody, job.id)).state == COMPLETED


def broken(keys: Path) -> None:
    keys.write_text("{")


def removed(keys: Path) -> None:
    keys.unlink()


def without_another(keys: Path) -> None:
    key_file.revoke(keys, "somebody")


@pytest.mark.parametrize("change", [broken, removed, without_another])
async def test_a_file_in_no_order_revokes_nothing(
    start: Start, keys: Path, change: Callable[[Path], None]
) -> None:
    key, secret = key_file.add(keys, "alice", KeyLimits())
    server, client = await start(keys_file=keys, options={"delay_seconds": 0.01})
    stream = with_key(client, secret).synthesize("x" * 150, encoding=PCM)
    size = len(await anext(stream))
    job = await with_key(client, secret).create_job("x" * 150)
    change(keys)
    assert server.keys is not None
    assert server.keys.revoked(key) is None
    size += sum([len(data) async for data in stream])
    assert size == 150 * 4800
    assert (await ended(await onlooker(start), job.id)).state == COMPLETED
