"""Bounds on what is kept of requests, and on what a listing tells; what cannot be shown is skipped."""

from dataclasses import replace

import grpc
import pytest
from google.protobuf.duration_pb2 import Duration
from google.protobuf.json_format import MessageToJson

from audio_grpc.server import Server
from audio_grpc.storage import PastRequest, Selection, new_id
from audio_grpc.v1.speech_to_text_pb2 import TimeRange, TranscribeRequest
from tests.bounds.calls import ended
from tests.conftest import Start
from tests.history.conftest import TEXT, kept, refused, speak

TRANSCRIBE = "/audio_grpc.v1.SpeechToTextService/Transcribe"


async def stored(server: Server) -> PastRequest:
    """The only row."""
    return (await server._parts._past_requests.page(Selection(), 1, None)).entries[0]


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


async def test_what_earlier_versions_kept_and_cannot_be_shown_is_skipped(
    keeping: Start, caplog: pytest.LogCaptureFixture
) -> None:
    server, client = await keeping()
    await speak(client)
    await kept(client)
    past = await stored(server)
    impossible = TranscribeRequest(clip_timestamps=[TimeRange(start=Duration(seconds=10**15))])
    old = [
        replace(past, id=new_id(), method="Transcribe", options=impossible.SerializeToString()),
        replace(past, id=new_id(), method="Transcribe", options=b"\xff"),
        replace(past, id=new_id(), options=bytes(20 << 20)),
        replace(past, id=new_id(), text="x" * (2 << 20)),
    ]
    for row in old:
        await server._parts._past_requests.add(row)
    for _ in range(2):
        assert [past.text for past in await kept(client)] == [TEXT]
    for row in old:
        assert caplog.text.count(f"the past request {row.id} cannot be shown") == 1
    assert (await refused(client.get_past_request(old[0].id))).reason == "STORAGE_FAILED"
    assert await client.delete_past_requests([row.id for row in old]) == 4


async def test_a_page_is_bounded_in_bytes_and_the_list_goes_on(keeping: Start) -> None:
    server, client = await keeping()
    await speak(client)
    await kept(client)
    past = await stored(server)
    for number in range(5):
        await server._parts._past_requests.add(
            replace(past, id=new_id(), text="x" * 400_000, started=float(number))
        )
    found, token, pages = 0, "", 0
    while True:
        page = await client.list_past_requests(page_size=100, page_token=token)
        assert page.ByteSize() < 4 << 20
        found, pages, token = found + len(page.requests), pages + 1, page.next_page_token
        if not token:
            break
    assert (found, pages > 1) == (6, True)
