"""Times of words in unusual recordings: pauses, cut ends, answers of one word."""

import asyncio
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from audio_grpc.audio import blocks, decode
from audio_grpc.client import AsyncClient, Client, Segment, Task, UtteranceTranscript
from audio_grpc.v1.speech_to_text_pb2 import RawAudioFormat, TimeRange
from tests.conftest import DATA
from tests.test_joined_calls import whisper
from tests.test_live_recognition import SPOKEN, error_rate, pcm, plain

RECORDINGS = Path(__file__).parent / "data"
RATE = 16_000
NEAR = 0.3
WAYS = [
    {},
    {"word_timestamps": True},
    {"voice_activity_detection": False},
    {"batched": True},
]
ANSWERS = (
    "yes no okay thanks hello why not stop mountain blue tuesday maybe sure 7 london cancel thank you "
    "good morning 25 continue help me never mind"
)


def in_order(segments: list[Segment], start: float, end: float) -> bool:
    """Tells if all times are in the recording, and those of words in their segments."""
    within = [(start, one.start, one.end, end) for one in segments]
    inner = [(one.start, word.start, word.end, one.end) for one in segments for word in one.words]
    return all(list(times) == sorted(times) for times in [*within, *inner])


@pytest.mark.parametrize("options", [{}, {"batched": True}, {"task": Task.TRANSLATE}])
@pytest.mark.parametrize(("name", "seconds"), [("short_0.3.wav", 0.3), ("cut_1.3.wav", 1.3)])
def test_nothing_ends_after_the_recording(
    client: Client, name: str, seconds: float, options: dict[str, Any]
) -> None:
    audio = (RECORDINGS / name).read_bytes()
    segments = list(client.transcribe(audio, language_code="en", **options))
    assert segments
    assert in_order(segments, 0.0, seconds)


@pytest.mark.parametrize("options", WAYS)
def test_what_follows_a_long_pause_has_its_own_time(client: Client, options: dict[str, Any]) -> None:
    audio = (RECORDINGS / "pause40.flac").read_bytes()
    segments = list(client.transcribe(audio, language_code="en", **options))
    assert [segment.text.split()[0] for segment in segments] == ["And", "Unless"]
    bounds = [time for segment in segments for time in (segment.start, segment.end)]
    assert bounds == pytest.approx([0.1, 7.0, 47.1, 52.4], abs=NEAR)
    assert in_order(segments, 0.0, 52.4)


@pytest.mark.parametrize("options", WAYS)
def test_no_segment_goes_on_over_a_pause(client: Client, options: dict[str, Any]) -> None:
    segments = list(client.transcribe((RECORDINGS / "p6_gmix.flac").read_bytes(), **options))
    assert [segment.start for segment in segments] == pytest.approx([1.0, 5.76, 14.39, 28.89], abs=NEAR)
    assert [len(plain(segment.text).split()) for segment in segments] == [3, 4, 4, 1]
    assert all(segment.words for segment in segments) == bool(options.get("word_timestamps"))


def test_a_clip_ends_where_it_was_asked_to(client: Client) -> None:
    clip = TimeRange()
    clip.start.FromMilliseconds(47_000)
    clip.end.FromMilliseconds(48_300)
    audio = (RECORDINGS / "pause40.flac").read_bytes()
    segments = list(client.transcribe(audio, language_code="en", clip_timestamps=[clip]))
    assert "unless" in plain(segments[0].text)
    assert in_order(segments, 47.0, 48.3)


async def live(address: str, name: str, **options: Any) -> list[UtteranceTranscript]:
    sound = pcm(decode((RECORDINGS / name).read_bytes(), max_seconds=60).samples)
    async with AsyncClient(address) as client, client.listen(RATE, **options) as transcript:

        async def send() -> None:
            for start in range(0, len(sound), RATE):
                await transcript.write(sound[start : start + RATE])
            await transcript.end()

        sending = asyncio.create_task(send())
        events = [event async for event in transcript]
        await sending
    return [event for event in events if isinstance(event, UtteranceTranscript)]


async def test_each_short_answer_is_heard_once(embedded: str) -> None:
    utterances = await live(embedded, "short_answers.flac", interim_results=True)
    assert len(utterances) == 20
    heard = " ".join(plain(one.text) for one in utterances).replace("seven", "7").replace("twenty five", "25")
    assert heard == ANSWERS


async def test_an_utterance_does_not_repeat_the_one_before(embedded: str) -> None:
    utterances = await live(embedded, "p6_gmix.flac", language_code="en")
    assert [len(one.words) for one in utterances] == [3, 4, 4, 1]
    starts = [one.words[0].start for one in utterances]
    assert starts == pytest.approx([1.0, 5.76, 14.39, 28.89], abs=NEAR)
    for one in utterances:
        times = [one.start, *(time for word in one.words for time in (word.start, word.end)), one.end]
        assert times == sorted(times)


async def test_a_block_goes_on_as_the_one_before_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    """A context of bare text would make Whisper leave out times: one cue for the whole window."""
    monkeypatch.setattr(blocks, "BLOCK_SECONDS", 40.0)
    sounds = [decode((DATA / name).read_bytes(), max_seconds=60).samples for name in SPOKEN]
    pause = np.zeros(RATE // 2, np.float32)
    sound = pcm(*(part for one in sounds * 2 for part in (one, pause)))
    seconds = len(sound) / 2 / RATE
    async with whisper() as client:
        raw = RawAudioFormat(sample_rate_hertz=RATE)
        heard = client.transcribe(sound, raw_format=raw, language_code="en")
        segments = [segment async for segment in heard]
    assert error_rate(" ".join([*SPOKEN.values()] * 2), "".join(one.text for one in segments)) <= 0.02
    assert in_order(segments, 0.0, seconds)
    assert all(one.end <= two.start for one, two in pairwise(segments))
    begun = np.cumsum([0, *(len(one) + len(pause) for one in sounds * 2)])[:-1] / RATE
    starts = np.array([segment.start for segment in segments])
    assert all(min(abs(starts - start)) < 2 * NEAR for start in begun[len(sounds) :])
    assert any(segment.seek > 3500 for segment in segments), "frames of 10 ms: there were several blocks"
