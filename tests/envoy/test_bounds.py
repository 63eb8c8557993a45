"""Messages in excess through Envoy are refused, and nobody else on its connections notices."""

import asyncio

import grpc
import pytest

from audio_grpc.client import AsyncClient
from audio_grpc.interceptors import arrivals
from audio_grpc.v1.text_to_speech_pb2 import SynthesizeRequest
from tests.bounds.calls import ended
from tests.contract import ALL, Rpc
from tests.envoy.front import Front

REFLECTION = "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo"
SYNTHESIZE = "/audio_grpc.v1.TextToSpeechService/Synthesize"
TIMES = 20


@pytest.mark.parametrize("field", ["voice", "model", "language_code"])
@pytest.mark.parametrize("length", [8_000, 20_000, 70_000])
async def test_long_names_harm_nobody_else(front: Front, field: str, length: int) -> None:
    request = SynthesizeRequest(text="Hi.")
    setattr(request, field, "x" * length)
    data = request.SerializeToString()
    async with AsyncClient(front.address) as client:
        for _ in range(TIMES):
            bad, good = await asyncio.gather(ended(front.address, SYNTHESIZE, data), client.list_voices())
            assert (bad.code, bad.size <= 4096, bool(good)) == (grpc.StatusCode.INVALID_ARGUMENT, True, True)


async def test_a_long_query_and_long_headers_harm_nobody_else(front: Front) -> None:
    path = f"/api/v1/voices?model={'x' * 20_000}"
    async with AsyncClient(front.address) as client:
        for _ in range(TIMES):
            answer = await asyncio.to_thread(front.ask, "GET", path)
            assert (answer.status, len(answer.body) < 4096) == (400, True)
            answer = await asyncio.to_thread(
                front.ask, "GET", "/api/v1/models", authorization=f"Bearer {'k' * 40_000}"
            )
            assert answer.status in (200, 431), "the server would take it, Envoy need not"
            assert await client.list_voices()


@pytest.mark.parametrize(
    "kind", ["application/grpc-web", "application/grpc-web-text", "application/grpc-web+proto"]
)
def test_a_call_of_grpc_web_without_a_message_is_refused(front: Front, kind: str) -> None:
    for path in (SYNTHESIZE, "/audio_grpc.v1.ModelService/ListModels", "/grpc.health.v1.Health/Check"):
        answer = front.ask("POST", path, b"", content_type=kind)
        assert (answer.headers.get("grpc-status") or _status(answer.body)) == "3"


def _status(body: bytes) -> str:
    return body.decode("latin-1").partition("grpc-status:")[2][:1]


@pytest.mark.parametrize(
    "method", [one for one in ALL if "channelz" not in one.path and "Reflection" not in one.path], ids=str
)
async def test_a_call_of_grpc_without_a_message_is_refused(front: Front, method: Rpc) -> None:
    assert (await ended(front.address, method.path)).code is grpc.StatusCode.INVALID_ARGUMENT


@pytest.mark.parametrize("method", ["grpc.health.v1.Health/Check", "audio_grpc.v1.ModelService/ListModels"])
async def test_what_is_too_large_for_a_small_method_stays_outside(front: Front, method: str) -> None:
    before = front.stats("^cluster.server.upstream_rq_total$")
    status = await ended(front.address, f"/{method}", b"\xfa\x7f\x80\x80\x40" + bytes(1 << 20))
    assert (status.code, "send less in it" in status.message) == (grpc.StatusCode.INVALID_ARGUMENT, True)
    assert front.stats("^cluster.server.upstream_rq_total$") == before


async def test_a_large_question_about_the_contract_ends_before_it_has_come(
    front: Front, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A stream, so Envoy cannot hold it until it is whole; it lets it come slowly."""
    monkeypatch.setattr(arrivals, "LONGEST_SECONDS", 1.0)
    status = await ended(front.address, REFLECTION, bytes(2 << 20))
    assert (status.code, "has not come within" in status.message) == (grpc.StatusCode.ABORTED, True)
