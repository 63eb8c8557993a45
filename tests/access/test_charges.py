"""The charges for calls, through every method that has text or sound."""

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from audio_grpc.access import key_file
from audio_grpc.access.limits import KeyLimits
from audio_grpc.client import AsyncClient, Encoding, ServiceError
from audio_grpc.v1.conversation_pb2 import ReplyAudio, TurnFinished
from audio_grpc.v1.job_pb2 import CreateSpeechJobRequest
from audio_grpc.v1.speech_to_text_pb2 import UtteranceTranscript
from audio_grpc.v1.text_to_speech_pb2 import SpeakerSample, SynthesizeRequest
from tests.access.test_keys import with_key
from tests.conftest import Start
from tests.conversation.chat_double import ChatDouble
from tests.conversation.conftest import following
from tests.test_voices import SAMPLE

BORROWED = SpeakerSample(audio=SAMPLE)


async def synthesized(client: AsyncClient) -> None:
    await anext(client.synthesize("Hi.", sample=BORROWED))


async def spoken_live(client: AsyncClient) -> None:
    async with client.live_speech(sample=BORROWED) as speech:
        await speech.start()


async def made_a_job(client: AsyncClient) -> None:
    speech = SynthesizeRequest(text="Hi.", sample=BORROWED)
    await client._unary(client._jobs.CreateSpeechJob, CreateSpeechJobRequest(speech=speech))


async def made_a_voice(client: AsyncClient) -> None:
    await client.create_voice("Anna", SAMPLE)


async def transcribed(client: AsyncClient) -> None:
    assert [segment async for segment in client.transcribe(SAMPLE)]


async def uploaded(client: AsyncClient) -> None:
    async with client.upload() as upload:
        await upload.write(SAMPLE)
        async with await upload.transcribe() as transcript:
            assert [segment async for segment in transcript]


async def heard_live(client: AsyncClient) -> None:
    async with client.listen(16000) as hearing:
        await hearing.write(SAMPLE)
        await hearing.end()
        async for _ in hearing:
            pass


async def conversed_by_sample(client: AsyncClient) -> None:
    async with client.converse(speaking={"sample": BORROWED}) as conversation:
        await conversation.start()


async def conversed_by_recording(client: AsyncClient) -> None:
    async with client.converse() as conversation:
        await conversation.send_recording(SAMPLE)
        await following(conversation, UtteranceTranscript)


UPLOADS = [
    *(synthesized, spoken_live, made_a_job, made_a_voice, transcribed, uploaded, heard_live),
    *(conversed_by_sample, conversed_by_recording),
]


async def limited(start: Start, keys: Path, limits: KeyLimits, **changes: Any) -> AsyncClient:
    _, secret = key_file.add(keys, "alice", limits)
    _, client = await start(keys_file=keys, **changes)
    return with_key(client, secret)


@pytest.mark.parametrize("call", UPLOADS)
async def test_sound_counts_as_upload_wherever_it_comes(
    start: Start, keys: Path, call: Callable[[AsyncClient], Awaitable[None]]
) -> None:
    limits = KeyLimits(upload_bytes_per_minute=len(SAMPLE) * 3 // 2)
    async with ChatDouble() as chat:
        pipelines = {"agent": {"llm": {"base_url": chat.base_url}}}
        alice = await limited(start, keys, limits, options={"cloning": True}, pipelines=pipelines)
        await call(alice)
        with pytest.raises(ServiceError) as failure:
            await call(alice)
    assert failure.value.reason == "RATE_LIMITED"
    assert "upload_bytes_per_minute" in failure.value.message


async def test_the_text_of_a_job_counts(start: Start, keys: Path) -> None:
    alice = await limited(start, keys, KeyLimits(characters_per_minute=10))
    await alice.create_job("naïve")
    with pytest.raises(ServiceError, match="characters_per_minute") as failure:
        await alice.create_job("sixsix")
    assert failure.value.reason == "RATE_LIMITED"


async def test_of_a_conversation_what_is_spoken_counts_and_not_what_is_written(
    start: Start, keys: Path
) -> None:
    async with ChatDouble() as chat:
        pipelines = {"agent": {"llm": {"base_url": chat.base_url}}}
        alice = await limited(start, keys, KeyLimits(characters_per_minute=40), pipelines=pipelines)
        async with alice.converse(speaking={"encoding": Encoding.PCM_S16LE}) as conversation:
            await conversation.say("This is longer than all that may be spoken in a minute.")
            await (await chat.asked()).reply("Twenty characters ok.")
            assert (await following(conversation, TurnFinished)).turn == 0
            await conversation.say("And?")
            await (await chat.asked()).reply("And nineteen more, and then some.")
            with pytest.raises(ServiceError) as failure:
                while True:
                    await following(conversation, ReplyAudio)
        assert failure.value.reason == "RATE_LIMITED"
        assert "characters_per_minute" in failure.value.message
        assert (failure.value.retry_after_seconds or 0) > 0


async def test_a_sample_in_a_conversation_is_held_until_it_ends_and_recordings_replace_each_other(
    start: Start,
) -> None:
    async with ChatDouble() as chat:
        pipelines = {"agent": {"llm": {"base_url": chat.base_url}}}
        server, client = await start(options={"cloning": True}, pipelines=pipelines)
        async with client.converse(speaking={"sample": BORROWED}) as conversation:
            await conversation.start()
            for turn in range(3):
                await conversation.send_recording(SAMPLE)
                asked = await chat.asked()
                assert 2 * len(SAMPLE) <= server.uploads.held < 2 * len(SAMPLE) + 1000
                await asked.reply("Yes.")
                assert (await following(conversation, TurnFinished)).turn == turn
            await conversation.end()
            async for _ in conversation:
                pass
        assert server.uploads.held == 0
