"""Messages that do not come, that are too large, or that are made of very many parts."""

import asyncio
from pathlib import Path
from typing import Any

import grpc
import pytest
from grpc_channelz.v1 import channelz_pb2
from grpc_health.v1 import health_pb2
from grpc_reflection.v1alpha import reflection_pb2

from audio_grpc.access.policies import policy_of
from audio_grpc.interceptors.arrivals import MOST_SLOW
from audio_grpc.v1.job_pb2 import CreateSpeechJobRequest
from audio_grpc.v1.speech_to_text_pb2 import TimeRange, TranscribeRequest
from audio_grpc.v1.text_to_speech_pb2 import SynthesizeRequest
from tests.bounds.calls import ended
from tests.conftest import Start
from tests.contract import ALL, OURS, Rpc, rpcs_of

INVALID = grpc.StatusCode.INVALID_ARGUMENT
LARGE = (
    *("Synthesize", "Transcribe", "TranscribeUpload", "Converse", "CreateSpeechJob"),
    *("CreateCustomVoice", "UpdateCustomVoice"),  # a voice has a transcript
)
LIVE = ("StreamingSynthesize", "StreamingTranscribe")
SMALL = [method for method in ALL if str(method) not in LARGE + LIVE]


@pytest.mark.parametrize("method", OURS, ids=str)
async def test_a_call_without_a_message_is_refused_at_once(start: Start, method: Rpc) -> None:
    server, _ = await start()
    assert (await ended(server.address, method.path)).code is INVALID


@pytest.mark.parametrize("method", rpcs_of(health_pb2, channelz_pb2), ids=str)
async def test_so_it_is_where_everybody_may_call(start: Start, method: Rpc) -> None:
    server, _ = await start()
    status = await ended(server.address, method.path)
    assert (status.code, "without a message" in status.message) == (INVALID, True)


async def test_a_reflection_stream_may_end_without_a_question(start: Start) -> None:
    server, _ = await start()
    [method] = rpcs_of(reflection_pb2)
    assert (await ended(server.address, method.path)).code is grpc.StatusCode.OK


@pytest.mark.parametrize("method", SMALL, ids=str)
async def test_methods_that_take_names_and_numbers_take_little(start: Start, method: Rpc) -> None:
    server, _ = await start()
    # A field that no message has: it would be parsed, and kept.
    status = await ended(server.address, method.path, b"\xfa\x7f\x80\x80\x08" + bytes(1 << 17))
    assert (status.code, "more than 131072" in status.message) == (INVALID, True)


@pytest.mark.parametrize(
    "request_",
    [
        TranscribeRequest(audio=b"x", clip_timestamps=[TimeRange()] * 30_000),
        TranscribeRequest(audio=b"x", hotwords=[""] * 30_000),
        CreateSpeechJobRequest(speech=SynthesizeRequest(text="x" * 10_000_000)),
    ],
    ids=["messages", "strings", "text"],
)
async def test_large_methods_have_bounds_beside_sound(start: Start, request_: object) -> None:
    server, _ = await start()
    job = isinstance(request_, CreateSpeechJobRequest)
    path = "JobService/CreateSpeechJob" if job else "SpeechToTextService/Transcribe"
    data = request_.SerializeToString()  # type: ignore[attr-defined]
    status = await ended(server.address, f"/audio_grpc.v1.{path}", data)
    assert (status.code, "send less in it" in status.message) == (INVALID, True)


@pytest.mark.parametrize("data", [b"\xff" * 100, b"\x0a", b"\x0a\xff\xff", b"\x0a\x02a", b"\x0b" * 1000])
async def test_what_is_no_message_is_refused_as_such(start: Start, data: bytes) -> None:
    server, _ = await start()
    status = await ended(server.address, "/audio_grpc.v1.SpeechToTextService/Transcribe", data)
    assert (status.code, "cannot be read" in status.message) == (INVALID, True)


@pytest.mark.parametrize("method", [one for one in OURS if not policy_of(one.path).is_public], ids=str)
async def test_without_a_key_no_request_is_read(start: Start, keys: Path, method: Rpc) -> None:
    server, _ = await start(keys_file=keys)
    status = await ended(server.address, method.path, b"\xff" * 100)
    assert status.code is grpc.StatusCode.UNAUTHENTICATED


async def test_of_too_many_messages_that_take_their_time_one_is_refused(start: Start) -> None:
    server, client = await start()
    data = health_pb2.HealthCheckRequest().SerializeToString()
    async with grpc.aio.insecure_channel(server.address) as channel:
        method: Any = channel.stream_stream("/grpc.health.v1.Health/Check")
        calls = {asyncio.create_task(call.code()): call for call in (method() for _ in range(MOST_SLOW + 1))}
        [first], others = await asyncio.wait(calls, return_when=asyncio.FIRST_COMPLETED)
        assert first.result() is grpc.StatusCode.RESOURCE_EXHAUSTED
        assert await client.is_serving(), "what comes at once is never refused"
        for other in others:
            await calls[other].write(data)
            assert await calls[other].read()
            assert await other is grpc.StatusCode.OK
