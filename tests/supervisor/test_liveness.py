"""A process that hangs is replaced; one that is busy is not."""

import asyncio
import signal

import grpc
import pytest

from audio_grpc.client import Encoding, ServiceError
from audio_grpc.supervisor.liveness import until_hung
from tests.envoy.front import eventually
from tests.supervisor.conftest import Start
from tests.supervisor.test_up import answers

PATIENCE = "liveness_seconds = 6"


async def test_only_what_has_no_answer_several_times_in_a_row_hangs() -> None:
    answers_at, asked = (2, 4), 0

    async def probe() -> None:
        nonlocal asked
        asked += 1
        if asked == 1:
            raise ConnectionRefusedError
        if asked not in answers_at:
            await asyncio.Event().wait()

    await until_hung(probe, 0.03)
    assert asked == 7


async def test_a_server_that_hangs_is_replaced_and_its_calls_fail(start: Start) -> None:
    house = start(settings=[PATIENCE]).ready()
    async with house.client() as client:
        speech = client.synthesize("Hello. " * 1000, model="slow", encoding=Encoding.PCM_S16LE)
        await anext(speech)
        house.servers()[0].send_signal(signal.SIGSTOP)
        with pytest.raises(ServiceError) as failure:
            async for _ in speech:
                pass
        assert failure.value.code is grpc.StatusCode.UNAVAILABLE
    house.wait_for(r"^up +\| server-1 has not answered for 6 s; killing it")
    eventually(lambda: house.healthy_servers() == 1)


def test_a_gateway_and_an_envoy_that_hang_are_replaced(start: Start) -> None:
    house = start(settings=[PATIENCE]).ready()
    for name in ("audio-gateway", "envoy"):
        house.running(name)[0].send_signal(signal.SIGSTOP)
    said = {house.wait_for(r"^up +\| (\w+) has not answered").group(1) for _ in range(2)}
    assert said == {"gateway", "envoy"}
    eventually(lambda: answers(house))
