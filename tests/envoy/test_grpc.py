"""gRPC, gRPC-Web and Connect through Envoy."""

import asyncio
import json
import re
import struct
import subprocess
from http.client import HTTPException
from pathlib import Path
from typing import Any

import grpc
import pytest
import yaml
from google.protobuf.descriptor_pb2 import FileDescriptorSet

from audio_grpc.client import AsyncClient, Encoding, ServiceError, SpokenAudio
from audio_grpc.envoy.files import template
from audio_grpc.v1.speech_to_text_pb2 import RawAudioFormat, TranscribeRequest
from tests.conftest import COMMAND, PATIENCE_SECONDS
from tests.envoy.conftest import Gate
from tests.envoy.front import Front, ask, free_ports
from tests.snippets import ROOT

BUF = str(Path(COMMAND).with_name("buf"))
SYNTHESIZE = "audio_grpc.v1.TextToSpeechService/Synthesize"
TRANSCRIBE = "/audio_grpc.v1.SpeechToTextService/Transcribe"
LIST_MODELS = "/audio_grpc.v1.ModelService/ListModels"
PROTOCOLS = {
    "grpc": ("--http2-prior-knowledge",),
    "grpcweb": (),
    "connect": (),
}


def curl(front: Front, protocol: str, method: str, data: str) -> subprocess.CompletedProcess[str]:
    command = [BUF, "curl", "--protocol", protocol, *PROTOCOLS[protocol], "--data", data]
    return subprocess.run(
        [*command, f"http://{front.address}/{method}"], capture_output=True, text=True, timeout=60
    )


def unary(channel: grpc.Channel, method: str) -> bytes:
    """A call with an empty request, and the bytes of its response."""
    call: Any = channel.unary_unary(method)
    answer: bytes = call(b"", timeout=PATIENCE_SECONDS)
    return answer


def messages(text: str) -> list[Any]:
    decoder, found, rest = json.JSONDecoder(), [], text.strip()
    while rest:
        message, end = decoder.raw_decode(rest)
        found.append(message)
        rest = rest[end:].lstrip()
    return found


async def test_native_grpc(front: Front) -> None:
    async with AsyncClient(front.address) as client:
        assert [model.name for model in await client.list_models()] == [
            "speaker",
            "broken",
            "broken-at-once",
            "gated",
            "listener",
        ]
        assert await client.is_serving()
        audio = b"".join([data async for data in client.synthesize("Through the door.")])
        async with client.upload() as upload:
            for start in range(0, len(audio), 1000):
                await upload.write(audio[start : start + 1000])
            transcript = await upload.transcribe()
        assert "".join([segment.text async for segment in transcript]) == "Through the door."


async def test_the_first_sound_comes_before_the_last_is_made(front: Front, gate: Gate) -> None:
    gate.opened.clear()
    async with AsyncClient(front.address) as client:
        speech = client.synthesize("abc", model="gated", encoding=Encoding.PCM_S16LE)
        received = len(await anext(speech))
        assert received == 4800
        gate.opened.set()
        assert received + sum([len(data) async for data in speech]) == 3 * 4800


async def test_a_text_is_spoken_while_it_is_being_written(front: Front) -> None:
    async with AsyncClient(front.address) as client:
        async with client.live_speech(encoding=Encoding.PCM_S16LE) as speech:
            await speech.write("Hello. And so ")
            first = await anext(speech)
            assert isinstance(first, SpokenAudio)
            assert (first.text_start, first.text_end) == (0, 7)
            await speech.write("on.")
            await speech.end()
            assert [event async for event in speech]
        assert speech.finished.usage.audio_duration.ToMilliseconds() == 1700


async def test_an_error_keeps_its_reason(front: Front) -> None:
    async with AsyncClient(front.address) as client:
        with pytest.raises(ServiceError) as failure:
            await anext(client.synthesize("Hi.", speed=9.0))
        assert (failure.value.code, failure.value.field) == (grpc.StatusCode.INVALID_ARGUMENT, "speed")
        with pytest.raises(ServiceError) as failure:
            async for _ in client.synthesize("Hi there.", model="broken"):
                pass
        assert (failure.value.code, failure.value.reason) == (grpc.StatusCode.INTERNAL, "MODEL_FAILED")


@pytest.mark.parametrize("model", ["broken", "broken-at-once"])
async def test_what_models_answer_takes_no_replica_out(front: Front, model: str) -> None:
    async with AsyncClient(front.address) as client:
        for _ in range(10):
            with pytest.raises(ServiceError) as failure:
                async for _ in client.synthesize("Hi there.", model=model):
                    pass
            assert failure.value.code is grpc.StatusCode.INTERNAL
            assert await asyncio.to_thread(front.healthy) == 1
        assert await client.list_voices()


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_every_protocol_streams(front: Front, protocol: str) -> None:
    """Reflection is a stream in both directions."""
    done = curl(front, protocol, SYNTHESIZE, '{"text": "Hi.", "encoding": "AUDIO_ENCODING_PCM_S16LE"}')
    events = messages(done.stdout)
    assert events[0]["started"]["model"] == "speaker", done.stderr
    assert events[-1]["finished"]["usage"]["characters"] == 3


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_every_protocol_tells_errors(front: Front, protocol: str) -> None:
    refused = json.loads(curl(front, protocol, SYNTHESIZE, '{"text": "Hi.", "speed": 9}').stderr)
    assert refused["code"] == "invalid_argument"
    assert refused["details"][0]["type"].endswith("google.rpc.ErrorInfo")
    cut = curl(front, protocol, SYNTHESIZE, '{"text": "Hi there.", "model": "broken"}')
    assert json.loads(cut.stderr)["code"] == "internal"
    assert "finished" not in messages(cut.stdout)[-1]
    unary = curl(front, protocol, "audio_grpc.v1.ModelService/GetModel", '{"name": "nobody"}')
    assert json.loads(unary.stderr)["code"] == "not_found"


@pytest.mark.parametrize(
    "method",
    [
        "/nothing.v1.Nobody/Nothing",
        "/audio_grpc.v1.ModelService/Nothing",
        "/grpc.channelz.v1.Channelz/GetServers",
    ],
)
def test_unknown_methods_are_unimplemented(front: Front, method: str) -> None:
    """Channelz too, which tells too much for a public port."""
    with grpc.insecure_channel(front.address) as channel, pytest.raises(grpc.RpcError) as failure:
        unary(channel, method)
    assert failure.value.code() is grpc.StatusCode.UNIMPLEMENTED
    web = front.ask("POST", method, b"\0\0\0\0\0", content_type="application/grpc-web+proto")
    assert web.headers["grpc-status"] == "12"


@pytest.mark.parametrize(
    "headers", [{"content_type": "text/plain"}, {"content_type": "application/proto"}, {}]
)
def test_what_is_no_grpc_is_told_where_to_go(front: Front, headers: dict[str, str]) -> None:
    answer = front.ask("POST", LIST_MODELS, b"{}", **headers)
    assert answer.status == 415
    assert answer.json["error"]["type"] == "invalid_request_error"
    assert "JSON goes to /api/v1" in answer.json["error"]["message"]


@pytest.mark.parametrize(
    ("content_type", "end"),
    [
        ("application/grpc-web+proto", rb"\x80\0\0\0.(\S+:.*\r\n)*grpc-status:0\r\n(\S+:.*\r\n)*"),
        ("application/connect+proto", rb'\x02\0\0\0.\{"metadata":.*\}'),
    ],
)
def test_large_uploads_pass(front: Front, content_type: str, end: bytes) -> None:
    message = large_recording().SerializeToString()
    framed = b"\0" + struct.pack(">I", len(message)) + message
    answer = front.ask("POST", TRANSCRIBE, framed, content_type=content_type)
    assert answer.status == 200
    assert re.search(end + rb"\Z", answer.body), answer.body[-200:]


async def test_large_uploads_pass_in_native_grpc(front: Front) -> None:
    request = large_recording()
    async with AsyncClient(front.address) as client:
        transcript = client.transcribe(request.audio, raw_format=request.raw_format)
        assert [segment async for segment in transcript] == []
        assert transcript.finished.audio_duration.seconds == 30 * 2**20 // (2 * 48000)


def large_recording() -> TranscribeRequest:
    """30 MiB of silence."""
    return TranscribeRequest(audio=bytes(30 << 20), raw_format=RawAudioFormat(sample_rate_hertz=48000))


def test_the_inner_door_speaks_grpc_and_nothing_else(front: Front) -> None:
    with grpc.insecure_channel(front.inside) as channel:
        assert b"speaker" in unary(channel, LIST_MODELS)
    with pytest.raises((OSError, HTTPException)):
        ask(front.inside, "GET", "/api/v1/models")


def test_every_method_of_the_contract_has_a_route() -> None:
    """envoy.yaml names them one by one; a new one has to be added there."""
    document = yaml.safe_load(template().read_text())
    public, _ = document["static_resources"]["listeners"]
    [host] = public["filter_chains"][0]["filters"][0]["typed_config"]["route_config"]["virtual_hosts"]
    matches = [route["match"] for route in host["routes"]]
    patterns = [match["safe_regex"]["regex"] for match in matches if "safe_regex" in match]
    patterns += [re.escape(match["path"]) for match in matches if "path" in match]
    contract = FileDescriptorSet.FromString((ROOT / "protos/audio_grpc.binpb").read_bytes())
    methods = [
        f"/{file.package}.{service.name}/{method.name}"
        for file in contract.file
        for service in file.service
        for method in service.method
    ]
    assert len(methods) > 10
    for method in methods:
        assert any(re.fullmatch(pattern, method) for pattern in patterns), method


@pytest.mark.parametrize("protocol", ["grpc", "rest"])
def test_an_upload_that_is_not_kept_while_the_only_server_is_away_is_to_be_sent_again(protocol: str) -> None:
    """Envoy's own status would be 507, of which gRPC makes UNKNOWN."""
    front = Front([f"127.0.0.1:{free_ports(1)[0]}"])
    try:
        if protocol == "grpc":
            with grpc.insecure_channel(front.address) as channel, pytest.raises(grpc.RpcError) as failure:
                method: Any = channel.unary_unary(TRANSCRIBE)
                method(large_recording().SerializeToString(), timeout=PATIENCE_SECONDS)
            assert failure.value.code() is grpc.StatusCode.UNAVAILABLE
        else:
            answer = front.ask("POST", "/api/v1/transcribe", {"audio": "A" * (30 << 20)})
            assert (answer.status, answer.json["error"]["type"]) == (503, "server_error")
    finally:
        front.stop()


def test_compressed_questions_about_the_contract_stay_outside(front: Front) -> None:
    """Unpacked, such questions could be a thousand times as large, and they need no key."""
    path = "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo"
    with grpc.insecure_channel(front.address, compression=grpc.Compression.Gzip) as channel:
        method: Any = channel.stream_stream(path)
        with pytest.raises(grpc.RpcError) as failure:
            list(method(iter([bytes(1 << 20)]), timeout=PATIENCE_SECONDS))
    assert failure.value.code() is grpc.StatusCode.UNIMPLEMENTED
