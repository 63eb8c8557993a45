"""Names that OpenAI's clients ask for find a model and a voice in every configuration."""

from pathlib import Path

import pytest

from audio_grpc import config
from audio_grpc.backends.base import OPENAI_VOICES, PERSONAS, ModelSpec
from audio_grpc.client import AsyncClient, ServiceError
from tests.conftest import Start

SPEAKER_NAMES = ("tts-1", "tts-1-hd", "gpt-4o-mini-tts")
LISTENER_NAMES = ("whisper-1", "gpt-4o-transcribe", "gpt-4o-mini-transcribe")


async def speaker_of(client: AsyncClient, **asked: str) -> tuple[str, str]:
    """The model and the voice that answer."""
    async with client.synthesize("a", **asked) as speech:  # type: ignore[arg-type]
        started = await speech.start()
    return started.model, started.voice


def test_the_default_models_have_them() -> None:
    settings = config.load(Path("/dev/null"))
    assert settings.synthesizers["hibari"].aliases == SPEAKER_NAMES
    assert settings.transcribers["whisper-base"].aliases == LISTENER_NAMES


def test_models_of_ones_own_have_them_beside_their_other_names(tmp_path: Path) -> None:
    file = tmp_path / "mine.toml"
    file.write_text(
        '[synthesizers.mine]\nbackend = "tone"\naliases = ["tts-1-hd", "beeper"]\n'
        '[transcribers.small]\nbackend = "tone"\n[transcribers.large]\nbackend = "tone"\n'
    )
    settings = config.load(file)
    assert settings.synthesizers["mine"].aliases == ("tts-1-hd", "beeper", "tts-1", "gpt-4o-mini-tts")
    assert [model.aliases for model in settings.transcribers.values()] == [LISTENER_NAMES, ()]


def test_a_file_without_models_of_a_kind_is_no_mistake(tmp_path: Path) -> None:
    file = tmp_path / "mine.toml"
    file.write_text("transcribers = {}\n")
    assert config.load(file).transcribers == {}


async def test_the_default_model_leaves_alone_what_another_one_claims(start: Start) -> None:
    models = {
        "first": ModelSpec("tone"),
        "gpt-4o-mini-tts": ModelSpec("tone"),
        "third": ModelSpec("tone", aliases=("tts-1-hd",)),
    }
    _, client = await start(synthesizers=models)
    answering = [(await speaker_of(client, model=name))[0] for name in SPEAKER_NAMES]
    assert answering == ["first", "third", "gpt-4o-mini-tts"]


async def test_every_model_speaks_with_each_of_the_thirteen_voices_and_each_persona(start: Start) -> None:
    _, client = await start()
    names = [*OPENAI_VOICES, *PERSONAS]
    assert [await speaker_of(client, voice=name) for name in names] == [("speaker", "tone")] * 17
    assert [sorted(voice.aliases) for voice in await client.list_voices()] == [sorted(names)]


async def test_configured_names_of_voices_take_their_place(start: Start) -> None:
    _, client = await start(voice_aliases={"beep": "tone"})
    assert await speaker_of(client, voice="beep") == ("speaker", "tone")
    with pytest.raises(ServiceError, match="no voice 'alloy'; it has: tone, beep"):
        await speaker_of(client, voice="alloy")


async def test_a_voice_that_has_such_a_name_itself_keeps_it(start: Start) -> None:
    hibari = ModelSpec("hibari", options={"voices": ("emma", "fable")})
    _, client = await start(synthesizers={"hibari": hibari})
    emma, fable = await client.list_voices()
    assert (fable.name, list(fable.aliases)) == ("fable", [])
    assert list(emma.aliases) == [name for name in (*OPENAI_VOICES, *PERSONAS) if name != "fable"]


SPEAKERS_OF_LATER = (
    "gpt-4o-mini-tts-2025-12-15",
    "tts-1-hd-1106",
    "tts-1-1106",
    "tts-2",
    "gpt-7-tts-hd",
    "tts-hd",
)
LISTENERS_OF_LATER = (
    *("gpt-transcribe", "gpt-live-transcribe", "gpt-realtime-whisper", "gpt-4o-transcribe-diarize"),
    *("gpt-4o-mini-transcribe-2025-12-15", "gpt-4o-transcribe-latest", "gpt-7-mini-transcribe", "whisper"),
)


async def listener_of(client: AsyncClient, name: str) -> str:
    """The model that hears."""
    async with client.listen(16000, model=name) as hearing:
        return (await hearing.start()).model


async def test_names_that_openai_has_or_will_have_find_the_default_model_of_their_kind(start: Start) -> None:
    _, client = await start()
    assert {(await speaker_of(client, model=name))[0] for name in SPEAKERS_OF_LATER} == {"speaker"}
    assert {await listener_of(client, name) for name in LISTENERS_OF_LATER} == {"listener"}
    assert {(await client.get_model(name)).name for name in SPEAKERS_OF_LATER} == {"speaker"}
    assert {(await client.get_model(name)).name for name in LISTENERS_OF_LATER} == {"listener"}


async def test_they_never_take_a_configured_name_and_a_snapshot_is_of_the_model_that_has_its_name(
    start: Start,
) -> None:
    claimed = ModelSpec("tone", aliases=("gpt-9-tts", "tts-1-hd", "gpt-5-whisper"))
    _, client = await start(synthesizers={"first": ModelSpec("tone"), "claimed": claimed})
    names = ("gpt-9-tts", "gpt-9-tts-2027-01-31", "tts-1-hd-1106", "gpt-8-tts")
    answering = [(await speaker_of(client, model=name))[0] for name in names]
    assert answering == ["claimed", "claimed", "claimed", "first"]
    with pytest.raises(ServiceError, match="no transcriber is named 'gpt-5-whisper'; there are: listener"):
        await listener_of(client, "gpt-5-whisper")


@pytest.mark.parametrize(
    "name",
    [
        "whisper-large-v3",
        "gpt-4o",
        "gpt-realtime",
        "my-tts",
        "tts-1 ",
        "GPT-4O-TTS",
        "whisper-1",
        "gpt" + "-tts" * 20,
    ],
)
async def test_other_names_are_refused_with_a_list_of_what_there_is(start: Start, name: str) -> None:
    _, client = await start()
    with pytest.raises(ServiceError, match=r"no synthesiser is named .*; there are: speaker") as refused:
        await speaker_of(client, model=name)
    assert refused.value.reason == "MODEL_NOT_FOUND"
    with pytest.raises(ServiceError, match="no transcriber is named"):
        await listener_of(client, "tts-1")
