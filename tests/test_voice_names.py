"""Further names of custom voices, the default one, and what two servers on one folder make of them."""

import asyncio
import json

import grpc
import pytest
from google.protobuf.field_mask_pb2 import FieldMask

from audio_grpc.client import AsyncClient, Client, Encoding, ServiceError
from audio_grpc.v1.text_to_speech_pb2 import SpeakerSample
from audio_grpc.v1.voice_pb2 import CustomVoice, UpdateCustomVoiceRequest
from tests.conftest import DATA, Start
from tests.eventually import eventually

SAMPLE = (DATA / "sense_and_sensibility_0870.flac").read_bytes()
CLONING = {"options": {"cloning": True}}


async def speak(client: AsyncClient, voice: str = "", sample: SpeakerSample | None = None) -> str:
    """The voice that spoke."""
    speech = client.synthesize("x", voice=voice, sample=sample, encoding=Encoding.PCM_S16LE)
    async with speech:
        return (await speech.start()).voice


async def test_a_voice_keeps_its_id_under_another_name(start: Start) -> None:
    _, client = await start(**CLONING)
    voice = await client.create_voice("Anna", SAMPLE, transcript="What she says.", consent="form 7")
    await client.update_voice("Anna", aliases=["narrator"])
    renamed = await client.update_voice("Anna", name="Anne")
    assert (renamed.id, renamed.name, list(renamed.aliases)) == (voice.id, "Anne", ["narrator"])
    assert (renamed.transcript, renamed.consent) == ("What she says.", "form 7")
    assert renamed.create_time == voice.create_time
    assert await client.list_custom_voices() == [renamed]
    assert await client.get_voice_sample("narrator") == SAMPLE
    for name in ("Anne", "narrator", voice.id):
        assert await speak(client, name) == voice.id
    with pytest.raises(ServiceError) as unknown:
        await speak(client, "Anna")
    assert unknown.value.reason == "VOICE_NOT_FOUND"
    assert await client.update_voice("Anne", name="Anne") == renamed
    (_, listed) = await client.list_voices()
    assert set(listed.aliases) >= {"Anne", "narrator"}


async def update(client: AsyncClient, voice: CustomVoice, *paths: str) -> CustomVoice:
    """Sends the voice with a mask of these paths."""
    request = UpdateCustomVoiceRequest(voice=voice, update_mask=FieldMask(paths=paths))
    return (await client._unary(client._voices.UpdateCustomVoice, request)).voice


async def test_an_update_is_of_what_the_mask_names(start: Start) -> None:
    _, client = await start(**CLONING)
    made = await client.create_voice("Anna", SAMPLE, transcript="What she says.")
    wanted = CustomVoice(id=made.id, name="Anne", aliases=["A", "B"], transcript="Another text.")
    assert (await update(client, wanted, "aliases")).name == "Anna"
    voice = await update(client, wanted, "name", "aliases")
    assert (voice.name, list(voice.aliases)) == ("Anne", ["A", "B"])
    assert (await update(client, CustomVoice(id="Anne", aliases=["C"]))).name == "Anne", "it was not set"
    voice = await update(client, CustomVoice(id="C", name="Zoe"), "*")
    assert (voice.name, list(voice.aliases), voice.transcript) == ("Zoe", [], "What she says.")
    assert await update(client, CustomVoice(id="Zoe")) == voice
    for bare, path, field in (
        (CustomVoice(id="Zoe", transcript="x"), "transcript", "update_mask"),
        (CustomVoice(id="Zoe", key_id="x"), "voice.name", "update_mask"),
        (CustomVoice(id="Zoe"), "*", "voice.name"),
        (CustomVoice(id="Zoe", aliases=["\x07"]), "aliases", "voice.aliases"),
    ):
        with pytest.raises(ServiceError) as refused:
            await update(client, bare, path)
        assert (refused.value.code, refused.value.field) == (grpc.StatusCode.INVALID_ARGUMENT, field)
    with pytest.raises(ServiceError) as unknown:
        await update(client, CustomVoice(id="nobody", name="x"))
    assert (unknown.value.reason, unknown.value.field) == ("VOICE_NOT_FOUND", "voice.id")
    assert await client.list_custom_voices() == [voice]


async def test_an_update_is_made_whole_or_not_at_all(start: Start) -> None:
    _, client = await start(**CLONING)
    await client.create_voice("Anna", SAMPLE)
    voice = await client.update_voice("Anna", aliases=["A"])
    await client.create_voice("Zoe", SAMPLE)
    for name, aliases, field in (
        ("Anne", ["B", "Zoe"], "voice.aliases"),
        ("Zoe", ["B"], "voice.name"),
        ("A", [], "voice.name"),
        ("Anne", ["B", "B"], "voice.aliases"),
        ("Anne", ["B", "tone"], "voice.aliases"),
    ):
        with pytest.raises(ServiceError) as taken:
            await client.update_voice("Anna", name=name, aliases=aliases)
        assert (taken.value.reason, taken.value.field) == ("VOICE_EXISTS", field)
        assert await client.get_custom_voice("Anna") == voice
    await client.create_voice("B", SAMPLE)  # which is free


async def test_of_two_servers_that_want_a_name_one_gets_it(start: Start) -> None:
    _, one = await start(**CLONING)
    _, other = await start(**CLONING)
    for name in ("a", "b"):
        await one.create_voice(name, SAMPLE)
    wanted = [
        one.update_voice("a", aliases=["n"]),
        other.update_voice("b", aliases=["n"]),
        other.update_voice("b", name="n"),
    ]
    results = await asyncio.gather(*wanted, return_exceptions=True)
    refused = [result for result in results if isinstance(result, ServiceError)]
    assert [error.reason for error in refused] == ["VOICE_EXISTS"] * 2
    assert {error.code for error in refused} == {grpc.StatusCode.ALREADY_EXISTS}
    assert (await one.get_custom_voice("n")).name in ("a", "b", "n")


async def test_an_alias_is_no_name_to_delete_a_voice_by(start: Start) -> None:
    _, client = await start(**CLONING)
    await client.create_voice("Anna", SAMPLE)
    await client.update_voice("Anna", aliases=["A"])
    with pytest.raises(ServiceError, match="no custom voice 'A'"):
        await client.delete_custom_voice("A")
    await client.delete_custom_voice("Anna")
    with pytest.raises(ServiceError):
        await client.get_custom_voice("A")
    await client.create_voice("A", SAMPLE)  # it is free again


async def test_the_default_is_for_models_that_can(start: Start) -> None:
    _, client = await start(**CLONING)
    _, without = await start()
    voice = await client.create_voice("Anna", SAMPLE)
    assert await client.get_default_voice() is None
    assert await speak(client) == "tone"
    await client.set_default_voice("Anna")
    assert await client.get_default_voice() == voice
    assert (await speak(client), await speak(without), await speak(client, "tone")) == (
        *(voice.id, "tone"),
        "tone",
    )
    with pytest.raises(ServiceError):
        await client.set_default_voice("nobody")
    assert await client.get_default_voice() == voice
    await client.set_default_voice("")
    assert await speak(client) == "tone"


async def test_a_sample_in_the_request_is_borrowed_for_it_only(start: Start) -> None:
    server, client = await start(**CLONING)
    voice = await speak(client, "nobody", SpeakerSample(audio=SAMPLE))
    assert voice.startswith("sample_")
    assert await speak(client, sample=SpeakerSample(audio=SAMPLE)) == voice
    assert await client.list_custom_voices() == []
    with pytest.raises(ServiceError) as unknown:
        await speak(client, voice)
    assert unknown.value.reason == "VOICE_NOT_FOUND"
    await eventually(lambda: not server.uploads.held)  # what was cancelled may end a moment later


@pytest.mark.parametrize(
    ("sample", "reason", "field"),
    [
        (SpeakerSample(), "AUDIO_EMPTY", "sample.audio"),
        (SpeakerSample(audio=b"no sound"), "AUDIO_UNDECODABLE", "sample.audio"),
        (SpeakerSample(audio=SAMPLE, transcript="x" * 4097), "INVALID_FIELD", "sample.transcript"),
        (SpeakerSample(audio=bytes(1001)), "MESSAGE_TOO_LARGE", "sample.audio"),
    ],
)
async def test_samples_that_cannot_be(start: Start, sample: SpeakerSample, reason: str, field: str) -> None:
    largest = 1000 if reason == "MESSAGE_TOO_LARGE" else 10 << 20
    _, client = await start(max_voice_sample_bytes=largest, **CLONING)
    with pytest.raises(ServiceError) as refused:
        await speak(client, sample=sample)
    assert (refused.value.reason, refused.value.field) == (reason, field)


async def test_a_clean_up_leaves_what_it_does_not_know(start: Start) -> None:
    server, client = await start(**CLONING)
    voice = await client.create_voice("Anna", SAMPLE)
    folder = server.settings.voices_path
    assert folder is not None
    dangling = folder / ("0" * 64)
    dangling.mkdir()
    (dangling / "alias.json").write_text(json.dumps(["nobody", "voice_0123456789abcdef"]))
    (folder / "lost+found").mkdir()
    assert await client.clean_up_voices() == ["nobody"]
    assert await client.list_custom_voices() == [voice]
    assert (folder / "lost+found").exists()


async def test_the_synchronous_client(start: Start) -> None:
    server, _ = await start(**CLONING)
    await asyncio.to_thread(_use, server.address)


def _use(address: str) -> None:
    with Client(address) as client:
        voice = client.create_voice("Anna", SAMPLE)
        assert list(client.update_voice("Anna", aliases=["A"]).aliases) == ["A"]
        assert list(client.update_voice("Anna", aliases=[]).aliases) == []
        assert client.update_voice("Anna", name="Anne").id == voice.id
        assert client.get_voice_sample("Anne") == SAMPLE
        client.set_default_voice("Anne")
        default = client.get_default_voice()
        assert default is not None
        assert default.name == "Anne"
        assert client.clean_up_voices() == []
