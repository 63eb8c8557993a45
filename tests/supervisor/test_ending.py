"""Ends of the supervisor: in order, at once, or by a kill; no process is ever left behind."""

import asyncio
import json
import signal
import socket
from pathlib import Path

import grpc
import psutil
import pytest
from grpc_health.v1.health_pb2 import HealthCheckRequest, HealthCheckResponse
from grpc_health.v1.health_pb2_grpc import HealthStub

from audio_grpc.access import key_file
from audio_grpc.access.limits import KeyLimits
from audio_grpc.client import Encoding, ServiceError
from tests.conftest import PATIENCE_SECONDS
from tests.eventually import eventually_in_a_thread
from tests.supervisor.conftest import Start

SLOW = {"model": "slow", "encoding": Encoding.PCM_S16LE}


def nobody_is_left(processes: list[psutil.Process]) -> None:
    _, alive = psutil.wait_procs(processes, timeout=PATIENCE_SECONDS)
    assert alive == []


async def test_sigterm_lets_running_calls_finish_and_takes_new_ones_meanwhile(start: Start) -> None:
    stack = start(settings=["drain_seconds = 5"]).ready()
    processes = stack.processes()
    async with stack.client() as client:
        text = "Hello there. " * 3  # 7.8 s: it goes on after the drain
        speech = client.synthesize(text, model="slow", encoding=Encoding.PCM_S16LE)
        received = len(await anext(speech))
        stack.process.send_signal(signal.SIGTERM)
        await asyncio.to_thread(eventually_in_a_thread, lambda: stack.ask("GET", "/readyz").status == 503)
        assert await client.list_voices(), "who was not told yet"
        received += sum([len(data) async for data in speech])
    assert received == len(text) * 4800
    assert await asyncio.to_thread(stack.ended) == 0
    nobody_is_left(processes)


async def test_who_watches_through_envoy_does_not_hold_up_the_end(start: Start) -> None:
    stack = start(settings=["drain_seconds = 0", "shutdown_grace_seconds = 1000"]).ready()
    async with grpc.aio.insecure_channel(stack.address) as channel:
        watch = HealthStub(channel).Watch(HealthCheckRequest())
        assert (await watch.read()).status == HealthCheckResponse.SERVING
        stack.process.send_signal(signal.SIGTERM)
        assert (await watch.read()).status == HealthCheckResponse.NOT_SERVING
        assert await watch.read() is grpc.aio.EOF
        assert await asyncio.to_thread(stack.ended) == 0


async def test_a_second_signal_cuts_what_runs(start: Start) -> None:
    stack = start().ready()
    processes = stack.processes()
    async with stack.client() as client:
        speech = client.synthesize("Hello there. " * 50, model="slow", encoding=Encoding.PCM_S16LE)
        await anext(speech)
        stack.process.send_signal(signal.SIGINT)
        await asyncio.to_thread(stack.wait_for, r"ending; running calls have 30 s")
        stack.process.send_signal(signal.SIGINT)
        with pytest.raises(ServiceError):
            async for _ in speech:
                pass
    assert await asyncio.to_thread(stack.ended) == 0
    nobody_is_left(processes)


def test_a_supervisor_that_is_killed_leaves_nobody_behind(start: Start) -> None:
    stack = start().ready()
    processes = stack.processes()
    assert len(processes) == 3
    stack.process.kill()
    nobody_is_left(processes)
    stack.ended()


def test_it_does_not_start_beside_another_one(start: Start) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        stack = start("--port", str(taken.getsockname()[1]))
        stack.wait_for(r"Address already in use\); change \[envoy\] port")
        assert stack.ended() == 2


def test_the_gateways_port_has_one_setting(start: Start) -> None:
    stack = start(env={"AUDIO_GATEWAY_PORT": "18099"}, envoy=['gateway = "127.0.0.1:18098"'])
    stack.wait_for(
        r"listens on 127.0.0.1:18099 .*AUDIO_GATEWAY_PORT.* on 127.0.0.1:18098 \(\[envoy\] gateway\)"
    )
    assert stack.ended() == 2


@pytest.mark.parametrize(
    ("arguments", "settings", "complaint"),
    [
        (["--host", "0.0.0.0"], [], "nothing protects the server there"),
        ([], ['tls_certificate = "a.pem"', 'tls_key = "b.pem"'], r"move it.*\[envoy\]"),
        (["--otlp-endpoint", "https://example.com/v1/traces"], [], "http:// only"),
        (["--replicas", "0"], [], "replicas"),
        (["--tls-certificate", "a.pem"], [], "tls_key"),
    ],
)
def test_what_cannot_work_is_said_at_once(
    start: Start, arguments: list[str], settings: list[str], complaint: str
) -> None:
    stack = start(*arguments, settings=settings)
    stack.wait_for(complaint)
    assert stack.ended() == 2


async def test_a_log_of_json_is_json_throughout(start: Start) -> None:
    stack = start("--log-format", "json").ready()
    stack.ask("GET", "/v1/models", x_request_id="mine")
    stack.wait_for('"process": "envoy".*"request_id": "mine"')
    assert stack.stop() == 0
    entries = [json.loads(line) for line in stack.log if line.startswith("{")]
    assert {entry["process"] for entry in entries} == {"server-1", "gateway", "envoy", "up"}
    of_the_request = {entry["process"] for entry in entries if entry.get("request_id") == "mine"}
    assert of_the_request == {"server-1", "gateway", "envoy"}


@pytest.mark.parametrize("is_given", [True, False], ids=["given", "temporary"])
async def test_the_self_check_goes_through_envoy_with_a_key(
    start: Start, tmp_path: Path, is_given: bool
) -> None:
    key, secret = key_file.add(tmp_path / "keys.json", "me", KeyLimits())
    options = ("--self-check", "--keys-file", "keys.json")
    stack = start(*options, env={"AUDIO_GRPC_API_KEY": secret} if is_given else {})
    stack.wait_for("spoke +through /v1/audio/speech")
    stack.ready()
    assert stack.ask("GET", "/v1/models").status == 401
    assert stack.ask("GET", "/v1/models", authorization=f"Bearer {secret}").status == 200
    assert stack.stop() == 0
    assert secret not in "".join(stack.log)
    assert key_file.read(tmp_path / "keys.json") == [key], "one made for the check is gone after it"
