"""Bounds on what is kept of requests, and on what a listing tells; what cannot be shown is skipped."""

from typing import Any

import grpc
import pytest
from google.protobuf.duration_pb2 import Duration
from google.protobuf.json_format import MessageToJson
from google.protobuf.timestamp_pb2 import Timestamp

from audio_grpc.server import Server
from audio_grpc.storage import new_id
from audio_grpc.v1.history_pb2 import PastRequest
from audio_grpc.v1.speech_to_text_pb2 import TimeRange, TranscribeRequest
from tests.bounds.calls import ended
from tests.conftest import Start
from tests.history.conftest import TEXT, kept, refused, speak

TRANSCRIBE = "/audio_grpc.v1.SpeechToTextService/Transcribe"


async def keep_copy(server: Server, past: PastRequest, **changes: Any) -> str:
    """Keeps another record like that one, but for the changes; its id."""
    copy = PastRequest()
    copy.CopyFrom(past)
    copy.MergeFrom(PastRequest(id=new_id(), **changes))
    await server._parts._past_requests.add(copy)
    return copy.id


@pytest.mark.parametrize(
    "request_",
    [
        TranscribeRequest(audio=b"x", prompt="p" * 5_000_000),
        TranscribeRequest(audio=b"x", hotwords=["h" * 5_000_000]),
        TranscribeRequest(audio=b"x", language_code="l" * 5_000_000),
        TranscribeRequest(audio=b"x", clip_timestamps=[TimeRange(start=Duration(seconds=10**15))]),
    ],
    ids=["prompt", "hotwords", "language", "time"],
)
async def test_of_a_refused_request_little_is_kept(keeping: Start, request_: TranscribeRequest) -> None:
    server, client = await keeping()
    status = await ended(server.address, TRANSCRIBE, request_.SerializeToString())
    assert status.code is grpc.StatusCode.INVALID_ARGUMENT
    (past,) = await kept(client)
    assert (past.status, past.ByteSize() < 10_000) == ("INVALID_ARGUMENT", True)
    assert MessageToJson(past)


async def test_of_a_refused_text_the_beginning_is_kept(keeping: Start) -> None:
    _, client = await keeping()
    await refused(client.synthesize("x" * 150_000))
    (past,) = await kept(client)
    assert (len(past.text), past.is_whole_text) == (1000, False)


async def test_what_is_too_large_to_be_told_is_left_out_of_the_list(
    keeping: Start, caplog: pytest.LogCaptureFixture
) -> None:
    server, client = await keeping()
    await speak(client)
    (past,) = await kept(client)
    large = await keep_copy(server, past, text="x" * (4 << 20))
    for _ in range(2):
        assert [past.text for past in await kept(client)] == [TEXT]
    assert caplog.text.count(f"the past request {large} cannot be shown") == 1
    assert await client.delete_past_requests([large]) == 1


async def test_a_page_is_bounded_in_bytes_and_the_list_goes_on(keeping: Start) -> None:
    server, client = await keeping()
    await speak(client)
    (past,) = await kept(client)
    for number in range(5):
        await keep_copy(server, past, text="x" * 1_000_000, start_time=Timestamp(seconds=number))
    found, token, pages = 0, "", 0
    while True:
        page = await client.list_past_requests(page_size=100, page_token=token).page()
        assert page.ByteSize() < 4 << 20
        found, pages, token = found + len(page.requests), pages + 1, page.next_page_token
        if not token:
            break
    assert (found, pages > 1) == (6, True)
