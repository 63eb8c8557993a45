"""OpenAI's voices endpoint, through the unmodified openai package."""

import openai
import pytest

from tests.gateway.conftest import Door, Open
from tests.gateway.test_errors import error_of
from tests.gateway.test_speech import TEXT, heard
from tests.gateway.test_transcriptions import RECORDING


async def test_a_voice_is_made_listed_used_and_forgotten(open_door: Open) -> None:
    door = await open_door(options={"cloning": True})
    made = await door.openai.audio.voices.create(
        name="Elinor", audio_sample=("a.flac", RECORDING), consent="cons_1"
    )
    assert (made.name, made.object, made.type) == ("Elinor", "audio.voice", "audio_sample")
    assert made.created_at > 1_700_000_000
    assert made.to_dict()["models"] == ["speaker"]
    listed = (await door.http.get("/v1/audio/voices")).json()
    assert listed["object"] == "list"
    assert [voice["id"] for voice in listed["data"]] == ["tone", made.id]
    assert listed["data"][1]["models"] == ["speaker"]
    assert listed["voices"] == [{"id": voice["id"], "name": voice["name"]} for voice in listed["data"]]
    for voice in ({"id": made.id}, "Elinor"):
        reply = await door.openai.audio.speech.create(
            model="tts-1",
            voice=voice,  # type: ignore[arg-type]
            input=TEXT,
            response_format="wav",
        )
        assert await heard(door, reply.content) == TEXT
    gone = await door.openai.audio.voices.delete(made.id)
    assert (gone.id, gone.deleted, gone.object) == (made.id, True, "audio.voice.deleted")
    with pytest.raises(openai.NotFoundError):
        await door.openai.audio.voices.delete(made.id)
    with pytest.raises(openai.NotFoundError):
        await door.openai.audio.speech.create(model="tts-1", voice={"id": made.id}, input=TEXT)


async def test_voices_that_cannot_be_made(open_door: Open) -> None:
    door = await open_door(options={"cloning": True})
    create = door.openai.audio.voices.create
    with pytest.raises(openai.BadRequestError) as undecodable:
        await create(name="A", audio_sample=("a.wav", b"no sound"), consent="")
    assert undecodable.value.param == "audio_sample"
    with pytest.raises(openai.BadRequestError) as nameless:
        await create(name=" ", audio_sample=("a.flac", RECORDING), consent="")
    assert nameless.value.param == "name"
    with pytest.raises(openai.BadRequestError, match="audio_sample"):
        await create(name="A", prompt="a warm voice", type="prompt")
    with pytest.raises(openai.ConflictError):
        await create(name="tone", audio_sample=("a.flac", RECORDING), consent="")
    too_large = await door.http.post(
        "/v1/audio/voices", data={"name": "A"}, files={"audio_sample": ("a.wav", bytes((10 << 20) + 1))}
    )
    assert (too_large.status_code, error_of(too_large)["param"]) == (413, "audio_sample")


async def test_without_a_model_that_clones_no_voice_is_kept(door: Door) -> None:
    with pytest.raises(openai.BadRequestError, match="custom voice") as refused:
        await door.openai.audio.voices.create(name="A", audio_sample=("a.flac", RECORDING), consent="")
    assert refused.value.code == "cloning_unavailable"


async def test_the_models_that_speak_are_listed_for_open_webui(door: Door) -> None:
    listed = (await door.http.get("/v1/audio/models")).json()["models"]
    assert [model["id"] for model in listed] == ["speaker", "tts-1", "tts-1-hd", "gpt-4o-mini-tts"]
