"""Sound in, utterances out, with the loudness of sound in the place of a voice detector."""

import numpy as np
import pytest

from audio_grpc.live import RATE_HERTZ, Endpointing, Heard, Loudness, UtteranceAudio, UtteranceSegmenter
from audio_grpc.samples import Samples
from audio_grpc.types import EndCause, SpeechStarted, SpeechStopped, UtteranceDiscarded

LOUD = Endpointing(threshold=0.2, padding_seconds=0.2)


def sound(seconds: float, level: float) -> Samples:
    """Every sample different, so that one which is lost or doubled is seen."""
    count = round(seconds * RATE_HERTZ)
    return np.full(count, level, np.float32) + np.linspace(0, 0.01, count, dtype=np.float32)


def heard(ear: UtteranceSegmenter, samples: Samples, piece: int) -> list[Heard]:
    found = [
        one for start in range(0, len(samples), piece) for one in ear.hear(samples[start : start + piece])
    ]
    return [*found, *ear.finish()]


@pytest.mark.parametrize("piece", [1, 160, 1600, 100_000])
def test_an_utterance_is_the_same_in_whatever_pieces_it_comes(piece: int) -> None:
    if piece == 1:
        samples = np.concatenate([sound(0.3, 0), sound(0.3, 0.5), sound(0.6, 0)])
    else:
        samples = np.concatenate([sound(1, 0), sound(1, 0.5), sound(1, 0)])
    started, stopped, recording = heard(UtteranceSegmenter(Loudness(), LOUD), samples, piece)
    assert isinstance(started, SpeechStarted)
    assert isinstance(stopped, SpeechStopped)
    assert isinstance(recording, UtteranceAudio)
    assert stopped.cause is EndCause.SILENCE
    assert recording.start == pytest.approx(started.at - 0.2)
    assert recording.end == pytest.approx(stopped.at + 0.2)
    begin, end = round(recording.start * RATE_HERTZ), round(recording.end * RATE_HERTZ)
    assert np.array_equal(recording.audio.samples, samples[begin:end])


def test_utterances_that_are_cut_from_each_other_lose_nothing_and_double_nothing() -> None:
    samples = sound(23.01, 0.5)
    ear = UtteranceSegmenter(Loudness(), Endpointing(threshold=0.2, max_utterance_seconds=5.0))
    recordings = [one for one in heard(ear, samples, 1600) if isinstance(one, UtteranceAudio)]
    assert len(recordings) > 4
    assert [one.utterance for one in recordings] == list(range(len(recordings)))
    whole = np.concatenate([one.audio.samples for one in recordings])
    assert np.array_equal(whole, samples)


def test_what_nobody_needs_any_more_is_forgotten() -> None:
    ear = UtteranceSegmenter(Loudness(), Endpointing(threshold=0.2, max_utterance_seconds=5.0))
    for minute in range(20):
        level = 0.5 if minute % 2 else 0.0
        for _ in range(60):
            list(ear.hear(sound(1, level)))
            assert sum(map(len, ear._kept)) <= 8 * RATE_HERTZ
    assert ear.seconds == 1200


@pytest.mark.parametrize("piece", [100, 1600])
def test_what_the_caller_ends_has_all_that_was_sent_and_nothing_twice(piece: int) -> None:
    samples = sound(2.0003, 0.5)
    ear = UtteranceSegmenter(Loudness(), Endpointing.manual(20.0))
    recordings = []
    for start in range(0, len(samples), 16_000):
        for place in range(start, min(start + 16_000, len(samples)), piece):
            list(ear.hear(samples[place : min(place + piece, start + 16_000)]))
        recordings += [one for one in ear.end_utterance() if isinstance(one, UtteranceAudio)]
    recordings += [one for one in ear.finish() if isinstance(one, UtteranceAudio)]
    assert [len(one.audio.samples) for one in recordings] == [16_000, 16_000]
    assert np.array_equal(
        np.concatenate([one.audio.samples for one in recordings])[:32_000], samples[:32_000]
    )


def test_what_the_caller_drops_is_in_no_utterance() -> None:
    ear = UtteranceSegmenter(Loudness(), LOUD)
    list(ear.hear(sound(1.003, 0.5)))
    assert list(ear.discard_utterance()) == [UtteranceDiscarded(0, ear.seconds)]
    assert list(ear.discard_utterance()) == [UtteranceDiscarded(None, ear.seconds)]
    started, _, recording = [*ear.hear(sound(0.5, 0.5)), *ear.finish()]
    assert isinstance(started, SpeechStarted)
    assert isinstance(recording, UtteranceAudio)
    assert started.utterance == 1
    assert recording.start == pytest.approx(1.003)
