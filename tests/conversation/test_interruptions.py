"""Callers who interrupt a reply: what stops, and what is remembered."""

import asyncio
import math

import pytest

from audio_grpc.audio import decode
from audio_grpc.client import AsyncConversation, ServiceError
from audio_grpc.v1.conversation_pb2 import ReplyAudio, ReplyInterrupted, ReplyToken, TurnFinished
from audio_grpc.v1.speech_to_text_pb2 import SpeechStarted
from tests.conftest import DATA
from tests.conversation.conftest import BYTE, PCM, RATE, House, Open, following, rest

SLOW = {"delay_seconds": 0.02}
LONG = "This goes on for longer than anybody would like to listen to it, or to anything. "
HEARING_RATE = 16000


def voice() -> bytes:
    """Somebody who really speaks, 16-bit samples at 16 kHz; the detector wants to hear a voice."""
    samples = decode((DATA / "sense_and_sensibility_0880.flac").read_bytes(), max_seconds=60).samples
    return (samples * 32767).astype("<i2").tobytes()


async def test_speech_breaks_off_a_reply_in_all_three_stages(open_house: Open) -> None:
    house = await open_house(options=SLOW, read_ahead=1)
    async with house.client.converse(sample_rate_hertz=HEARING_RATE, speaking=PCM) as conversation:
        await conversation.say("Tell me a story.")
        asked = await house.chat.asked()
        await asked.say("Well. " + LONG * 20)
        await following(conversation, ReplyAudio)
        speaking = asyncio.create_task(send(conversation, voice()))
        await following(conversation, SpeechStarted)
        interrupted = await following(conversation, ReplyInterrupted)
        await asked.was_left()  # the endpoint sees the connection close, though it had not finished
        await speaking
        assert interrupted.turn == 0
        again = await house.chat.asked()
        reply = [text for role, text in again.messages if role == "assistant"]
        assert reply == [interrupted.heard_text] * bool(interrupted.heard_text)
        assert ("Well. " + LONG * 20).startswith(interrupted.heard_text)
        assert len(interrupted.heard_text) < len(LONG) * 5
        await again.reply("Yes?")
        await conversation.end()
        events, finished = await rest(conversation)
    # Two and a half minutes of sound were written; the model stopped long before.
    assert finished.speaking.audio_duration.seconds < 60
    assert [event.turn for event in events if isinstance(event, TurnFinished)][-1] >= 1
    assert not [event for event in events if isinstance(event, ReplyAudio) and event.turn == 0]
    await house.until_free()


async def send(conversation: AsyncConversation, samples: bytes) -> None:
    """Sends samples as fast as they are taken, in pieces of 100 ms, and then silence."""
    size = HEARING_RATE // 10 * 2
    for start in range(0, len(samples), size):
        await conversation.write(samples[start : start + size])
    await conversation.write(bytes(size * 15))


async def test_only_what_was_sent_of_a_reply_is_remembered(house: House) -> None:
    async with house.client.converse(speaking=PCM) as conversation:
        await conversation.say("Go on.")
        asked = await house.chat.asked()
        await asked.say("First sentence. Second")
        await following(conversation, ReplyAudio)
        await all_of(conversation, "First sentence. ")
        await conversation.cancel()
        interrupted = await following(conversation, ReplyInterrupted)
        assert interrupted.heard_text == "First sentence."
        await asked.was_left()
        await conversation.say("And?")
        again = await house.chat.asked()
        assert again.messages[1:] == [
            ("user", "Go on."),
            ("assistant", "First sentence."),
            ("user", "And?"),
        ]
        await again.reply("Done.")
        await conversation.end()
        events, _ = await rest(conversation)
    texts = [event.text for event in events if isinstance(event, ReplyToken)]
    assert texts == ["Done."]
    await house.until_free()


async def all_of(conversation: AsyncConversation, text: str) -> None:
    """Read the sound of a text that has begun: 100 ms a byte."""
    until = len(text.encode()) / 10
    while True:
        audio = (await following(conversation, ReplyAudio)).audio
        end = audio.mark.audio_offset.ToNanoseconds() + audio.mark.audio_duration.ToNanoseconds()
        if math.isclose(end / 1e9, until):
            return


@pytest.mark.parametrize(
    ("played", "heard"),
    [(0.0, ""), (0.65, "One"), (1.95, "One two three. Four"), (2.6, "One two three. Four five.")],
)
async def test_what_was_played_counts_if_the_caller_tells(house: House, played: float, heard: str) -> None:
    """A byte of tone lasts 100 ms, so 0.65 seconds end inside the second word."""
    async with house.client.converse(speaking=PCM, reports_playback=True) as conversation:
        await conversation.say("Count.")
        asked = await house.chat.asked()
        await asked.say("One two three. Four five. ")
        await asked.finish()
        await following(conversation, TurnFinished)
        await conversation.played(played)
        await conversation.cancel()
        if played < 2.6:
            assert (await following(conversation, ReplyInterrupted)).heard_text == heard
        await conversation.say("And?")
        again = await house.chat.asked()
        said = [text for role, text in again.messages if role == "assistant"]
        assert said == ([heard] if heard else [])
        await again.reply("Done.")
        await conversation.end()
        await rest(conversation)
    await house.until_free()


async def test_writing_interrupts_as_speaking_does(house: House) -> None:
    async with house.client.converse(speaking=PCM) as conversation:
        await conversation.say("Wait for it.")
        asked = await house.chat.asked()
        await conversation.say("Never mind.")
        assert (await following(conversation, ReplyInterrupted)).turn == 0
        await asked.was_left()
        again = await house.chat.asked()
        # Nothing was heard, so both questions are still to be answered.
        assert again.messages[1:] == [("user", "Wait for it.\nNever mind.")]
        await again.reply("Fine.")
        await conversation.end()
        events, _ = await rest(conversation)
    assert [event.turn for event in events if isinstance(event, TurnFinished)] == [1]


async def test_a_caller_who_leaves_closes_the_connection_to_the_endpoint(house: House) -> None:
    async with house.client.converse(sample_rate_hertz=RATE, speaking=PCM) as conversation:
        await conversation.say("Wait for it.")
        asked = await house.chat.asked()
        await asked.say("Well. ")
    await asked.was_left()
    await house.until_free()


async def test_a_cancel_without_a_reply_does_nothing(house: House) -> None:
    async with house.client.converse(speaking=PCM) as conversation:
        await conversation.cancel()
        await conversation.say("Hello?")
        await (await house.chat.asked()).reply("Yes.")
        await conversation.end()
        events, _ = await rest(conversation)
    assert not [event for event in events if isinstance(event, ReplyInterrupted)]


async def test_an_endpoint_that_is_stuck_holds_no_thread(open_house: Open) -> None:
    house = await open_house(concurrency=2, threads=1)
    async with house.client.converse(speaking=PCM) as conversation:
        await conversation.say("Think hard.")
        asked = await house.chat.asked()
        await asked.say("Hm. ")
        await following(conversation, ReplyAudio)
        assert len(await house.spoken("Meanwhile.")) == 10 * BYTE
        await asked.finish()
        await conversation.end()
        await rest(conversation)


async def test_what_was_played_is_refused_where_nobody_counts_it(house: House) -> None:
    async with house.client.converse(speaking=PCM) as conversation:
        await conversation.played(1.0)
        with pytest.raises(ServiceError, match="reports_playback"):
            await rest(conversation)
    await house.until_free()
