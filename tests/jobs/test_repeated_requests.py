"""Requests for jobs that come again, since their answers were lost: each makes one job."""

import asyncio
from pathlib import Path
from typing import Any
from uuid import uuid4

import grpc
import pytest

from audio_grpc.access import key_file
from audio_grpc.access.limits import KeyLimits
from audio_grpc.client import AsyncClient, Client, ServiceError
from audio_grpc.storage import admission
from audio_grpc.v1.job_pb2 import CreateSpeechJobRequest, CreateSpeechJobResponse
from audio_grpc.v1.text_to_speech_pb2 import SpeakerSample, SynthesizeRequest
from tests.conftest import Start
from tests.jobs.conftest import ended, refused
from tests.test_voices import CLONING, SAMPLE


async def test_the_same_request_makes_one_job(start: Start) -> None:
    _, client = await start()
    request_id = str(uuid4())
    jobs = [await client.create_job("Hi.", request_id=request_id) for _ in range(3)]
    assert {job.id for job in jobs} == {jobs[0].id}
    assert len((await client.list_jobs().page()).jobs) == 1
    await ended(client, jobs[0].id)
    assert (await client.create_job("Hi.", request_id=request_id.upper())).id == jobs[0].id
    other = await client.create_job("Hi.")
    assert other.id != jobs[0].id


async def test_at_the_same_moment_as_well(start: Start) -> None:
    _, client = await start(jobs_at_once=0)
    request_id = str(uuid4())
    jobs = await asyncio.gather(*(client.create_job("Hi.", request_id=request_id) for _ in range(8)))
    assert len({job.id for job in jobs}) == 1


async def test_another_request_of_the_same_id_is_refused(start: Start) -> None:
    _, client = await start()
    request_id = str(uuid4())
    job = await client.create_job("Hi.", request_id=request_id)
    for text, speed in (("Ho.", None), ("Hi.", 1.5)):
        error = await refused(client.create_job(text, request_id=request_id, speed=speed))
        assert (error.code, error.reason) == (grpc.StatusCode.ALREADY_EXISTS, "REQUEST_ID_REUSED")
        assert error.field == "request_id"
    assert [one.id for one in (await client.list_jobs().page()).jobs] == [job.id]


@pytest.mark.parametrize("request_id", ["x", "2f1c9b1e8d0a4c399e0b5b6a7c8d9e0f", "\x00", "é" * 36])
async def test_an_id_that_is_no_uuid_is_refused(start: Start, request_id: str) -> None:
    _, client = await start()
    error = await refused(client.create_job("Hi.", request_id=request_id))
    assert (error.code, error.field) == (grpc.StatusCode.INVALID_ARGUMENT, "request_id")


async def test_ids_of_different_keys_have_nothing_to_do_with_each_other(start: Start, tmp_path: Path) -> None:
    path = tmp_path / "keys.json"
    secrets = [key_file.add(path, name, KeyLimits())[1] for name in ("alice", "bob")]
    server, _ = await start(keys_file=path)
    request_id = str(uuid4())
    made: list[str] = []
    for secret in secrets:
        async with AsyncClient(server.address, api_key=secret) as client:
            made.append((await client.create_job(f"Hi, {len(made)}.", request_id=request_id)).id)
    assert len(set(made)) == 2


async def test_after_a_restart_and_beyond_the_bounds_it_is_still_known(start: Start) -> None:
    server, client = await start(jobs_at_once=0, max_waiting_jobs=1)
    request_id = str(uuid4())
    job = await client.create_job("Hi.", request_id=request_id)
    await server.stop(0)
    _, client = await start(jobs_at_once=0, max_waiting_jobs=1)
    assert (await client.create_job("Hi.", request_id=request_id)).id == job.id
    assert (await refused(client.create_job("Hi."))).reason == "TOO_MANY_JOBS"


async def test_two_servers_on_one_database_make_one_job(start: Start, postgresql_url: str) -> None:
    clients = [(await start(database_url=postgresql_url, jobs_at_once=0))[1] for _ in range(2)]
    request_id = str(uuid4())
    calls = (client.create_job("Hi.", request_id=request_id) for client in clients * 4)
    assert len({job.id for job in await asyncio.gather(*calls)}) == 1


async def test_it_is_forgotten_with_its_job_and_after_a_day(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, client = await start(jobs_at_once=0)
    request_id = str(uuid4())
    first = await client.create_job("Hi.", request_id=request_id)
    await client.delete_job(first.id)
    second = await client.create_job("Ho.", request_id=request_id)
    assert second.id != first.id
    monkeypatch.setattr(admission, "REMEMBERED_SECONDS", -1.0)
    assert (await client.create_job("Ho.", request_id=request_id)).id != second.id


class LosesAnswers:
    """A server's JobService of which the first answer is lost on the way, as when a proxy ends."""

    def __init__(self, stub: Any) -> None:
        self._stub = stub
        self.requests: list[CreateSpeechJobRequest] = []

    async def __call__(self, request: CreateSpeechJobRequest, metadata: Any) -> CreateSpeechJobResponse:
        answer: CreateSpeechJobResponse = await self._stub(request, metadata=metadata)
        self.requests.append(request)
        if len(self.requests) == 1:
            raise grpc.aio.AioRpcError(
                grpc.StatusCode.UNAVAILABLE, grpc.aio.Metadata(), grpc.aio.Metadata(), "lost"
            )
        return answer


async def test_the_client_repeats_what_was_lost_and_makes_one_job(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, client = await start()
    lossy = LosesAnswers(client._jobs.CreateSpeechJob)
    monkeypatch.setattr(client._jobs, "CreateSpeechJob", lossy)
    job = await client.create_job("Hi.")
    assert [one.request_id for one in lossy.requests] == [lossy.requests[0].request_id] * 2
    assert [one.id for one in (await client.list_jobs().page()).jobs] == [job.id]


async def test_the_client_for_threads_names_its_requests_too(start: Start) -> None:
    server, client = await start()

    def make() -> None:
        with Client(server.address) as other:
            request_id = str(uuid4())
            assert len({other.create_job("Hi.", request_id=request_id).id for _ in range(2)}) == 1
            with pytest.raises(ServiceError, match="no UUID"):
                other.create_job("Hi.", request_id="x")

    await asyncio.to_thread(make)
    assert len((await client.list_jobs().page()).jobs) == 1


async def test_the_sample_of_a_job_is_kept_and_not_told_again(start: Start) -> None:
    _, client = await start(options=CLONING)
    sample = SpeakerSample(audio=SAMPLE, transcript="What is said.")
    speech = SynthesizeRequest(text="Hi.", sample=sample)
    request = CreateSpeechJobRequest(speech=speech)
    made = (await client._unary(client._jobs.CreateSpeechJob, request)).job
    job = await ended(client, made.id)
    assert not job.error.reason
    for one in (made, job, *(await client.list_jobs().page()).jobs):
        assert one.speech.sample.transcript == "What is said."
        assert not one.speech.sample.audio
