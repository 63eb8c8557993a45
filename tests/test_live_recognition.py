"""Live recognition with the real model: what is heard is as good as of a recording, and does not change."""

import asyncio
import json
import re

import jiwer
import numpy as np
import pytest

from audio_grpc.audio import decode
from audio_grpc.client import (
    AsyncClient,
    EndCause,
    Hypothesis,
    SpeechStarted,
    SpeechStopped,
    UtteranceTranscript,
)
from audio_grpc.samples import Samples
from audio_grpc.v1.speech_to_text_pb2 import RawAudioFormat
from tests.conftest import DATA
from tests.test_live_hearing import following, write

RATE = 16000
PIECE = RATE // 10 * 2
SPOKEN: dict[str, str] = json.loads((DATA / "transcripts.json").read_text())
PAUSE = np.zeros(RATE, np.float32)


def recording(name: str) -> Samples:
    return decode((DATA / name).read_bytes(), max_seconds=60).samples


def pcm(*parts: Samples) -> bytes:
    return np.round(np.concatenate(parts) * 32767).astype("<i2").tobytes()


def error_rate(said: str, heard: str) -> float:
    return float(jiwer.wer(plain(said), plain(heard)))


def plain(text: str) -> str:
    """Returns the text in the spelling of transcripts.json."""
    spelled = re.sub(r"\bmr\.", "mister", text.lower()).replace("-", " ")
    return " ".join(re.sub(r"[^\w\s']", "", spelled).split())


async def test_transcripts_are_as_good_as_that_of_the_recording(embedded: str) -> None:
    sound = pcm(PAUSE, *(part for name in SPOKEN for part in (recording(name), PAUSE)))
    async with AsyncClient(embedded) as client:
        async with client.listen(RATE) as transcript:

            async def send() -> None:
                await write(transcript, sound, PIECE)
                await transcript.end()

            sending = asyncio.create_task(send())
            events = [event async for event in transcript]
            await sending
        raw = RawAudioFormat(sample_rate_hertz=RATE)
        offline = "".join([segment.text async for segment in client.transcribe(sound, raw_format=raw)])
    heard = [event for event in events if isinstance(event, UtteranceTranscript)]
    assert len(heard) == len(SPOKEN)
    said = " ".join(SPOKEN.values())
    assert error_rate(said, "".join(event.text for event in heard)) <= error_rate(said, offline) + 0.02
    assert {event.language.code for event in heard} == {"en"}
    times = [time for event in heard for word in event.words for time in (word.start, word.end)]
    assert times == sorted(times)
    for event in heard:
        assert event.start <= event.words[0].start < event.words[-1].end <= event.end + 0.1
    starts = [event.at for event in events if isinstance(event, SpeechStarted)]
    stops = [event for event in events if isinstance(event, SpeechStopped)]
    assert {event.cause for event in stops} == {EndCause.SILENCE}
    lengths = [stop.at - start for start, stop in zip(starts, stops, strict=True)]
    assert lengths == pytest.approx([len(recording(name)) / RATE - 0.4 for name in SPOKEN], abs=0.6)


async def test_a_stable_word_that_was_shown_never_changes(embedded: str) -> None:
    name = next(iter(SPOKEN))
    sound = pcm(PAUSE[: RATE // 2], recording(name), PAUSE)
    shown: list[str] = []
    async with AsyncClient(embedded) as client, client.listen(RATE, interim_results=True) as transcript:
        for start in range(0, len(sound) - 20 * PIECE, 10 * PIECE):
            await write(transcript, sound[start : start + 10 * PIECE], PIECE)
            if start:
                hypothesis = await following(transcript, Hypothesis)
                assert not shown or hypothesis.stable_text.startswith(shown[-1])
                shown.append(hypothesis.stable_text)
        await write(transcript, sound[start + 10 * PIECE :], PIECE)
        await transcript.end()
        final = await following(transcript, UtteranceTranscript)
    assert len(shown[-1].split()) > 5
    assert final.text.startswith(shown[-1])
    assert error_rate(SPOKEN[name], final.text) <= 0.05


async def test_minutes_of_silence_and_noise_are_nothing_that_was_said(embedded: str) -> None:
    noise = np.random.default_rng(1).normal(0, 0.003, 60 * RATE).astype(np.float32)
    sound = pcm(np.zeros(120 * RATE, np.float32), noise)
    async with AsyncClient(embedded) as client, client.listen(RATE, interim_results=True) as transcript:

        async def send() -> None:
            await write(transcript, sound, 10 * PIECE)
            await transcript.end()

        sending = asyncio.create_task(send())
        assert [event async for event in transcript] == []
        await sending
        assert transcript.finished.audio_duration.ToSeconds() == 180
        assert transcript.finished.usage.audio_duration.ToSeconds() == 0
