"""Owners of custom voices: the key that made them, until an operator shares them."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import grpc
import pytest

from audio_grpc.access import key_file
from audio_grpc.access.limits import KeyLimits
from audio_grpc.access.policies import ORDINARY, Scope
from audio_grpc.client import AsyncClient, ServiceError
from audio_grpc.v1.job_pb2 import SPEECH_JOB_STATE_COMPLETED
from audio_grpc.v1.voice_pb2 import CreateCustomVoiceRequest
from tests.access.test_keys import with_key
from tests.conftest import Start
from tests.test_voices import CLONING, SAMPLE, peak, refused, sample

OTHER = sample(3.0)
CONFIG = {"options": CLONING, "voice_aliases": {}}


@dataclass
class People:
    alice: AsyncClient
    bob: AsyncClient
    operator: AsyncClient


@pytest.fixture
async def people(start: Start, keys: Path) -> People:
    """Callers of one server, the operator with a key for everything."""
    _, client = await start(keys_file=keys, **CONFIG)
    secrets = [key_file.add(keys, name, KeyLimits())[1] for name in ("alice", "bob")]
    secrets.append(key_file.add(keys, "operator", KeyLimits(), tuple(Scope))[1])
    return People(*(with_key(client, secret) for secret in secrets))


def unknown(error: ServiceError) -> bool:
    return (error.code, error.reason) == (grpc.StatusCode.NOT_FOUND, "VOICE_NOT_FOUND")


async def spoken_live(client: AsyncClient, voice: str) -> None:
    async with client.live_speech(voice=voice) as speech:
        await speech.start()


async def conversed(client: AsyncClient, voice: str) -> None:
    async with client.converse(speaking={"voice": voice}) as conversation:
        await conversation.start()


WAYS: list[Callable[[AsyncClient, str], Awaitable[Any]]] = [
    lambda client, voice: client.get_custom_voice(voice),
    lambda client, voice: client.delete_custom_voice(voice),
    lambda client, voice: client.update_voice(voice, name="Mine"),
    lambda client, voice: client.update_voice(voice, aliases=["Mine"]),
    lambda client, voice: client.update_voice(voice, aliases=[]),
    lambda client, voice: client.get_voice_sample(voice),
    lambda client, voice: peak(client, voice=voice),
    lambda client, voice: client.create_job("Hi.", voice=voice),
    spoken_live,
    conversed,
]


@pytest.mark.parametrize("way", WAYS)
async def test_others_find_nothing_whatever_they_do(
    people: People, way: Callable[[AsyncClient, str], Awaitable[Any]]
) -> None:
    voice = await people.alice.create_voice("Anna", SAMPLE)
    await people.alice.update_voice("Anna", aliases=["Annie"])
    nobody = await refused(way(people.bob, "Zoe"))
    for name in (voice.id, "Anna", "Annie"):
        error = await refused(way(people.bob, name))
        assert unknown(error), name
        assert error.message.replace(name, "Zoe") == nobody.message
    assert [one.id for one in await people.alice.list_custom_voices()] == [voice.id]


async def test_only_the_owner_and_the_operator_list_it(people: People) -> None:
    voice = await people.alice.create_voice("Anna", SAMPLE)
    key = await people.alice.get_key()
    assert key is not None
    assert voice.key_id == key.id
    for client, seen in ((people.alice, [voice.id]), (people.bob, []), (people.operator, [voice.id])):
        assert [one.id for one in await client.list_custom_voices()] == seen
    for client, speaks in ((people.alice, [voice.id]), (people.bob, []), (people.operator, [])):
        assert [one.name for one in await client.list_voices() if one.custom] == speaks


async def test_without_a_key_no_custom_voice_is_listed_shared_or_not(start: Start, keys: Path) -> None:
    _, stranger = await start(keys_file=keys, **CONFIG)
    alice, operator = (
        with_key(stranger, key_file.add(keys, name, KeyLimits(), scopes)[1])
        for name, scopes in (("alice", ORDINARY), ("operator", tuple(Scope)))
    )
    await alice.create_voice("Anna", SAMPLE)
    shared = await operator.create_voice("Zoe", OTHER)
    await operator.share_voice("Zoe")
    assert [one.name for one in await stranger.list_voices()] == ["tone"]
    assert shared.id in [one.name for one in await alice.list_voices()]
    assert (await refused(stranger.list_custom_voices())).reason == "API_KEY_MISSING"


async def test_a_name_of_another_is_free(people: People) -> None:
    mine = await people.alice.create_voice("Anna", SAMPLE)
    theirs = await people.bob.create_voice("Anna", OTHER)
    assert (await people.alice.get_custom_voice("Anna")).id == mine.id
    assert (await people.bob.get_custom_voice("Anna")).id == theirs.id
    assert await people.bob.get_voice_sample("Anna") == OTHER
    assert (await refused(people.bob.create_voice("Anna", SAMPLE))).reason == "VOICE_EXISTS"
    assert "several keys" in (await refused(people.operator.get_custom_voice("Anna"))).message
    await people.bob.delete_custom_voice("Anna")
    assert (await people.alice.get_custom_voice("Anna")).id == mine.id
    assert (await people.operator.get_custom_voice("Anna")).id == mine.id


async def test_a_shared_voice_is_everybodys_to_use_and_the_operators_to_change(people: People) -> None:
    voice = await people.alice.create_voice("Anna", SAMPLE)
    await people.alice.update_voice("Anna", aliases=["Annie"])
    assert (await refused(people.alice.share_voice("Anna"))).reason == "SCOPE_MISSING"
    shared = await people.operator.share_voice(voice.id)
    assert (shared.id, shared.key_id, list(shared.aliases)) == (voice.id, "", ["Annie"])
    for client in (people.alice, people.bob):
        assert (await client.get_custom_voice("Annie")).id == voice.id
        assert await peak(client, voice="Anna")
        assert await client.get_voice_sample(voice.id) == SAMPLE
        assert [one.name for one in await client.list_voices() if one.custom] == [voice.id]
        for change in (
            client.delete_custom_voice("Anna"),
            client.delete_custom_voice(voice.id),
            client.update_voice("Anna", name="Berta"),
            client.update_voice("Anna", aliases=["Berta"]),
            client.update_voice("Anna", aliases=[]),
        ):
            assert (await refused(change)).reason == "SCOPE_MISSING"
        assert (await refused(client.create_voice("Anna", SAMPLE))).reason == "VOICE_EXISTS"
    await people.operator.update_voice("Anna", name="Berta")
    await people.operator.delete_custom_voice("Berta")
    assert await people.alice.list_custom_voices() == []


async def test_of_two_voices_of_one_name_one_is_shared_and_the_own_comes_first(people: People) -> None:
    mine = await people.alice.create_voice("Anna", SAMPLE)
    theirs = await people.bob.create_voice("Anna", OTHER)
    await people.operator.share_voice(theirs.id)
    assert (await refused(people.operator.share_voice(mine.id))).reason == "VOICE_EXISTS"
    assert (await people.alice.get_custom_voice("Anna")).id == mine.id
    assert (await people.operator.get_custom_voice("Anna")).id == theirs.id


async def test_the_default_voice_is_for_those_who_may_use_it(people: People) -> None:
    loud = await people.operator.create_voice("Loud", sample(2.0, peak=0.9))
    await people.operator.set_default_voice("Loud")
    assert await people.bob.get_default_voice() is None
    quiet = await peak(people.bob)
    assert await peak(people.operator) != quiet
    await people.operator.share_voice("Loud")
    chosen = await people.bob.get_default_voice()
    assert chosen is not None
    assert chosen.id == loud.id
    assert await peak(people.bob) != quiet
    assert (await refused(people.bob.set_default_voice(""))).reason == "SCOPE_MISSING"


async def test_voices_of_before_are_shared(start: Start, keys: Path, tmp_path: Path) -> None:
    _, client = await start(**CONFIG)
    voice = await client.create_voice("Anna", SAMPLE)
    forget_owners(tmp_path)
    _, secret = key_file.add(keys, "alice", KeyLimits())
    _, client = await start(keys_file=keys, **CONFIG)
    alice = with_key(client, secret)
    assert (await alice.get_custom_voice("Anna")).id == voice.id
    assert await peak(alice, voice="Anna")
    assert (await refused(alice.delete_custom_voice("Anna"))).reason == "SCOPE_MISSING"


async def test_where_no_keys_are_asked_for_all_voices_are_everybodys(people: People, start: Start) -> None:
    voice = await people.alice.create_voice("Anna", SAMPLE)
    _, client = await start(**CONFIG)
    assert [one.id for one in await client.list_custom_voices()] == [voice.id]
    assert await peak(client, voice="Anna")
    await client.delete_custom_voice("Anna")
    assert await people.alice.list_custom_voices() == []


async def test_a_job_speaks_with_the_voice_of_its_key(people: People) -> None:
    voice = await people.alice.create_voice("Anna", SAMPLE)
    job = await people.alice.create_job("Hi.", voice="Anna")
    assert job.speech.voice == voice.id
    states = [seen.state async for seen in people.alice.watch_job(job.id)]
    assert states[-1] == SPEECH_JOB_STATE_COMPLETED


async def repeated(client: AsyncClient, request_id: str, **changes: Any) -> str:
    """The id of the voice that a request makes, sent as a client does that got no answer."""
    fields = {"name": "Anna", "sample": SAMPLE, **changes}
    request = CreateCustomVoiceRequest(request_id=request_id, **fields)
    return (await client._unary(client._voices.CreateCustomVoice, request)).voice.id


async def test_a_request_that_comes_again_makes_one_voice(people: People) -> None:
    request_id = str(uuid4())
    made = await asyncio.gather(*(repeated(people.alice, request_id) for _ in range(4)))
    assert len(set(made)) == 1
    await people.alice.update_voice("Anna", name="Berta")
    assert await repeated(people.alice, request_id) == made[0]
    for changes in ({"name": "Zoe"}, {"sample": OTHER}, {"transcript": "What she says."}):
        error = await refused(repeated(people.alice, request_id, **changes))
        assert (error.code, error.reason) == (grpc.StatusCode.ALREADY_EXISTS, "REQUEST_ID_REUSED")
    assert await repeated(people.bob, request_id) not in made
    assert [one.name for one in await people.alice.list_custom_voices()] == ["Berta"]
    assert (await refused(repeated(people.alice, "x"))).field == "request_id"


def forget_owners(folder: Path) -> None:
    """Make of the voices what they were before they had owners."""
    descriptions = list(folder.glob("voices/*/voice.json"))
    assert descriptions
    for description in descriptions:
        content = json.loads(description.read_text())
        del content["owner"]
        description.write_text(json.dumps(content))
