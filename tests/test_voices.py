"""Custom voices over the wire: made from samples, found again, spoken with, and forgotten."""

import asyncio
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from audio_grpc.audio import encode
from audio_grpc.backends.base import ModelSpec
from audio_grpc.backends.tone import ToneSpeaker
from audio_grpc.client import AsyncClient, Client, Encoding, ServiceError
from audio_grpc.types import Audio, Speech, SynthesisOptions
from tests.audio.files import made, wav
from tests.conftest import Start

CLONING = {"cloning": True}
RATE = 16_000


def sample(seconds: float = 2.0, peak: float = 0.25) -> bytes:
    """A WAV file whose largest sample is ``peak``."""
    sound = peak * np.sin(2 * np.pi * 400 * np.arange(round(seconds * RATE)) / RATE)
    return wav((32767 * sound)[:, np.newaxis], RATE)


SAMPLE = sample()


def files(folder: Path) -> list[Path]:
    """Every file below the folder, wherever it is."""
    return sorted(path.relative_to(folder) for path in folder.rglob("*") if path.is_file())


async def refused(call: Any) -> ServiceError:
    with pytest.raises(ServiceError) as failure:
        await call
    return failure.value


async def peak(client: AsyncClient, text: str = "A few words.", **options: Any) -> float:
    """Returns the peak of the model's speech, 0 to 1."""
    stream = client.synthesize(text, encoding=Encoding.PCM_S16LE, **options)
    audio = b"".join([data async for data in stream])
    return float(np.max(np.abs(np.frombuffer(audio, "<i2")))) / 32768


@pytest.fixture
async def client(start: Start) -> AsyncClient:
    """A client of a server whose speaker can clone."""
    return (await start(options=CLONING, voice_aliases={"alloy": "tone"}, max_voice_sample_bytes=100_000))[1]


async def test_a_voice_is_made_listed_spoken_with_and_forgotten(client: AsyncClient) -> None:
    before = datetime.now(UTC)
    voice = await client.create_voice(
        " Anna ", SAMPLE, transcript="What Anna says.", language_code="de-AT", consent="Contract 7"
    )
    assert (voice.name, voice.transcript, voice.language_code) == ("Anna", "What Anna says.", "de-AT")
    assert (voice.consent, voice.sample_duration.ToMilliseconds()) == ("Contract 7", 2000)
    assert before <= voice.create_time.ToDatetime(UTC) <= datetime.now(UTC)
    assert await client.list_custom_voices() == [voice]
    assert await client.get_custom_voice(voice.id) == await client.get_custom_voice("Anna") == voice
    own, custom = await client.list_voices()
    assert (own.name, own.custom) == ("tone", False)
    assert (custom.name, list(custom.aliases), custom.custom) == (voice.id, ["Anna"], True)
    assert (custom.model, list(custom.language_codes)) == ("speaker", ["und"])
    async with client.synthesize("Hi.", voice="Anna") as speech:
        started = await speech.start()
    assert (started.voice, list(started.ignored_fields)) == (voice.id, [])
    await client.delete_custom_voice("Anna")
    assert await client.list_custom_voices() == []
    assert [voice.name for voice in await client.list_voices()] == ["tone"]
    for gone in (
        client.get_custom_voice(voice.id),
        client.delete_custom_voice("Anna"),
        peak(client, voice=voice.id),
    ):
        error = await refused(gone)
        assert (error.code, error.reason) == (grpc.StatusCode.NOT_FOUND, "VOICE_NOT_FOUND")


async def test_speech_borrows_from_the_sample(client: AsyncClient) -> None:
    quiet = await client.create_voice("quiet", sample(peak=0.25))
    loud = await client.create_voice("loud", sample(peak=0.75))
    assert await peak(client) == pytest.approx(0.5, abs=0.02)
    assert await peak(client, voice=quiet.id) == pytest.approx(0.25, abs=0.02)
    assert await peak(client, voice=loud.name) == pytest.approx(0.75, abs=0.02)
    speech = b"".join([data async for data in client.synthesize("Every word.", voice="quiet")])
    assert "".join([segment.text async for segment in client.transcribe(speech)]) == "Every word."


async def test_the_model_gets_the_sample_at_its_rate_and_what_it_says(
    client: AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    given: list[SynthesisOptions] = []
    synthesize = ToneSpeaker.synthesize

    def overheard(self: ToneSpeaker, text: str, options: SynthesisOptions) -> Iterator[Speech]:
        given.append(options)
        return synthesize(self, text, options)

    monkeypatch.setattr(ToneSpeaker, "synthesize", overheard)
    voice = await client.create_voice(
        "Anna", made(Encoding.OPUS), transcript="Grüß Gott.", language_code="de"
    )
    await peak(client, "Hi.", voice="Anna")
    await peak(client, "Hi.")
    with_it, without = given
    assert with_it.sample is not None
    assert with_it.voice == with_it.sample.voice_id == voice.id
    assert (with_it.sample.transcript, with_it.sample.language_code) == ("Grüß Gott.", "de")
    assert (with_it.sample.audio.sample_rate_hertz, with_it.sample.audio.seconds) == (16_000, 2.0)
    assert (without.voice, without.sample) == ("tone", None)


@pytest.mark.parametrize("encoding", [Encoding.MP3, Encoding.OPUS, Encoding.FLAC])
async def test_a_sample_can_be_any_sound_file(client: AsyncClient, encoding: Encoding) -> None:
    voice = await client.create_voice("Anna", made(encoding))
    assert voice.sample_duration.ToSeconds() == 2
    assert await peak(client, voice="Anna") == pytest.approx(0.4, abs=0.05)


@pytest.mark.parametrize("seconds", [1.0, 60.0])
async def test_the_shortest_and_the_longest_sample_are_taken(start: Start, seconds: float) -> None:
    _, client = await start(options=CLONING)
    assert (await client.create_voice("Anna", sample(seconds))).sample_duration.ToSeconds() == seconds


async def test_the_largest_sample_fits_however_small_recordings_must_be(start: Start) -> None:
    _, client = await start(options=CLONING, max_audio_bytes=1000)
    padded = wav(np.ones((24_000, 1))) + bytes((10 << 20) - 48_044)
    await client.create_voice("Anna", padded)
    error = await refused(client.create_voice("Berta", padded + b"\0"))
    assert (error.reason, error.field) == ("MESSAGE_TOO_LARGE", "sample")


@pytest.mark.parametrize(
    ("fields", "reason", "field", "advice"),
    [
        ({"name": ""}, "INVALID_FIELD", "name", "1 to 64 characters"),
        ({"name": " \t\n"}, "INVALID_FIELD", "name", "no character that can be seen"),
        ({"name": "\u200b\u202e"}, "INVALID_FIELD", "name", "no character that can be seen"),
        ({"name": "x" * 65}, "INVALID_FIELD", "name", "65 characters; send 1 to 64"),
        ({"name": "a\x00b"}, "INVALID_FIELD", "name", "control character"),
        ({"name": "a\x9bb"}, "INVALID_FIELD", "name", "control character"),
        ({"name": "\u202eannA"}, "INVALID_FIELD", "name", r"control character ('\u202e')"),
        ({"name": "An\u2066na"}, "INVALID_FIELD", "name", "control character"),
        ({"name": "An\u200fna"}, "INVALID_FIELD", "name", "control character"),
        ({"name": "voice_0123456789abcdef"}, "INVALID_FIELD", "name", "ids of voices"),
        ({"name": "tone"}, "VOICE_EXISTS", "name", "of its own; choose another name"),
        ({"name": " alloy "}, "VOICE_EXISTS", "name", "of its own; choose another name"),
        ({"name": "taken"}, "VOICE_EXISTS", "name", "choose another name, or delete it"),
        ({"transcript": "x" * 4097}, "INVALID_FIELD", "transcript", "at most 4096"),
        ({"consent": "x" * 257}, "INVALID_FIELD", "consent", "at most 256"),
        ({"language_code": "Austrian German"}, "INVALID_FIELD", "language_code", "such as en"),
        ({"sample": b""}, "AUDIO_EMPTY", "sample", "send"),
        ({"sample": wav(np.zeros((48_000, 1)))}, "AUDIO_EMPTY", "sample", "in which a speaker is heard"),
        ({"sample": b"GIF89a" * 99}, "AUDIO_UNDECODABLE", "sample", "send"),
        ({"sample": SAMPLE[:-9]}, "AUDIO_TRUNCATED", "sample", "send all of it"),
        ({"sample": sample(0.9)}, "SAMPLE_LENGTH", "sample", "lasts 0.90 seconds; send 1 to 60"),
        ({"sample": bytes(100_001)}, "MESSAGE_TOO_LARGE", "sample", "raise max_voice_sample_bytes"),
    ],
)
async def test_what_cannot_be_a_voice_is_refused(
    client: AsyncClient, fields: dict[str, Any], reason: str, field: str, advice: str
) -> None:
    await client.create_voice("taken", SAMPLE)
    error = await refused(client.create_voice(**{"name": "Anna", "sample": SAMPLE} | fields))
    exists = reason == "VOICE_EXISTS"
    code = grpc.StatusCode.ALREADY_EXISTS if exists else grpc.StatusCode.INVALID_ARGUMENT
    assert (error.code, error.reason, error.field) == (code, reason, field)
    assert advice in error.message
    assert [voice.name for voice in await client.list_custom_voices()] == ["taken"]


async def test_a_sample_of_more_than_a_minute_is_refused(start: Start) -> None:
    _, client = await start(options=CLONING)
    for seconds in (60.5, 3600.0):
        silence = [Audio(np.zeros(round(seconds * 8000), np.float32), 8000)]
        error = await refused(client.create_voice("Anna", b"".join(encode(silence, Encoding.FLAC, 8000))))
        assert (error.reason, error.field) == ("SAMPLE_LENGTH", "sample")
        assert "more than 60 seconds" in error.message


async def test_without_a_model_that_clones_no_voice_is_made(start: Start) -> None:
    _, client = await start()
    error = await refused(client.create_voice("Anna", SAMPLE))
    assert (error.code, error.reason) == (grpc.StatusCode.FAILED_PRECONDITION, "CLONING_UNAVAILABLE")
    assert "configure a synthesiser that can" in error.message
    assert await client.list_custom_voices() == []


async def test_a_model_that_cannot_clone_refuses_and_does_not_list_the_voice(start: Start) -> None:
    models = {"plain": ModelSpec("tone", voice_aliases={}), "cloner": ModelSpec("tone", options=CLONING)}
    _, client = await start(synthesizers=models)
    voice = await client.create_voice("Anna", SAMPLE)
    error = await refused(peak(client, model="plain", voice="Anna"))
    assert (error.code, error.reason) == (grpc.StatusCode.INVALID_ARGUMENT, "OPTION_UNSUPPORTED")
    assert error.field == "voice"
    assert "choose one of its own (tone), or a model for which ListVoices lists 'Anna'" in error.message
    listed = [(one.model, one.name) for one in await client.list_voices()]
    assert listed == [("plain", "tone"), ("cloner", "tone"), ("cloner", voice.id)]
    assert [one.name for one in await client.list_voices("plain")] == ["tone"]
    assert await peak(client, model="cloner", voice="Anna") == pytest.approx(0.25, abs=0.02)


async def test_a_models_own_voice_comes_before_a_custom_one_of_its_name(start: Start) -> None:
    """The operator gave the alias when there was such a voice already."""
    _, earlier = await start(options=CLONING, voice_aliases={})
    voice = await earlier.create_voice("alloy", SAMPLE)
    _, client = await start(options=CLONING, voice_aliases={"alloy": "tone"})
    assert await peak(client, voice="alloy") == pytest.approx(0.5, abs=0.02)
    assert await peak(client, voice=voice.id) == pytest.approx(0.25, abs=0.02)


async def test_an_alias_can_stand_for_a_custom_voice(start: Start) -> None:
    _, client = await start(options=CLONING, voice_aliases={"nova": "Anna"})
    voice = await client.create_voice("Anna", SAMPLE)
    assert await peak(client, voice="nova") == pytest.approx(0.25, abs=0.02)
    listed = {one.name: list(one.aliases) for one in await client.list_voices()}
    assert listed[voice.id] == ["Anna", "nova"]


async def test_a_call_goes_on_with_a_voice_that_is_deleted(start: Start) -> None:
    _, client = await start(options={"delay_seconds": 0.01, **CLONING}, read_ahead=1)
    voice = await client.create_voice("Anna", SAMPLE)
    speech = client.synthesize("x" * 40, voice=voice.id, encoding=Encoding.PCM_S16LE)
    audio = await anext(speech)
    await client.delete_custom_voice(voice.id)
    audio += b"".join([data async for data in speech])
    assert len(audio) == 40 * 4800
    assert np.max(np.abs(np.frombuffer(audio[-4800:], "<i2"))) / 32768 == pytest.approx(0.25, abs=0.02)


async def test_voices_outlive_their_server(start: Start) -> None:
    server, earlier = await start(options=CLONING)
    kept = [await earlier.create_voice(name, SAMPLE) for name in ("Zoe", "Anna", "Mia")]
    await earlier.close()
    await server.stop(0)
    _, later = await start(options=CLONING)
    assert await later.list_custom_voices() == kept, "oldest first"
    assert await peak(later, voice="Mia") == pytest.approx(0.25, abs=0.02)


async def test_servers_that_share_a_folder_share_their_voices(start: Start) -> None:
    (_, one), (_, other) = await start(options=CLONING), await start(options=CLONING)
    voice = await one.create_voice("Anna", SAMPLE)
    assert await other.list_custom_voices() == [voice]
    assert await peak(other, voice=voice.id) == pytest.approx(0.25, abs=0.02)
    assert (await refused(other.create_voice("Anna", SAMPLE))).reason == "VOICE_EXISTS"
    await other.delete_custom_voice("Anna")
    assert (await refused(peak(one, voice=voice.id))).reason == "VOICE_NOT_FOUND"
    assert (await one.create_voice("Anna", SAMPLE)).id != voice.id


async def test_of_many_who_want_one_name_at_once_one_gets_it(start: Start, tmp_path: Path) -> None:
    servers = [await start(options=CLONING) for _ in range(2)]
    samples = [sample(1 + number / 10) for number in range(12)]
    outcomes = await asyncio.gather(
        *(servers[number % 2][1].create_voice("Anna", data) for number, data in enumerate(samples)),
        return_exceptions=True,
    )
    made = [outcome for outcome in outcomes if not isinstance(outcome, BaseException)]
    refusals = [outcome for outcome in outcomes if isinstance(outcome, ServiceError)]
    assert (len(made), {refusal.reason for refusal in refusals}) == (1, {"VOICE_EXISTS"})
    assert await servers[0][1].list_custom_voices() == made
    assert len(files(tmp_path)) == 2, "the description and the sample of the winner"
    winner = next(file for file in files(tmp_path) if file.suffix == ".sample")
    assert (tmp_path / winner).read_bytes() == samples[outcomes.index(made[0])]


async def test_of_many_who_delete_a_voice_at_once_one_did(client: AsyncClient) -> None:
    for _ in range(20):
        await client.create_voice("Anna", SAMPLE)
        outcomes = await asyncio.gather(
            *(client.delete_custom_voice("Anna") for _ in range(12)), return_exceptions=True
        )
        refusals = [outcome for outcome in outcomes if isinstance(outcome, ServiceError)]
        assert (outcomes.count(None), {refusal.reason for refusal in refusals}) == (1, {"VOICE_NOT_FOUND"})
    assert await client.list_custom_voices() == []


NAMES = st.text(st.characters(exclude_categories=["Cc", "Cf", "Cs"]), min_size=1, max_size=64).map(str.strip)
ODD = st.sampled_from(["../../etc/passwd", "..", "/etc/passwd", "a/b", "C:\\x", "%2e%2e", "voice.json", "~"])


@given(name=NAMES.filter(bool) | ODD)
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
async def test_any_name_is_kept_as_it_is_and_is_no_path(
    client: AsyncClient, tmp_path: Path, name: str
) -> None:
    voice = await client.create_voice(name, SAMPLE)
    assert voice.name == name
    assert await client.get_custom_voice(name) == voice
    assert [path.parts[0] for path in files(tmp_path)] == ["voices"] * 2
    await client.delete_custom_voice(name)
    assert files(tmp_path) == []


@pytest.mark.parametrize("name", ["", "..", "../voices", "*", "x" * 100_000, "voice_0000000000000000"])
async def test_what_names_no_voice_is_not_found(client: AsyncClient, name: str) -> None:
    await client.create_voice("Anna", SAMPLE)
    for call in (client.get_custom_voice(name), client.delete_custom_voice(name)):
        error = await refused(call)
        assert (error.reason, error.field) == ("VOICE_NOT_FOUND", "id")
    assert len(await client.list_custom_voices()) == 1


async def test_the_client_for_threads_does_the_same(start: Start) -> None:
    server, _ = await start(options=CLONING)

    def in_a_thread() -> None:
        with Client(server.address) as client:
            voice = client.create_voice("Anna", SAMPLE, transcript="Hm.", consent="Yes.", language_code="en")
            assert client.list_custom_voices() == [voice] == [client.get_custom_voice("Anna")]
            client.delete_custom_voice(voice.id)
            with pytest.raises(ServiceError, match="no custom voice 'Anna'"):
                client.get_custom_voice("Anna")

    await asyncio.to_thread(in_a_thread)


async def test_health_knows_the_service(client: AsyncClient) -> None:
    assert await client.is_serving("audio_grpc.v1.VoiceService")
