"""An utterance that the caller discards before its end is never transcribed."""

import pytest

from audio_grpc.client import Hypothesis, SpeechStarted, UtteranceDiscarded, UtteranceTranscript
from tests.conftest import Start
from tests.test_live_hearing import MANUAL, PIECE, RATE, following, spoken, texts, until_free, write


async def test_what_was_dropped_gets_no_transcript_and_what_follows_does(start: Start) -> None:
    server, client = await start()
    async with client.listen(RATE, endpointing=MANUAL) as transcript:
        await write(transcript, await spoken(client, "Take this back."))
        await transcript.discard_utterance()
        await write(transcript, await spoken(client, "But not this."))
        await transcript.end()
        started, dropped, again, *rest = [event async for event in transcript]
    assert isinstance(started, SpeechStarted)
    assert isinstance(dropped, UtteranceDiscarded)
    assert dropped.utterance == 0
    assert isinstance(again, SpeechStarted)
    assert again.utterance == 1
    assert dropped.at <= again.at == pytest.approx(1.5, abs=0.05)
    assert texts(rest) == ["But not this."]
    assert transcript.finished.usage.output_tokens == len("But not this.")
    await until_free(server)


async def test_words_that_were_shown_of_it_are_not_those_of_the_next(start: Start) -> None:
    _, client = await start()
    async with client.listen(RATE, endpointing=MANUAL, interim_results=True) as transcript:
        samples = await spoken(client, "One two three four five.")
        for place in range(0, len(samples), 8 * PIECE):
            await write(transcript, samples[place : place + 8 * PIECE])
            assert (await following(transcript, Hypothesis)).utterance == 0
        await transcript.discard_utterance()
        await following(transcript, UtteranceDiscarded)
        await write(transcript, await spoken(client, "Six seven eight."))
        assert (await following(transcript, Hypothesis)).utterance == 1
        await transcript.end()
        assert (await following(transcript, UtteranceTranscript)).text == "Six seven eight."


async def test_a_guess_about_it_that_comes_too_late_is_not_told(start: Start) -> None:
    _, client = await start(listener={"options": {"delay_seconds": 0.05}})
    async with client.listen(RATE, endpointing=MANUAL, interim_results=True) as transcript:
        for number in range(3):
            await write(transcript, await spoken(client, f"Never mind {number}."))
            await transcript.discard_utterance()
        await transcript.end()
        events = [event async for event in transcript]
    dropped: set[int | None] = set()
    for event in events:
        if isinstance(event, UtteranceDiscarded):
            dropped.add(event.utterance)
        elif isinstance(event, Hypothesis):
            assert event.utterance not in dropped
    assert dropped == {0, 1, 2}
    assert texts(events) == []


async def test_dropping_leaves_alone_what_was_complete(start: Start) -> None:
    _, client = await start(listener={"options": {"delay_seconds": 0.02}})
    async with client.listen(RATE, endpointing=MANUAL, interim_results=True) as transcript:
        await write(transcript, await spoken(client, "Keep this."))
        await transcript.end_utterance()
        await transcript.discard_utterance()
        await transcript.end()
        events = [event async for event in transcript]
    assert texts(events) == ["Keep this."]
    [dropped] = [event for event in events if isinstance(event, UtteranceDiscarded)]
    assert dropped.utterance is None


async def test_dropping_again_and_again_does_no_harm(start: Start) -> None:
    server, client = await start()
    async with client.listen(RATE) as transcript:
        for _ in range(50):
            await transcript.discard_utterance()
        await transcript.end()
        answers = [event async for event in transcript]
    assert answers == [UtteranceDiscarded(None, 0.0)] * 50
    await until_free(server)
