"""A process that hangs or crashes is replaced; one that is busy is not."""

import asyncio
import io
import re
import signal
import sys

import grpc
import pytest

from audio_grpc.client import Encoding, ServiceError
from audio_grpc.supervisor import managed_process
from audio_grpc.supervisor.liveness import until_hung
from audio_grpc.supervisor.log import Log
from tests.eventually import eventually_in_a_thread
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
    stack = start(settings=[PATIENCE]).ready()
    async with stack.client() as client:
        speech = client.synthesize("Hello. " * 1000, model="slow", encoding=Encoding.PCM_S16LE)
        await anext(speech)
        stack.servers()[0].send_signal(signal.SIGSTOP)
        with pytest.raises(ServiceError) as failure:
            async for _ in speech:
                pass
        assert failure.value.code is grpc.StatusCode.UNAVAILABLE
    stack.wait_for(r"^up +\| server-1 has not answered for 6 s; killing it")
    eventually_in_a_thread(lambda: stack.healthy_servers() == 1)


def test_a_gateway_and_an_envoy_that_hang_are_replaced(start: Start) -> None:
    stack = start(settings=[PATIENCE]).ready()
    for name in ("audio-gateway", "envoy"):
        stack.running(name)[0].send_signal(signal.SIGSTOP)
    said = {stack.wait_for(r"^up +\| (\w+) has not answered").group(1) for _ in range(2)}
    assert said == {"gateway", "envoy"}
    eventually_in_a_thread(lambda: answers(stack))


class Pauses(io.StringIO):
    """A log that remembers the pauses before a process is started again."""

    def __init__(self) -> None:
        super().__init__()
        self.said: asyncio.Queue[float] = asyncio.Queue()

    def write(self, text: str) -> int:
        if found := re.search(r"starting it again in ([\d.]+) s", text):
            self.said.put_nowait(float(found.group(1)))
        return len(text)


async def test_crashes_of_long_ago_are_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(managed_process, "FIRST_PAUSE", 0.001)
    pauses = Pauses()
    crashing = managed_process.ManagedProcess("one", [sys.executable, "-c", ""], Log(pauses))
    crashing.settled = True
    crashing.start()
    try:
        assert [await pauses.said.get() for _ in range(3)] == [0.001, 0.002, 0.004], "ever longer"
        monkeypatch.setattr(managed_process, "STEADY_SECONDS", 0.0)  # from now on it has always run for long
        assert 0.001 in [await pauses.said.get() for _ in range(3)]
    finally:
        await crashing.cut()
