"""Answers that list things fit into what gRPC's clients take by default, however many there are."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import grpc
import pytest

from audio_grpc.client import AsyncClient, ServiceError
from audio_grpc.server import Server
from audio_grpc.services import pages
from audio_grpc.storage.voices import new_id
from audio_grpc.types import CustomVoice
from audio_grpc.v1.text_to_speech_pb2 import ListVoicesRequest
from audio_grpc.v1.text_to_speech_pb2_grpc import TextToSpeechServiceStub
from audio_grpc.v1.voice_pb2 import ListCustomVoicesRequest
from audio_grpc.v1.voice_pb2_grpc import VoiceServiceStub
from tests.conftest import Start
from tests.contract import OURS
from tests.test_voices import CLONING, SAMPLE

IN_PAGES = {"ListVoices", "ListCustomVoices", "ListSpeechJobs", "ListPastRequests"}
OF_THE_CONFIGURATION = {"ListModels", "ListPipelines"}
"""Lists of the operator's configuration, which callers cannot make longer."""
AT_MOST_SO_MANY = {"ListActivities"}
"""The last 100 calls of a key, and those in progress, for which models have places."""

Page = Callable[[int, str], Awaitable[Any]]


def test_every_list_has_a_bound() -> None:
    lists = {str(rpc) for rpc in OURS if str(rpc).startswith("List")}
    assert lists == IN_PAGES | OF_THE_CONFIGURATION | AT_MOST_SO_MANY
    fields = {str(rpc): rpc.response.DESCRIPTOR.fields_by_name for rpc in OURS}
    assert {name for name in lists if "next_page_token" in fields[name]} == IN_PAGES


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
        found = await listed(custom_voices(channel))
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


@pytest.mark.parametrize("token", ["x", "é", "AAAA", "OTk=", "eCB5", "LTEgeA=="])
async def test_other_tokens_are_refused(start: Start, token: str) -> None:
    server, _ = await start()
    async with grpc.aio.insecure_channel(server.address) as channel:
        with pytest.raises(grpc.aio.AioRpcError) as failure:
            await custom_voices(channel)(0, token)
    assert failure.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert "page_token" in (failure.value.details() or "")


@pytest.mark.parametrize("size", [-1, 1001])
async def test_other_sizes_of_pages_are_refused(start: Start, size: int) -> None:
    server, _ = await start()
    async with grpc.aio.insecure_channel(server.address) as channel:
        with pytest.raises(grpc.aio.AioRpcError) as failure:
            await voices(channel)(size, "")
    assert failure.value.code() is grpc.StatusCode.INVALID_ARGUMENT


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
    await named(client, 20)
    assert too_many(await refused(client.add_voice_alias("Anna", "One more")))


async def named(client: AsyncClient, count: int) -> None:
    for number in range(count):
        await client.add_voice_alias("Anna", f"Anna {number}")
