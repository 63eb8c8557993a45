"""Recordings that are recognised block by block, over the wire."""

from typing import Any

import numpy as np
import pytest
from google.protobuf.duration_pb2 import Duration

from audio_grpc.audio import decode, encode
from audio_grpc.client import AsyncClient, Client, Encoding, ServiceError
from audio_grpc.types import Audio
from audio_grpc.v1.speech_to_text_pb2 import DecodingParameters, TimeRange, VoiceActivityParameters
from tests.conftest import DATA, Start

RATE = 16_000
SECOND_SPEECH = 320
SPEECH = decode((DATA / "sense_and_sensibility_0870.flac").read_bytes(), max_seconds=60).samples
UNANNOUNCED = Encoding.FLAC


def at(places: dict[int, np.ndarray], encoding: Encoding = Encoding.WAV) -> bytes:
    """Sounds at their seconds, and silence between them."""
    parts: list[np.ndarray] = []
    for second, samples in places.items():
        parts += [np.zeros(second * RATE - sum(map(len, parts)), np.float32), samples]
    return b"".join(encode([Audio(part, RATE) for part in parts if len(part)], encoding, RATE))


async def spoken(client: AsyncClient, text: str) -> np.ndarray:
    data = b"".join([chunk async for chunk in client.synthesize(text, sample_rate_hertz=RATE)])
    return decode(data, max_seconds=60).samples


@pytest.fixture
async def tones(start: Start) -> AsyncClient:
    _, client = await start()
    return client


async def test_every_block_is_heard_in_its_place(tones: AsyncClient) -> None:
    one, two = await spoken(tones, "One."), await spoken(tones, "Two.")
    async with tones.transcribe(at({1: one, SECOND_SPEECH: two}), word_timestamps=True) as transcript:
        started = await transcript.start()
        segments = [segment async for segment in transcript]
    assert [(segment.text, round(segment.start)) for segment in segments] == [
        ("One.", 1),
        ("Two.", SECOND_SPEECH),
    ]
    assert segments[1].words[0].start == segments[1].start == pytest.approx(SECOND_SPEECH, abs=0.1)
    assert [segment.seek // 1000 for segment in segments] == [0, 29], (
        "frames of 10 ms: where its block starts"
    )
    assert started.audio_duration == transcript.finished.audio_duration
    assert transcript.finished.audio_duration.ToMilliseconds() == pytest.approx(320_400, abs=100)
    assert transcript.finished.usage.output_tokens == len("One.Two.")


async def test_a_length_that_is_not_announced_comes_last(tones: AsyncClient) -> None:
    audio = at({SECOND_SPEECH: await spoken(tones, "Two.")}, UNANNOUNCED)
    async with tones.transcribe(audio) as transcript:
        assert not (await transcript.start()).HasField("audio_duration")
        assert [segment.text async for segment in transcript] == ["Two."]
    assert transcript.finished.audio_duration.ToMilliseconds() == pytest.approx(320_400, abs=100)


async def test_segments_come_before_later_sound_is_found_to_be_damaged(tones: AsyncClient) -> None:
    noise = np.random.default_rng(0).uniform(-0.05, 0.05, 20 * RATE).astype(np.float32)
    audio = at({1: await spoken(tones, "One."), SECOND_SPEECH: noise}, Encoding.AAC)
    damaged = audio[:-20_000] + bytes(2_000) + audio[-18_000:]
    heard = []
    with pytest.raises(ServiceError) as failure:
        async for segment in tones.transcribe(damaged):
            heard.append(segment.text)  # noqa: PERF401 - what came before the failure is the point
    assert failure.value.reason == "AUDIO_UNDECODABLE"
    assert heard == ["One."]


async def test_a_length_over_the_limit_is_refused_before_anything_is_heard(start: Start) -> None:
    _, client = await start(max_audio_seconds=310.0)
    with pytest.raises(ServiceError) as failure:
        await client.transcribe(at({SECOND_SPEECH: SPEECH})).start()
    assert failure.value.reason == "AUDIO_TOO_LONG"


def clip(start: int, end: int) -> TimeRange:
    asked = TimeRange()
    asked.start.FromSeconds(start)
    asked.end.FromSeconds(end)
    return asked


def heard(client: Client, audio: bytes, **options: Any) -> tuple[list[Any], Any]:
    with client.transcribe(audio, beam_size=1, **options) as transcript:
        started = transcript.start()
        return list(transcript), (started, transcript.finished)


def test_language_and_prompt_outlast_a_silent_block(client: Client) -> None:
    """Whisper's language for silence ("nn", mostly) must not decide for the rest of the recording."""
    prompt = "Letters to Jon Dashwood. Jon Dashwood was rich."
    segments, (_, finished) = heard(client, at({SECOND_SPEECH: SPEECH}), prompt=prompt)
    assert "Jon Dashwood" in segments[0].text
    assert segments[0].start == pytest.approx(SECOND_SPEECH, abs=1)
    assert (finished.language_code, finished.HasField("language_probability")) == ("en", True)


def test_a_block_is_read_with_the_text_before_it_in_mind(client: Client) -> None:
    audio = at({0: SPEECH, SECOND_SPEECH: SPEECH})
    prompt = "Letters to Jon Dashwood. Jon Dashwood was rich."
    asked: dict[str, Any] = {"language_code": "en", "prompt": prompt}
    segments, _ = heard(client, audio, **asked)
    assert [segment.text.count("Jon") for segment in segments] == [1, 1]
    one_by_one: dict[str, Any] = {
        "voice_activity_parameters": VoiceActivityParameters(max_speech=Duration(seconds=30))
    }
    segments, _ = heard(client, audio, **asked, **one_by_one)
    assert [segment.text.count("Jon") for segment in segments] == [1, 1]
    forgetful = DecodingParameters(condition_on_previous_text=False)
    segments, _ = heard(client, audio, **asked, **one_by_one, decoding_parameters=forgetful)
    assert [segment.text.count("Jon") for segment in segments] == [1, 0]


def test_clips_are_found_in_whatever_block_they_are(client: Client) -> None:
    audio = at({0: SPEECH, SECOND_SPEECH: SPEECH})
    clips = [clip(SECOND_SPEECH, SECOND_SPEECH + 2)]
    segments, (started, finished) = heard(client, audio, clip_timestamps=clips)
    assert "Dashwood" in "".join(segment.text for segment in segments)
    assert "leisure" not in "".join(segment.text for segment in segments)
    assert segments[0].start == pytest.approx(SECOND_SPEECH, abs=0.5)
    assert started.language_code == finished.language_code == "en"
    segments, _ = heard(client, audio, clip_timestamps=[clip(1000, 1001)])
    assert segments == []
