"""Watchers learn that the server ends, and do not delay it; calls that work are waited for."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any, cast

import grpc
import pytest
from grpc_health.v1.health_pb2 import HealthCheckRequest, HealthCheckResponse, HealthListRequest
from grpc_health.v1.health_pb2_grpc import HealthStub
from grpc_reflection.v1alpha.reflection_pb2 import ServerReflectionRequest, ServerReflectionResponse

from audio_grpc.services.health import EVERYTHING, Health
from audio_grpc.v1.activity_pb2 import WatchActivitiesRequest
from audio_grpc.v1.activity_pb2_grpc import ActivityServiceStub
from audio_grpc.v1.job_pb2 import DownloadSpeechJobRequest, WatchSpeechJobRequest
from audio_grpc.v1.job_pb2_grpc import JobServiceStub
from audio_grpc.v1.model_admin_pb2 import LoadModelRequest
from audio_grpc.v1.model_admin_pb2_grpc import ModelAdminServiceStub
from tests.conftest import PATIENCE_SECONDS, Start

SERVING, NOT_SERVING = HealthCheckResponse.SERVING, HealthCheckResponse.NOT_SERVING
FOR_EVER = 10_000.0
"""A grace period that nothing here lasts as long as."""


def reflect(channel: Any, version: str) -> Any:
    return channel.stream_stream(
        f"/grpc.reflection.{version}.ServerReflection/ServerReflectionInfo",
        ServerReflectionRequest.SerializeToString,
        ServerReflectionResponse.FromString,
    )


async def reflection(channel: Any, job_id: str) -> Any:
    call = reflect(channel, "v1")()
    await call.write(ServerReflectionRequest(list_services=""))
    return call


async def health(channel: Any, job_id: str) -> Any:
    return HealthStub(channel).Watch(HealthCheckRequest())


async def activities(channel: Any, job_id: str) -> Any:
    return ActivityServiceStub(channel).WatchActivities(WatchActivitiesRequest())


async def job(channel: Any, job_id: str) -> Any:
    return JobServiceStub(channel).WatchSpeechJob(WatchSpeechJobRequest(id=job_id))


async def download(channel: Any, job_id: str) -> Any:
    return JobServiceStub(channel).DownloadSpeechJob(DownloadSpeechJobRequest(id=job_id, follow=True))


async def ended(call: Any) -> grpc.StatusCode:
    """Returns how it ended, with what it was still told read."""
    with suppress(grpc.aio.AioRpcError):
        while await call.read() is not grpc.aio.EOF:
            pass
    code: grpc.StatusCode = await call.code()
    return code


@pytest.mark.parametrize("watch", [health, reflection, activities, job, download])
async def test_who_watches_does_not_hold_up_the_end(
    start: Start, watch: Callable[[Any, str], Awaitable[Any]]
) -> None:
    server, client = await start(jobs_at_once=0)
    paused = await client.create_job("Nobody speaks this.")
    async with grpc.aio.insecure_channel(server.address) as channel:
        call = await watch(channel, paused.id)
        assert await call.read() is not grpc.aio.EOF
        await asyncio.wait_for(server.stop(FOR_EVER), PATIENCE_SECONDS)
        assert await ended(call) in (grpc.StatusCode.OK, grpc.StatusCode.UNAVAILABLE)


async def test_a_health_watch_hears_of_the_drain_before_it_ends(start: Start) -> None:
    server, _ = await start()
    async with grpc.aio.insecure_channel(server.address) as channel:
        call = HealthStub(channel).Watch(HealthCheckRequest())
        assert (await call.read()).status == SERVING
        server.drain()
        assert (await call.read()).status == NOT_SERVING
        await server.end_watches()
        assert await call.read() is grpc.aio.EOF
        assert await call.code() is grpc.StatusCode.OK


async def test_when_the_door_closes_watches_end_and_calls_are_served(start: Start) -> None:
    server, client = await start()
    async with grpc.aio.insecure_channel(server.address) as channel:
        stub = HealthStub(channel)
        before = stub.Watch(HealthCheckRequest())
        assert (await before.read()).status == SERVING
        await server.end_watches()
        assert (await before.read()).status == NOT_SERVING
        assert await before.read() is grpc.aio.EOF
        # Envoy goes on sending calls to a server that says so.
        assert (await stub.Check(HealthCheckRequest())).status == SERVING
        assert b"".join([data async for data in client.synthesize("Still well.")])
        late = stub.Watch(HealthCheckRequest())
        assert (await late.read()).status == NOT_SERVING
        assert await late.read() is grpc.aio.EOF


async def test_a_watch_that_is_ended_while_its_answer_is_on_its_way_still_tells_so() -> None:
    health = Health()
    health.set(EVERYTHING, SERVING)
    watch = health.Watch(HealthCheckRequest(), cast(Any, None))
    assert (await anext(watch)).status == SERVING
    health.end_watches()
    assert [answer.status async for answer in watch] == [NOT_SERVING]


async def test_who_waits_for_a_model_to_load_does_not_hold_up_the_end(start: Start) -> None:
    server, _ = await start(options={"load_seconds": 2.0})
    async with grpc.aio.insecure_channel(server.address) as channel:
        call = ModelAdminServiceStub(channel).LoadModel(LoadModelRequest(name="speaker"))
        await call.read()
        await server.end_watches()
        assert await ended(call) is grpc.StatusCode.UNAVAILABLE


async def test_health_lists_all_services(start: Start) -> None:
    server, _ = await start()
    async with grpc.aio.insecure_channel(server.address) as channel:
        listed = (await HealthStub(channel).List(HealthListRequest())).statuses
        assert listed[""].status == SERVING
        assert listed["audio_grpc.v1.JobService"].status == SERVING
        with pytest.raises(grpc.aio.AioRpcError) as failure:
            await HealthStub(channel).Check(HealthCheckRequest(service="x" * 200))
        assert failure.value.code() is grpc.StatusCode.NOT_FOUND
        assert "x" * 101 not in (failure.value.details() or "")


@pytest.mark.parametrize("version", ["v1", "v1alpha"])
@pytest.mark.parametrize(
    "symbol",
    [
        "audio_grpc.v1.ModelService.ListModels",
        "audio_grpc.v1.ModelService",
        "audio_grpc.v1.ListModelsRequest",
        "grpc.reflection.v1.ServerReflection",
        "grpc.reflection.v1.ServerReflection.ServerReflectionInfo",
    ],
)
async def test_reflection_describes_symbols(start: Start, version: str, symbol: str) -> None:
    server, _ = await start()
    async with grpc.aio.insecure_channel(server.address) as channel:
        call = reflect(channel, version)(iter([ServerReflectionRequest(file_containing_symbol=symbol)]))
        answer = await call.read()
    assert answer.file_descriptor_response.file_descriptor_proto, answer


async def test_reflection_knows_no_method_that_is_none(start: Start) -> None:
    server, _ = await start()
    unknown = ServerReflectionRequest(file_containing_symbol="audio_grpc.v1.ModelService.Nothing")
    async with grpc.aio.insecure_channel(server.address) as channel:
        answer = await reflect(channel, "v1")(iter([unknown])).read()
    assert answer.error_response.error_code == grpc.StatusCode.NOT_FOUND.value[0]
