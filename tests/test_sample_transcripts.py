"""Transcripts of custom voices' samples, for models that use them: given, or made by the transcriber."""

import asyncio
from typing import Any

import pytest

from audio_grpc.backends.base import Transcript
from audio_grpc.backends.tone import ToneListener
from audio_grpc.client import AsyncClient, ServiceError
from audio_grpc.types import Audio, TranscriptionOptions
from tests.conftest import Start

WANTS = {"cloning": True, "wants_transcript": True}
SAID = "What the sample says."


async def spoken(client: AsyncClient, text: str = SAID, **options: Any) -> bytes:
    return b"".join([data async for data in client.synthesize(text, **options)])


async def heard(client: AsyncClient, voice: str) -> str:
    """Returns the text that the model speaks in that voice; it begins with the transcript of the sample."""
    audio = await spoken(client, " And this.", voice=voice)
    return "".join([segment.text async for segment in client.transcribe(audio)])


@pytest.fixture
def listened(monkeypatch: pytest.MonkeyPatch) -> list[TranscriptionOptions]:
    """Records the options of each call of the transcriber."""
    asked: list[TranscriptionOptions] = []
    transcribe = ToneListener.transcribe

    def counted(self: ToneListener, audio: Audio, options: TranscriptionOptions) -> Transcript:
        asked.append(options)
        return transcribe(self, audio, options)

    monkeypatch.setattr(ToneListener, "transcribe", counted)
    return asked


async def test_a_transcript_that_was_told_is_taken(
    start: Start, listened: list[TranscriptionOptions]
) -> None:
    _, client = await start(options=WANTS)
    await client.create_voice("Anna", await spoken(client), transcript="Told.")
    await spoken(client, voice="Anna")
    assert listened == []
    assert await heard(client, "Anna") == "Told. And this."


async def test_a_missing_transcript_is_heard_once(start: Start, listened: list[TranscriptionOptions]) -> None:
    _, client = await start(options=WANTS, concurrency=4)
    sample = await spoken(client)
    await client.create_voice("Anna", sample, language_code="de-AT")
    await asyncio.gather(*(spoken(client, voice="Anna") for _ in range(4)))
    assert [options.language_code for options in listened] == ["de-AT"]
    assert await heard(client, "Anna") == f"{SAID} And this."
    assert (await client.get_custom_voice("Anna")).transcript == "", "nobody told it"


async def test_each_voice_has_its_own_transcript(start: Start) -> None:
    _, client = await start(options=WANTS)
    for name in ("Anna", "Berta"):
        await client.create_voice(name, await spoken(client, f"I am {name}."))
    assert await heard(client, "Anna") == "I am Anna. And this."
    assert await heard(client, "Berta") == "I am Berta. And this."


async def test_a_model_that_wants_no_transcript_makes_nobody_listen(
    start: Start, listened: list[TranscriptionOptions]
) -> None:
    _, client = await start(options={"cloning": True})
    await client.create_voice("Anna", await spoken(client))
    await spoken(client, voice="Anna")
    assert listened == []


async def test_without_a_transcriber_the_model_gets_none(start: Start) -> None:
    _, speaker = await start(options=WANTS, transcribers={})
    _, listener = await start()
    await speaker.create_voice("Anna", await spoken(speaker))
    audio = await spoken(speaker, "Only this.", voice="Anna")
    assert "".join([segment.text async for segment in listener.transcribe(audio)]) == "Only this."


async def test_a_transcriber_that_fails_is_asked_again(
    start: Start, listened: list[TranscriptionOptions], caplog: pytest.LogCaptureFixture
) -> None:
    _, client = await start(options=WANTS, listener={"options": {"fail_after": 0}})
    voice = await client.create_voice("Anna", await spoken(client))
    for attempt in (1, 2):
        assert await spoken(client, voice="Anna") == await spoken(client, voice="Anna")
        assert len(listened) == 2 * attempt
    assert f"could not find out what the sample of voice {voice.id} says" in caplog.text


async def test_a_caller_who_leaves_does_not_take_the_transcript_from_others(
    start: Start, listened: list[TranscriptionOptions]
) -> None:
    _, client = await start(options=WANTS, listener={"options": {"delay_seconds": 0.3}})
    await client.create_voice("Anna", await spoken(client))
    with pytest.raises(ServiceError) as failure:
        await spoken(client, voice="Anna", timeout=0.1)
    assert failure.value.code.name == "DEADLINE_EXCEEDED"
    assert (await heard(client, "Anna")).startswith(SAID)
    assert len(listened) == 2, "to the sample, and to what the test hears"


async def test_a_model_without_a_voice_of_its_own_speaks_with_custom_ones(start: Start) -> None:
    _, client = await start(options={"cloning": True, "own_voice": False})
    _, other = await start()
    with pytest.raises(ServiceError) as failure:
        await spoken(client)
    assert (failure.value.reason, failure.value.field) == ("VOICE_NOT_FOUND", "voice")
    assert "made with CreateCustomVoice" in failure.value.message
    await client.create_voice("Anna", await spoken(other))
    assert await spoken(client, voice="Anna", language_code="de") != b""
    (listed,) = await client.list_voices()
    assert (list(listed.aliases), list(listed.language_codes)) == (["Anna"], ["und"])
