"""Activities: the server's report of its calls, while they run and afterwards."""

import asyncio
import subprocess
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import grpc
import pytest

from audio_grpc.access import key_file
from audio_grpc.access.limits import KeyLimits
from audio_grpc.access.policies import Scope
from audio_grpc.backends.base import ModelSpec
from audio_grpc.client import AsyncClient, AsyncSpeech, Client, Encoding, ServiceError
from audio_grpc.convert import to_seconds
from audio_grpc.text import split
from audio_grpc.v1 import activity_pb2 as pb
from audio_grpc.v1.activity_pb2 import Activity
from tests.conftest import COMMAND, CommandProcess, Start
from tests.lines import reading

SENTENCES = "This is said in pieces. And so is that, which is a little longer, and follows. " * 30
"""A text too long for the buffers on the way to a reader who does not read."""


async def begun(client: AsyncClient, text: str = SENTENCES, request_id: str = "spoken") -> AsyncSpeech:
    """A stream that has begun to sound, and that goes on as far as somebody reads it."""
    speech = client.with_metadata({"x-request-id": request_id}).synthesize(text, encoding=Encoding.PCM_S16LE)
    await anext(speech)
    return speech


async def speak(client: AsyncClient, text: str = "x", request_id: str = "spoken", model: str = "") -> None:
    named = client.with_metadata({"x-request-id": request_id})
    async with named.synthesize(text, model=model) as speech:
        async for _ in speech:
            pass


async def until(client: AsyncClient, step: int, request_id: str = "spoken") -> Activity:
    """The request, once it is at the step."""
    async for activities in client.watch_activities(interval=0.05):
        for activity in activities:
            if (activity.request_id, activity.step) == (request_id, step):
                return activity
    raise AssertionError("the server ended")


async def test_a_call_is_seen_while_it_runs(start: Start) -> None:
    _, client = await start(read_ahead=1)
    async with await begun(client):
        (activity,) = await client.list_activities()
        while not activity.piece_count:  # counted after the first sound, which was just sent
            (activity,) = await client.list_activities()
    assert activity.method == "Synthesize"
    assert (activity.model, activity.voice, activity.key) == ("speaker", "tone", "")
    assert activity.step == pb.ACTIVITY_STEP_GENERATING
    assert activity.characters == len(SENTENCES)
    assert activity.piece >= 1
    assert activity.piece_count == len(list(split(SENTENCES)))
    assert to_seconds(activity.audio_out) > 0
    assert to_seconds(activity.elapsed) > 0
    assert activity.status == activity.reason == ""
    assert activity.text_preview == SENTENCES[:100]


async def test_progress_grows_and_tells_the_end(start: Start) -> None:
    _, client = await start(read_ahead=1)
    seen: list[Activity] = []
    async with await begun(client) as speech:
        async for _ in speech:
            seen += [one for one in await client.list_activities(0) if one.HasField("progress")]
    assert seen
    done = [one.progress for one in seen]
    assert done == sorted(done)
    assert 0 < done[0] < 1
    pieces = [one.piece for one in seen]
    assert pieces == sorted(pieces)
    assert pieces[0] < pieces[-1] <= seen[-1].piece_count
    first = seen[0]
    assert first.estimated_end_time.ToMilliseconds() > first.start_time.ToMilliseconds()
    ended = await until(client, pb.ACTIVITY_STEP_FINISHED)
    assert (ended.status, ended.progress, ended.piece) == ("OK", 1.0, ended.piece_count)
    assert not ended.HasField("estimated_end_time")


async def test_a_call_waits_for_a_place_and_for_its_model(start: Start) -> None:
    _, client = await start(concurrency=1, read_ahead=1, options={"load_seconds": 0.5})
    loading = asyncio.create_task(speak(client))
    assert (await until(client, pb.ACTIVITY_STEP_LOADING)).model == "speaker"
    await loading
    async with await begun(client, request_id="first"):
        queued = asyncio.create_task(speak(client, request_id="second"))
        assert (await until(client, pb.ACTIVITY_STEP_QUEUED, "second")).voice == ""
        listed = await client.list_activities(0)
        assert [activity.request_id for activity in listed] == ["first", "second"]
    await queued


async def test_an_upload_is_arriving_until_its_options_came(start: Start) -> None:
    _, client = await start()
    async with client.with_metadata({"x-request-id": "sent"}).upload() as upload:
        await upload.write(b"RIFF")
        assert (await until(client, pb.ACTIVITY_STEP_RECEIVING, "sent")).method == "TranscribeUpload"


async def test_a_transcript_shows_what_was_heard(start: Start) -> None:
    _, client = await start()
    recording = b"".join([data async for data in client.synthesize("One is first. Two is next.")])
    async with client.with_metadata({"x-request-id": "heard"}).transcribe(recording) as transcript:
        async for _ in transcript:
            pass
    activity = await until(client, pb.ACTIVITY_STEP_FINISHED, "heard")
    assert (activity.model, activity.voice, activity.method) == ("listener", "", "Transcribe")
    assert activity.text_preview == "One is first. Two is next."
    assert to_seconds(activity.audio_in) == pytest.approx(2.6)
    assert (activity.piece, activity.piece_count) == (0, 0)


async def test_live_speech_is_seen_without_progress(start: Start) -> None:
    _, client = await start()
    async with client.with_metadata({"x-request-id": "live"}).live_speech() as speech:
        await speech.write("It is being written. ")
        await speech.flush()
        await anext(speech)
        activity = await until(client, pb.ACTIVITY_STEP_GENERATING, "live")
        assert (activity.method, activity.voice) == ("StreamingSynthesize", "tone")
        assert activity.text_preview == "It is being written. "
        assert not activity.HasField("progress")


async def test_those_who_leave_and_those_who_are_refused_are_told_apart(start: Start) -> None:
    speakers = {
        "speaker": ModelSpec("tone", read_ahead=1),
        "broken": ModelSpec("tone", options={"fail_after": 3}),
    }
    _, client = await start(synthesizers=speakers)
    async with await begun(client, request_id="left"):
        pass
    assert (await until(client, pb.ACTIVITY_STEP_CANCELLED, "left")).status == "CANCELLED"
    with pytest.raises(ServiceError):
        await speak(client, "Four bytes and more.", "broken", model="broken")
    broken = await until(client, pb.ACTIVITY_STEP_FAILED, "broken")
    assert (broken.status, broken.reason) == ("INTERNAL", "MODEL_FAILED")
    with pytest.raises(ServiceError):
        await speak(client, " ", "empty")
    assert (await until(client, pb.ACTIVITY_STEP_FAILED, "empty")).reason == "TEXT_EMPTY"
    statistics = await client.get_statistics()
    assert (statistics.requests, statistics.failures, statistics.cancellations) == (3, 2, 1)
    assert not statistics.HasField("average_duration")


async def test_statistics_add_up(start: Start) -> None:
    _, client = await start()
    before = await client.get_statistics()
    assert (before.requests, before.active) == (0, 0)
    for text in ("ab", "cde"):
        await speak(client, text, text)
        await until(client, pb.ACTIVITY_STEP_FINISHED, text)
    statistics = await client.get_statistics()
    assert (statistics.requests, statistics.failures, statistics.characters) == (2, 0, 5)
    assert to_seconds(statistics.audio_out) == pytest.approx(0.5)
    assert to_seconds(statistics.average_duration) > 0
    assert statistics.start_time == before.start_time


async def test_recent_ones_come_last_first_and_can_be_forgotten(start: Start) -> None:
    _, client = await start()
    for text in ("a", "b", "c"):
        await speak(client, text, text)
        await until(client, pb.ACTIVITY_STEP_FINISHED, text)
    assert [one.request_id for one in await client.list_activities()] == ["c", "b", "a"]
    assert [one.request_id for one in await client.list_activities(2)] == ["c", "b"]
    assert await client.clear_activities() == 3
    assert await client.list_activities() == []
    assert (await client.get_statistics()).requests == 3


async def test_no_more_than_a_hundred_are_kept(start: Start) -> None:
    _, client = await start()
    for number in range(103):
        with pytest.raises(ServiceError):
            await speak(client, " ", str(number))
    last = await until(client, pb.ACTIVITY_STEP_FAILED, "102")
    listed = await client.list_activities(100)
    assert (len(listed), listed[0], listed[-1].request_id) == (100, last, "3")


async def test_looking_is_no_activity(start: Start) -> None:
    _, client = await start()
    await client.list_models()
    await client.list_voices()
    assert await client.list_activities() == []
    assert (await client.get_statistics()).requests == 0


async def test_previews_can_be_switched_off(start: Start) -> None:
    _, client = await start(activity_previews=False, read_ahead=1)
    async with await begun(client):
        (activity,) = await client.list_activities()
        assert (activity.text_preview, activity.characters) == ("", len(SENTENCES))
    assert (await until(client, pb.ACTIVITY_STEP_CANCELLED)).text_preview == ""


async def test_previews_are_in_no_log(start: Start) -> None:
    _, client = await start()
    with reading() as lines:
        await speak(client, "A secret.")
        await lines.ended("spoken")
    assert "A secret." not in lines.stream.getvalue()


async def test_a_key_sees_its_own_calls_only(start: Start, tmp_path: Path) -> None:
    keys = tmp_path / "keys.json"
    (_, first), (_, second) = (key_file.add(keys, name, KeyLimits()) for name in ("alice", "bob"))
    _, client = await start(keys_file=keys, read_ahead=1)
    one, other = (client.with_metadata({"authorization": f"Bearer {key}"}) for key in (first, second))
    async with await begun(one):
        (activity,) = await one.list_activities()
        assert activity.key == "alice"
        assert await other.list_activities() == []
        assert (await other.get_statistics()).active == 0
    await until(one, pb.ACTIVITY_STEP_CANCELLED)
    assert await other.clear_activities() == 0
    assert (await other.get_statistics()).requests == 0
    assert [one.step for one in await one.list_activities()] == [pb.ACTIVITY_STEP_CANCELLED]
    with pytest.raises(ServiceError) as refused:
        await client.list_activities()
    assert refused.value.code is grpc.StatusCode.UNAUTHENTICATED


async def test_an_operator_sees_the_calls_of_all_keys(start: Start, tmp_path: Path) -> None:
    keys = tmp_path / "keys.json"
    (alice, first), (bob, second) = (key_file.add(keys, name, KeyLimits()) for name in ("alice", "bob"))
    secret = key_file.add(keys, "olga", KeyLimits(), [Scope.ADMIN])[1]
    _, client = await start(keys_file=keys, read_ahead=1)
    one, other, olga = (
        client.with_metadata({"authorization": f"Bearer {key}"}) for key in (first, second, secret)
    )
    await speak(one, "ab", "said")
    async with await begun(other, request_id="running"):
        seen = await olga.list_all_activities()
        assert [(each.request_id, each.key, each.key_id) for each in seen] == [
            ("running", "bob", bob.id),
            ("said", "alice", alice.id),
        ]
        assert [each.request_id for each in await olga.list_all_activities(0)] == ["running"]
        watched = await anext(aiter(olga.watch_all_activities()))
        assert [each.request_id for each in watched] == ["running", "said"]
        totals = await olga.get_total_statistics()
        assert (totals.active, totals.requests, totals.characters) == (1, 1, 2)
        assert await olga.list_activities() == []
        assert (await olga.get_statistics()).requests == 0
    await until(other, pb.ACTIVITY_STEP_CANCELLED, "running")
    assert [each.request_id for each in await olga.list_all_activities(1)] == ["running"]
    assert await olga.clear_all_activities() == 2
    assert await one.list_activities() == await other.list_activities() == []
    assert (await olga.get_total_statistics()).requests == 2


async def test_who_watches_hears_of_a_call_that_begins_later(start: Start) -> None:
    _, client = await start(read_ahead=1)
    watched = client.watch_activities(interval=0.05)
    assert await anext(watched) == []
    following = asyncio.create_task(_next(watched))
    async with await begun(client):
        seen = await following
        while [one.step for one in seen] != [pb.ACTIVITY_STEP_GENERATING]:
            assert [one.request_id for one in seen] == ["spoken"]
            seen = await anext(watched)


async def _next(watched: AsyncIterator[list[Activity]]) -> list[Activity]:
    return await anext(watched)


async def test_watching_keeps_no_server_from_ending(start: Start) -> None:
    server, client = await start()
    watched = client.watch_activities(interval=60)
    await anext(watched)
    await server.stop(grace_seconds=600)
    with pytest.raises(StopAsyncIteration):
        await anext(watched)


OUT_OF_RANGE: list[tuple[str, Callable[[AsyncClient], AsyncIterator[object]]]] = [
    ("max_recent", lambda client: client.watch_activities(101)),
    ("max_recent", lambda client: client.watch_activities(-1)),
    ("interval", lambda client: client.watch_activities(interval=0.01)),
    ("interval", lambda client: client.watch_activities(interval=61)),
]


@pytest.mark.parametrize(("field", "watch"), OUT_OF_RANGE)
async def test_what_is_out_of_range_is_refused(
    start: Start, field: str, watch: Callable[[AsyncClient], AsyncIterator[object]]
) -> None:
    _, client = await start()
    with pytest.raises(ServiceError) as refused:
        await anext(watch(client))
    assert (refused.value.code, refused.value.field) == (grpc.StatusCode.INVALID_ARGUMENT, field)


async def test_the_synchronous_client_and_the_command(start: Start) -> None:
    server, client = await start(read_ahead=1)
    async with await begun(client, request_id="for-people"):
        await asyncio.to_thread(_look, server.address)
        shown = await asyncio.to_thread(_status, server.address)
        shown_of_all = await asyncio.to_thread(_status, server.address, "--all-keys")
    assert "for-people" in shown
    assert "key" not in shown
    assert "key" in shown_of_all
    assert "for-people" in shown_of_all
    assert "generating" in shown
    assert "1 active" in shown
    watching = CommandProcess(COMMAND, "status", "--watch", "--server", server.address)
    await asyncio.to_thread(watching.wait_for, "for-people.*cancelled")
    await server.stop(0)
    assert await asyncio.to_thread(watching.ended) == 0


def _look(address: str) -> None:
    with Client(address) as client:
        (activity,) = client.list_activities()
        assert activity.request_id == "for-people"
        assert next(iter(client.watch_activities()))[0].request_id == "for-people"
        assert client.get_statistics().active == 1
        assert [one.request_id for one in client.list_all_activities()] == ["for-people"]
        assert next(iter(client.watch_all_activities()))[0].request_id == "for-people"
        assert client.get_total_statistics().active == 1
        assert client.clear_all_activities() == 0
        assert client.clear_activities() == 0


def _status(address: str, *options: str) -> str:
    command = [COMMAND, "status", "--server", address, *options]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=True).stdout
