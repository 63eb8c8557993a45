"""Answers that list things fit into what gRPC's clients take by default, however many there are."""

import asyncio
import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from typing import Any

import grpc
import pytest

from audio_grpc.client import AsyncClient, Client, Encoding, ServiceError
from audio_grpc.pipelines import DEFAULT_PIPELINES
from audio_grpc.server import Server
from audio_grpc.services import pages
from audio_grpc.storage.voices import new_id
from audio_grpc.types import CustomVoice
from audio_grpc.v1.activity_pb2 import ListActivitiesRequest
from audio_grpc.v1.activity_pb2_grpc import ActivityServiceStub
from audio_grpc.v1.text_to_speech_pb2 import ListVoicesRequest
from audio_grpc.v1.text_to_speech_pb2_grpc import TextToSpeechServiceStub
from audio_grpc.v1.voice_pb2 import ListCustomVoicesRequest
from audio_grpc.v1.voice_pb2_grpc import VoiceServiceStub
from tests.conftest import Start
from tests.contract import OURS
from tests.eventually import eventually
from tests.test_voices import CLONING, SAMPLE

Page = Callable[[int, str], Awaitable[Any]]


def test_every_list_has_pages() -> None:
    lists = [rpc for rpc in OURS if str(rpc).startswith("List")]
    assert len(lists) == 8
    for rpc in lists:
        assert {"page_size", "page_token"} <= set(rpc.request.DESCRIPTOR.fields_by_name), rpc
        assert "next_page_token" in rpc.response.DESCRIPTOR.fields_by_name, rpc


async def keep(server: Server, count: int, **fields: Any) -> list[str]:
    """The ids of so many voices, oldest first."""
    voice = CustomVoice("", "", datetime.now(UTC), 2.0, **fields)
    made = [replace(voice, id=new_id(), name=f"Voice {number}") for number in range(count)]
    for one in made:
        await server._parts._voices.add(one, SAMPLE)
    return sorted(one.id for one in made)


async def listed(page: Page, page_size: int = 0) -> list[Sequence[Any]]:
    """All pages; RpcError if one has more than the default."""
    found, token = [], ""
    while True:
        answer = await page(page_size, token)
        found.append(answer.voices)
        if not (token := answer.next_page_token):
            return found


def custom_voices(channel: grpc.aio.Channel) -> Page:
    method = VoiceServiceStub(channel).ListCustomVoices
    return lambda size, token: method(ListCustomVoicesRequest(page_size=size, page_token=token))


def voices(channel: grpc.aio.Channel) -> Page:
    method = TextToSpeechServiceStub(channel).ListVoices
    return lambda size, token: method(ListVoicesRequest(page_size=size, page_token=token))


async def test_many_long_voices_come_in_several_answers(start: Start) -> None:
    server, client = await start(options=CLONING)
    ids = await keep(server, 300, transcript="\U0001f600" * 4096)
    async with grpc.aio.insecure_channel(server.address) as channel:
        found = await listed(custom_voices(channel), 1000)
    assert [voice.id for page in found for voice in page] == ids
    assert len(found) == 2
    assert [voice.id for voice in await client.list_custom_voices()] == ids


@pytest.mark.parametrize("kind", [custom_voices, voices])
async def test_pages_are_as_long_as_asked_for_and_as_there_is_room(
    start: Start, monkeypatch: pytest.MonkeyPatch, kind: Callable[[grpc.aio.Channel], Page]
) -> None:
    server, client = await start(options=CLONING, voice_aliases={})
    own = [] if kind is custom_voices else ["tone"]
    ids = [*own, *await keep(server, 7 - len(own))]
    async with grpc.aio.insecure_channel(server.address) as channel:
        page = kind(channel)
        found = await listed(page, page_size=3)
        assert [len(each) for each in found] == [3, 3, 1]
        assert [name(voice) for each in found for voice in each] == ids
        assert [len(each) for each in await listed(page)] == [7]
        monkeypatch.setattr(pages, "PAGE_BYTES", 1)
        assert [len(each) for each in await listed(page)] == [1] * 7, "less than one there is not"
        assert len(await client.list_voices()) == 1 + len(ids) - len(own), "over all pages"


def name(voice: Any) -> str:
    return str(getattr(voice, "id", None) or voice.name)


async def test_a_list_goes_on_where_a_voice_is_gone(start: Start) -> None:
    server, client = await start(options=CLONING)
    ids = await keep(server, 5)
    async with grpc.aio.insecure_channel(server.address) as channel:
        page = custom_voices(channel)
        first = await page(2, "")
        await client.delete_custom_voice(ids[1])
        second = await page(2, first.next_page_token)
    assert [voice.id for voice in second.voices] == ids[2:4]


@pytest.mark.parametrize("end", [-2, -1])
async def test_a_list_is_not_shown_twice_where_voices_are_gone(start: Start, end: int) -> None:
    server, client = await start(options=CLONING)
    ids = await keep(server, 5)
    async with grpc.aio.insecure_channel(server.address) as channel:
        page = custom_voices(channel)
        first = await page(3, "")
        for voice_id in ids[:end]:
            await client.delete_custom_voice(voice_id)
        second = await page(3, first.next_page_token)
    assert [voice.id for voice in second.voices] == ids[max(3, 5 + end) :]


def token(*values: Any) -> str:
    """A token that has the form of the server's own."""
    return urlsafe_b64encode(json.dumps(values).encode()).decode()


def number_in(page_token: str) -> int:
    """A number for the list that a token is of."""
    return int(json.loads(urlsafe_b64decode(page_token))[0])


ODD = [
    "x",
    "é",
    "AAAA",
    "OTk=",
    "eCB5",
    "LTEgeA==",
    token(),
    token(1, 2, 3),
    token(*["x" * 600]),
    "W1tbW1tb" * 10_000,
]


@pytest.mark.parametrize("odd", ODD)
async def test_other_tokens_are_refused(start: Start, odd: str) -> None:
    server, _ = await start()
    async with grpc.aio.insecure_channel(server.address) as channel:
        for page in (custom_voices(channel), voices(channel)):
            await is_refused(page(0, odd), "page_token")


@pytest.mark.parametrize(
    "place", [["x", "y"], [None, "y"], [[], "y"], [{}, 1], [float("nan"), "y"], [1.0, "\ud800"], ["\0"]]
)
async def test_places_that_were_made_up_are_refused(start: Start, place: list[Any]) -> None:
    server, client = await start(options=CLONING)
    await keep(server, 2)
    await client.create_job("One.")
    await client.create_job("Two.")
    jobs = await client.list_jobs(1).page()
    async with grpc.aio.insecure_channel(server.address) as channel:
        page = custom_voices(channel)
        first = await page(1, "")
        await is_refused(page(1, token(number_in(first.next_page_token), *place)), "page_token")
    made_up = token(number_in(jobs.next_page_token), *place)
    assert (await refused(client.list_jobs(1, made_up).page())).field == "page_token"


async def test_a_token_is_for_its_list_and_its_filters(start: Start) -> None:
    server, client = await start(options=CLONING, max_voices=9)
    await keep(server, 2)
    for text in ("One.", "Two."):
        await client.create_job(text)
    jobs = await client.list_jobs(1).page()
    async with grpc.aio.insecure_channel(server.address) as channel:
        first = await voices(channel)(1, "")
        await is_refused(custom_voices(channel)(1, first.next_page_token), "page_token")
        await is_refused(custom_voices(channel)(1, jobs.next_page_token), "page_token")
        filtered = ListVoicesRequest(model="tts-1", page_token=first.next_page_token)
        await is_refused(TextToSpeechServiceStub(channel).ListVoices(filtered), "page_token")
        assert (await voices(channel)(9, first.next_page_token)).voices, "another size is no filter"


async def test_pages_have_a_default_and_a_largest_size(start: Start) -> None:
    server, client = await start(options=CLONING, max_voices=2000)
    ids = await keep(server, 1001)
    async with grpc.aio.insecure_channel(server.address) as channel:
        page = custom_voices(channel)
        assert len((await page(0, "")).voices) == 100
        assert len((await page(2000, "")).voices) == 1000
        await is_refused(page(-1, ""), "page_size")
    assert [voice.id for voice in await client.list_custom_voices()] == ids


async def is_refused(call: Awaitable[Any], field: str) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as failure:
        await call
    assert failure.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert field in (failure.value.details() or "")


async def test_the_clients_read_all_pages(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pages, "PAGE_BYTES", 1)
    server, client = await start(options=CLONING)
    await keep(server, 2)
    ids = [(await client.create_job(text)).id for text in ("One.", "Two.", "Three.")]
    for _ in range(2):
        assert b"".join([data async for data in client.synthesize("x")])
    assert [job.id async for job in client.list_jobs(1)] == ids[::-1]
    assert [one.name for one in await client.list_pipelines()] == list(DEFAULT_PIPELINES)
    whole: list[Sequence[Any]] = [
        await client.list_models(),
        await client.list_voices(),
        await client.list_custom_voices(),
    ]
    assert [len(each) for each in whole] == [2, 3, 2]
    assert len(await client.list_activities()) == 2
    await asyncio.to_thread(_read_all, server.address, whole, ids)


def _read_all(address: str, whole: list[Any], ids: list[str]) -> None:
    with Client(address) as client:
        assert [client.list_models(), client.list_voices(), client.list_custom_voices()] == whole
        assert len(client.list_activities()) == 2
        assert [job.id for job in client.list_jobs(1)] == ids[::-1]


async def active_and_ended(client: AsyncClient, active: int, ended: int) -> bool:
    """Tells if so many activities are listed."""
    statuses = [one.status for one in await client.list_activities()]
    return (statuses.count(""), statuses.count("OK")) == (active, ended)


async def test_activities_are_neither_lost_nor_told_twice_as_calls_end(start: Start) -> None:
    server, client = await start()
    lives = []
    async with AsyncExitStack() as stack:
        for number in range(4):
            named = client.with_metadata({"x-request-id": str(number)})
            lives.append(await stack.enter_async_context(named.live_speech(encoding=Encoding.PCM_S16LE)))
            await eventually(partial(active_and_ended, client, number + 1, 0))
        channel = await stack.enter_async_context(grpc.aio.insecure_channel(server.address))
        method = ActivityServiceStub(channel).ListActivities
        first = await method(ListActivitiesRequest(page_size=2))
        for live in lives[:2]:
            await live.end()
            assert not [event async for event in live]
        await eventually(partial(active_and_ended, client, 2, 2))
        second = await method(ListActivitiesRequest(page_size=2, page_token=first.next_page_token))
        third = await method(ListActivitiesRequest(page_size=2, page_token=second.next_page_token))
    told = [[one.request_id for one in page.activities] for page in (first, second, third)]
    assert told == [["0", "1"], ["2", "3"], ["1", "0"]]


async def refused(call: Awaitable[Any]) -> ServiceError:
    with pytest.raises(ServiceError) as failure:
        await call
    return failure.value


def too_many(error: ServiceError) -> bool:
    return (error.code, error.reason) == (grpc.StatusCode.FAILED_PRECONDITION, "TOO_MANY_VOICES")


async def test_a_key_has_so_many_voices_and_a_voice_so_many_names(start: Start) -> None:
    _, client = await start(options=CLONING, max_voices=2)
    await client.create_voice("Anna", SAMPLE)
    await client.create_voice("Berta", SAMPLE)
    assert too_many(await refused(client.create_voice("Clara", SAMPLE)))
    await client.delete_custom_voice("Berta")
    await client.create_voice("Clara", SAMPLE)
    names = [f"Anna {number}" for number in range(21)]
    assert too_many(await refused(client.update_voice("Anna", aliases=names)))
    assert len((await client.update_voice("Anna", aliases=names[:20])).aliases) == 20
