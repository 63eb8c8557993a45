"""``audio-grpc up``: all doors under one command, and what happens when one of its processes ends."""

import asyncio
import json
import signal

import grpc
import openai
import pytest
from websockets.asyncio.client import connect

from audio_grpc.client import ServiceError
from tests.eventually import eventually_in_a_thread
from tests.supervisor.conftest import Start
from tests.supervisor.load import HTTP_CALLERS, calling
from tests.supervisor.stack import RunningStack

LONG = "This goes on for longer than the server lives. " * 20


async def test_every_door_answers(stack: RunningStack) -> None:
    async with stack.client() as client:
        audio = b"".join([data async for data in client.synthesize("Hi.")])
        assert "".join([segment.text async for segment in client.transcribe(audio)]) == "Hi."
    events = stack.ask("POST", "/api/v1/synthesize", {"text": "Hi."}, accept="text/event-stream")
    assert b'data: {"finished"' in events.body
    async with openai.AsyncOpenAI(base_url=f"http://{stack.address}/v1", api_key="none") as caller:
        speech = await caller.audio.speech.create(
            model="tts-1", voice="tone", input="Hi.", response_format="wav"
        )
        heard = await caller.audio.transcriptions.create(model="listener", file=("a.wav", speech.content))
    assert heard.text == "Hi."
    async with connect(f"ws://{stack.address}/v1/audio/speech/stream") as socket:
        for message in ({"type": "start"}, {"type": "text", "text": "Hi."}, {"type": "end"}):
            await socket.send(json.dumps(message))
        *_, finished = [json.loads(frame) async for frame in socket if isinstance(frame, str)]
    assert finished["usage"]["characters"] == 3
    assert stack.ask("GET", "/livez").status == 200
    assert stack.ask("GET", "/readyz").status == 200


def test_the_gateway_is_asked_whether_it_reaches_the_servers(start: Start) -> None:
    stack = start("--log-level", "DEBUG")
    stack.wait_for(r"^gateway +\| .* path=/readyz status=200 ")
    stack.stop()


def test_the_log_is_one_and_says_who_wrote_each_line(stack: RunningStack) -> None:
    stack.ask("GET", "/v1/models", x_request_id="one-of-all")
    wrote = set[str]()
    while wrote != {"server", "gateway", "envoy"}:
        wrote.add(stack.wait_for(r"^(server|gateway|envoy)[-\d]* *\| .*one-of-all").group(1))


async def test_a_replica_that_is_killed_costs_only_what_it_had_begun(stack: RunningStack) -> None:
    eventually_in_a_thread(lambda: stack.healthy_servers() == 2)
    async with calling(stack) as load:
        stack.servers()[0].kill()
        await load.of_each(10)
        await until_healthy(stack, 2)
        await load.of_each(2)
    assert load.failed == []
    assert len(load.broken) <= 24, "at most what was running when it was killed"
    stack.wait_for(r"^up +\| server-\d ended by SIGKILL; starting it again")


async def test_a_stream_of_a_server_that_is_killed_breaks_off_in_plain_words(start: Start) -> None:
    stack = start().ready()
    async with stack.client() as client, client.synthesize(LONG, model="slow") as speech:
        await speech.start()
        stack.servers()[0].kill()
        with pytest.raises(ServiceError) as failure:
            async for _ in speech:
                pass
    assert failure.value.code is grpc.StatusCode.UNAVAILABLE
    assert "broke off in the middle of the call" in failure.value.message


async def test_large_bodies_that_are_refused_get_their_answers(stack: RunningStack) -> None:
    """Such clients send all of a body before they read, by way of a proxy."""
    body = bytes(25 << 20)
    asking = (
        asyncio.to_thread(stack.ask, "POST", "/v1/audio/speech", body, content_type="application/json")
        for _ in range(4)
    )
    assert [answer.status for answer in await asyncio.gather(*asking)] == [413] * 4


async def test_renewing_the_servers_fails_nobody(stack: RunningStack) -> None:
    eventually_in_a_thread(lambda: stack.healthy_servers() == 2)
    before = {process.pid for process in stack.servers()}
    async with calling(stack) as load:
        stack.process.send_signal(signal.SIGHUP)
        await asyncio.to_thread(stack.wait_for, r"^up +\| the servers are renewed")
        await load.of_each(2)
    assert (load.failed, load.broken) == ([], [])
    eventually_in_a_thread(lambda: len(stack.servers()) == 2)
    assert not before & {process.pid for process in stack.servers()}


def test_a_configuration_that_cannot_work_leaves_all_as_it_was(stack: RunningStack) -> None:
    before = {process.pid for process in stack.processes()}
    good = stack.file.read_text()
    stack.file.write_text(good.replace('backend = "tone"', 'backend = "nobody"', 1))
    stack.process.send_signal(signal.SIGHUP)
    stack.wait_for("no backend 'nobody'")
    stack.wait_for(r"^up +\| the servers stay as they were")
    stack.file.write_text(good)
    eventually_in_a_thread(lambda: {process.pid for process in stack.processes()} == before)
    assert stack.ask("GET", "/readyz").status == 200


async def test_a_gateway_that_is_killed_costs_only_what_it_had_begun(stack: RunningStack) -> None:
    [gateway] = stack.running("audio-gateway")
    async with calling(stack) as load:
        gateway.kill()
        await asyncio.to_thread(stack.wait_for, r"^up +\| gateway ended by SIGKILL")
        await load.of_each(2)
    assert load.failed == []
    assert len(load.broken) <= HTTP_CALLERS, "at most what was running when it was killed"
    [again] = stack.running("audio-gateway")
    assert again.pid != gateway.pid


def test_the_only_door_is_never_closed_for_long(stack: RunningStack) -> None:
    """However often Envoy is killed: its pause does not grow as those of others do."""
    for _ in range(4):
        [envoy] = stack.running("envoy")
        envoy.kill()
        pause = stack.wait_for(r"^up +\| envoy ended by SIGKILL; starting it again in ([\d.]+) s").group(1)
        assert float(pause) <= 1
        eventually_in_a_thread(lambda: bool(stack.running("envoy")))
    eventually_in_a_thread(lambda: answers(stack))


def answers(stack: RunningStack) -> bool:
    try:
        return stack.ask("GET", "/v1/models").status == 200
    except OSError:
        return False


async def until_healthy(stack: RunningStack, count: int) -> None:
    await asyncio.to_thread(eventually_in_a_thread, lambda: stack.healthy_servers() == count)
