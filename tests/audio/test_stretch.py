from collections.abc import Iterable, Iterator

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from audio_grpc.audio import stretch
from audio_grpc.samples import Samples
from audio_grpc.types import Audio

RATE = 24_000
SPEEDS = [0.25, 0.4, 0.5, 0.8, 1.25, 1.9, 2.0, 3.0, 4.0]


def tone(hertz: float, seconds: float, rate: int = RATE) -> Samples:
    return (0.5 * np.sin(2 * np.pi * hertz * np.arange(round(seconds * rate)) / rate)).astype(np.float32)


def joined(chunks: Iterable[Audio]) -> Samples:
    return np.concatenate([np.zeros(0, np.float32), *(chunk.samples for chunk in chunks)])


def pitch(samples: Samples, rate: int = RATE) -> float:
    """The strongest frequency, in hertz."""
    spectrum = np.abs(np.fft.rfft(samples * np.hanning(len(samples))))
    return float(np.argmax(spectrum)) * rate / len(samples)


@pytest.mark.parametrize("speed", SPEEDS)
@pytest.mark.parametrize("rate", [22_050, 24_000])
def test_speech_gets_shorter_or_longer_and_keeps_its_pitch(speed: float, rate: int) -> None:
    sound = tone(220, 3, rate)
    out = joined(stretch([Audio(part, rate) for part in np.array_split(sound, 7)], speed))
    assert len(out) == round(len(sound) / speed)
    assert pitch(out, rate) == pytest.approx(220, abs=3)
    assert np.abs(out).max() == pytest.approx(0.5, abs=0.01)


@pytest.mark.parametrize("speed", SPEEDS)
def test_what_is_said_last_is_heard(speed: float) -> None:
    """The filter alone keeps the last 60 ms at a quarter of the speed."""
    sound = np.concatenate([np.zeros(RATE, np.float32), tone(440, 0.1)])
    out = joined(stretch([Audio(sound, RATE)], speed))
    end = out[-round(0.05 * RATE / speed) :]
    assert np.abs(end).max() > 0.4
    assert np.abs(out[: round(0.9 * RATE / speed)]).max() < 0.01


@settings(max_examples=20, deadline=None, derandomize=True)
@given(at=st.lists(st.integers(0, RATE), max_size=6), speed=st.floats(0.25, 4.0))
def test_where_the_chunks_are_cut_is_not_heard(at: list[int], speed: float) -> None:
    sound = tone(300, 1)
    whole = joined(stretch([Audio(sound, RATE)], speed))
    parts = [Audio(part, RATE) for part in np.split(sound, sorted(at))]
    np.testing.assert_allclose(joined(stretch(parts, speed)), whole, atol=0.01)
    assert len(whole) == round(RATE / speed)


@pytest.mark.parametrize("length", [0, 1, 100, 1_000])
@pytest.mark.parametrize("speed", [0.25, 4.0])
def test_the_shortest_sound_lasts_as_long_as_it_should(length: int, speed: float) -> None:
    out = joined(stretch([Audio(tone(220, 1)[:length], RATE)], speed))
    assert len(out) == round(length / speed)


def test_nothing_stays_nothing() -> None:
    assert list(stretch([], 2.0)) == []


def test_at_its_own_speed_it_passes_untouched() -> None:
    chunks = [Audio(tone(220, 0.1), RATE) for _ in range(3)]
    assert all(a is b for a, b in zip(stretch(chunks, 1.0), chunks, strict=True))


@pytest.mark.parametrize("speed", [0.5, 2.0])
def test_sound_comes_out_while_more_goes_in(speed: float) -> None:
    taken: list[int] = []

    def endless() -> Iterator[Audio]:
        while True:
            taken.append(1)
            yield Audio(tone(220, 0.5), RATE)

    stretched = stretch(endless(), speed)
    assert len(next(stretched).samples) > 0
    assert len(taken) == 1


@pytest.mark.parametrize("speed", [1.0, 2.0])
def test_closing_it_closes_the_chunks(speed: float) -> None:
    closed: list[bool] = []

    def chunks() -> Iterator[Audio]:
        try:
            while True:
                yield Audio(tone(220, 0.5), RATE)
        finally:
            closed.append(True)

    stretched = stretch(chunks(), speed)
    next(stretched)
    stretched.close()
    assert closed == [True]
