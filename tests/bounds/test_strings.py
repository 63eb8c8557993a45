"""Long strings, in any field of any method and in the metadata, get short answers."""

from pathlib import Path

import grpc
import pytest

from audio_grpc.server import Server
from audio_grpc.v1.speech_to_text_pb2 import TranscribeUploadRequest, UploadRefusal
from tests.bounds.calls import Status, ended, strings, with_string
from tests.conftest import Start
from tests.contract import OURS, Rpc

MOST_STATUS_BYTES = 4096
LONG_TEXTS = ("text", "system_prompt", "context")
REFUSALS = (grpc.StatusCode.INVALID_ARGUMENT, grpc.StatusCode.NOT_FOUND)


@pytest.fixture
async def server(start: Start) -> Server:
    return (await start(history=True, options={"cloning": True}))[0]


def is_refused_shortly(status: Status, value: str) -> bool:
    return status.code in REFUSALS and value[:101] not in status.message and is_short(status)


def is_short(status: Status) -> bool:
    return status.size <= MOST_STATUS_BYTES


@pytest.mark.parametrize("method", OURS, ids=str)
@pytest.mark.parametrize("value", ["v" * 70_000, "é" * 20_000], ids=["ascii", "letters"])
async def test_a_long_name_is_refused_in_few_words(server: Server, method: Rpc, value: str) -> None:
    for path in strings(method.request.DESCRIPTOR):
        if path[-1] not in LONG_TEXTS:
            request = with_string(method, path, value)
            status = await ended(server.address, method.path, request.SerializeToString())
            assert is_refused_shortly(status, value), (path, status)


@pytest.mark.parametrize("method", OURS, ids=str)
async def test_what_a_message_quotes_fits_however_it_is_encoded(server: Server, method: Rpc) -> None:
    for path in strings(method.request.DESCRIPTOR):
        for value in ("%" * 200, "\U0001f600" * 200, "\u202e" * 200):
            request = with_string(method, path, value)
            status = await ended(server.address, method.path, request.SerializeToString())
            assert is_short(status), (path, status)
            assert "\u202e" not in status.message


async def test_a_status_fits_whatever_it_has_to_say(server: Server) -> None:
    """The quoted text, and the field at fault in each of two details, would together be too long."""
    refusal = UploadRefusal(message="\U0001f600" * 1000, field="\U0001f600" * 256)
    request = TranscribeUploadRequest(refusal=refusal).SerializeToString()
    status = await ended(server.address, "/audio_grpc.v1.SpeechToTextService/TranscribeUpload", request)
    assert (status.code, is_short(status)) == (grpc.StatusCode.INVALID_ARGUMENT, True)
    assert "refused it" in status.message


@pytest.mark.parametrize(
    "name", ["authorization", "x-request-id", "traceparent", "tracestate", "user-agent", "made-up"]
)
async def test_long_metadata_is_nobodys_business(server: Server, name: str) -> None:
    call = ended(
        server.address, "/audio_grpc.v1.ModelService/ListModels", b"", metadata=[(name, "x" * 60_000)]
    )
    status = await call
    assert (status.code, is_short(status)) == (grpc.StatusCode.OK, True)


async def test_a_key_of_any_length_is_an_unknown_key(start: Start, keys: Path) -> None:
    server, _ = await start(keys_file=keys)
    for length in (200, 9_000, 60_000):
        sent = [("authorization", f"Bearer {'k' * length}")]
        status = await ended(server.address, "/audio_grpc.v1.ModelService/ListModels", b"", metadata=sent)
        assert (status.code, is_short(status)) == (grpc.StatusCode.UNAUTHENTICATED, True)
