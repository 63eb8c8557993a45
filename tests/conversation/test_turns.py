"""Turns of a conversation, from what is said to the sound of the reply."""

import io
import wave
from collections.abc import Iterator

import grpc
import pytest

from audio_grpc.backends.base import ModelSpec
from audio_grpc.backends.tone import ToneSpeaker
from audio_grpc.client import Encoding, ServiceError
from audio_grpc.errors import TextUnspeakable
from audio_grpc.types import Speech, SynthesisOptions
from audio_grpc.v1.conversation_pb2 import (
    ReplyAudio,
    ReplyDone,
    ReplyToken,
    TurnFinished,
)
from audio_grpc.v1.speech_to_text_pb2 import Endpointing, UtteranceTranscript
from tests.conversation.conftest import BYTE, PCM, RATE, House, Open, following, kinds, rest, sound
from tests.headers import headed

MANUAL = Endpointing(manual=True)


async def heard(house: House, samples: bytes) -> str:
    """Returns the tone listener's transcript of samples."""
    pieces = [segment.text async for segment in house.client.transcribe(_wave(samples))]
    return "".join(pieces)


def _wave(samples: bytes) -> bytes:
    file = io.BytesIO()
    with wave.open(file, "wb") as written:
        written.setparams((1, 2, RATE, 0, "NONE", ""))
        written.writeframes(samples)
    return file.getvalue()


async def test_a_spoken_question_is_answered_in_speech(house: House) -> None:
    async with house.client.converse(
        sample_rate_hertz=RATE, hearing={"endpointing": MANUAL}, speaking=PCM
    ) as conversation:
        started = await conversation.start()
        assert (started.template, started.hearing.model, started.speaking.model) == (
            "agent",
            "listener",
            "speaker",
        )
        await conversation.write(await house.spoken("Who are you?"))
        await conversation.end_utterance()
        asked = await house.chat.asked()
        assert asked.messages == [("system", "Be brief."), ("user", "Who are you?")]
        assert asked.body["stream"] is True
        await conversation.end()
        await asked.reply("I am. You are.")
        events, finished = await rest(conversation)
    told = [kind for kind in kinds(events) if kind != "TranscriptHypothesis"]
    assert told[:4] == ["SpeechStarted", "SpeechStopped", "UtteranceTranscript", "ReplyToken"]
    assert kinds(events)[-1] == "TurnFinished"
    assert "".join(event.text for event in events if isinstance(event, ReplyToken)) == "I am. You are."
    assert await heard(house, sound(events)) == "I am. You are."
    [done] = [event for event in events if isinstance(event, ReplyDone)]
    assert (done.text, done.finish_reason, done.usage.completion_tokens) == ("I am. You are.", "stop", 3)
    timing = events[-1].timing
    moments = [timing.first_transcription, timing.first_token, timing.first_audio, timing.total]
    assert [moment.ToNanoseconds() for moment in moments] == sorted(
        moment.ToNanoseconds() for moment in moments
    )
    assert finished.thinking.prompt_tokens == 7
    assert finished.speaking.characters == len("I am. You are.")
    assert finished.hearing.audio_duration.ToMilliseconds() == pytest.approx(1200, abs=10)
    await house.until_free()


async def test_speech_starts_before_the_model_has_finished_its_reply(house: House) -> None:
    async with house.client.converse(speaking=PCM) as conversation:
        await conversation.say("Tell me a story.")
        asked = await house.chat.asked()
        await asked.say("Once upon a time. There")
        audio = await following(conversation, ReplyAudio)  # while the endpoint holds back the rest
        assert (audio.turn, audio.audio.mark.text_start) == (0, 0)
        await asked.say(" was nothing.")
        await asked.finish()
        await conversation.end()
        events, _ = await rest(conversation)
    marks = [(e.audio.mark.text_start, e.audio.mark.text_end) for e in events if isinstance(e, ReplyAudio)]
    text = "Once upon a time. There was nothing."
    spoken = dict.fromkeys([(audio.audio.mark.text_start, audio.audio.mark.text_end), *marks])
    assert "".join(text[start:end] for start, end in spoken) == text


async def test_a_template_can_have_the_reply_spoken_once_it_is_complete(open_house: Open) -> None:
    house = await open_house(pipelines={"patient": {"tts": {"streaming": False}}})
    async with house.client.converse(speaking=PCM) as conversation:
        await conversation.say("Tell me a story.")
        asked = await house.chat.asked()
        await asked.say("Once upon a time. There was nothing. ")
        await asked.say("The end.")
        await asked.finish()
        await conversation.end()
        events, _ = await rest(conversation)
    order = kinds(events)
    assert order.index("ReplyDone") < order.index("ReplyAudio")


async def test_what_was_said_before_is_told_to_the_model(house: House) -> None:
    async with house.client.converse(
        speaking=PCM,
        context="The caller is Ada.",
        thinking={"model": "clever", "max_tokens": 9, "temperature": 0.5},
        history=[("user", "Hello?"), ("assistant", "Yes.")],
    ) as conversation:
        await conversation.say("One?")
        asked = await house.chat.asked()
        assert asked.messages == [
            ("system", "Be brief.\n\nThe caller is Ada."),
            ("user", "Hello?"),
            ("assistant", "Yes."),
            ("user", "One?"),
        ]
        assert {name: asked.body[name] for name in ("model", "max_tokens", "temperature")} == {
            "model": "clever",
            "max_tokens": 9,
            "temperature": 0.5,
        }
        await asked.reply("First.")
        assert (await following(conversation, TurnFinished)).turn == 0
        await conversation.say("Two?")
        again = await house.chat.asked()
        assert again.messages[3:] == [("user", "One?"), ("assistant", "First."), ("user", "Two?")]
        await again.reply("Second.")
        await conversation.end()
        events, _ = await rest(conversation)
    assert [event.turn for event in events if isinstance(event, TurnFinished)] == [1]
    audio = next(event for event in events if isinstance(event, ReplyAudio))
    assert (audio.audio.mark.text_start, audio.audio.mark.text_end) == (0, len("Second."))


async def test_the_oldest_exchanges_are_forgotten_when_the_budget_is_spent(open_house: Open) -> None:
    house = await open_house(llm={"history_tokens": 9, "system_prompt": "x" * 8})
    async with house.client.converse(speaking=PCM) as conversation:
        for question in ("aaaa" * 2, "bbbb" * 2):
            await conversation.say(question)
            await (await house.chat.asked()).reply("dddd")
            await following(conversation, TurnFinished)
        await conversation.say("cccc" * 2)
        asked = await house.chat.asked()
    # 2 tokens of system prompt, 2 of the question, 3 of each exchange before.
    assert asked.messages == [
        ("system", "x" * 8),
        ("user", "bbbb" * 2),
        ("assistant", "dddd"),
        ("user", "cccc" * 2),
    ]


async def test_a_recording_is_a_turn(house: House) -> None:
    async with house.client.converse(speaking=PCM) as conversation:
        await conversation.send_recording(_wave(await house.spoken("Who is there? Say it.")))
        asked = await house.chat.asked()
        assert asked.messages[-1] == ("user", "Who is there? Say it.")
        await asked.reply("Me.")
        await conversation.end()
        events, finished = await rest(conversation)
    texts = [event.stable_text for event in events if hasattr(event, "stable_text")]
    assert texts == ["Who is there? ", "Who is there? Say it."]
    assert [event.text for event in events if isinstance(event, UtteranceTranscript)] == [texts[-1]]
    assert finished.hearing.audio_duration.ToMilliseconds() == 2100
    await house.until_free()


async def test_letters_without_a_sound_are_left_out_of_the_sound_only(
    start: object, open_house: Open
) -> None:

    house = await open_house(synthesizers={"hibari": ModelSpec("hibari")})
    async with house.client.converse(speaking=PCM) as conversation:
        await conversation.say("Greet me.")
        await (await house.chat.asked()).reply("Hello 世界 friend.")
        await conversation.end()
        events, _ = await rest(conversation)
    assert "".join(event.text for event in events if isinstance(event, ReplyToken)) == "Hello 世界 friend."
    assert len(sound(events)) > BYTE
    assert isinstance(events[-1], TurnFinished)


@pytest.mark.parametrize("encoding", list(Encoding))
async def test_every_encoding_is_one_file_over_all_turns(house: House, encoding: Encoding) -> None:
    events = []
    async with house.client.converse(speaking={"encoding": encoding}) as conversation:
        started = await conversation.start()
        for reply in ("One.", "Two."):
            await conversation.say("More?")
            await (await house.chat.asked()).reply(reply)
            async for event in conversation:
                events.append(event)
                if isinstance(event, TurnFinished):
                    break
        await conversation.end()
        events += (await rest(conversation))[0]
    data = sound(events)
    rate = started.speaking.format.sample_rate_hertz
    said = "".join([segment.text async for segment in house.client.transcribe(headed(data, encoding, rate))])
    assert said.startswith("One.")


async def test_an_unknown_template_is_named(house: House) -> None:
    async with house.client.converse(template="nobody") as conversation:
        with pytest.raises(ServiceError, match="there are: agent, voice-agent-fast") as caught:
            await conversation.start()
    assert (caught.value.code, caught.value.reason) == (grpc.StatusCode.NOT_FOUND, "PIPELINE_NOT_FOUND")
    assert caught.value.field == "template"
    await house.until_free()


async def test_the_templates_are_listed(open_house: Open) -> None:
    house = await open_house(llm={"model": "clever"})
    listed = await house.client.list_pipelines()
    assert [(pipeline.name, pipeline.chat_model) for pipeline in listed] == [
        ("agent", "clever"),
        ("voice-agent-fast", ""),
        ("voice-agent-premium", ""),
    ]


async def test_what_the_model_cannot_pronounce_of_a_reply_is_left_out(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(speaker: ToneSpeaker, text: str, options: SynthesisOptions) -> Iterator[Speech]:
        if "cm⁻¹" in text:
            raise TextUnspeakable("the model cannot read that", field="text")
        yield from synthesize(speaker, text, options)

    synthesize = ToneSpeaker.synthesize
    monkeypatch.setattr(ToneSpeaker, "synthesize", refuse)
    monkeypatch.setattr(ToneSpeaker, "unpronounceable", lambda _, text: "ж" if "ж" in text else "")
    async with house.client.converse(speaking=PCM) as conversation:
        await conversation.say("Hello?")
        await (await house.chat.asked()).reply("It is cm⁻¹. Then ж follows. ж ж. And this.")
        await conversation.end()
        events, _ = await rest(conversation)
    assert len(sound(events)) == len("Then   follows.    . And this.") * BYTE
    assert isinstance(events[-1], TurnFinished)
    await house.until_free()
