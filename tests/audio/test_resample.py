from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from audio_grpc.audio import resample
from audio_grpc.types import Audio

NOISE = np.random.default_rng(5).uniform(-0.5, 0.5, 6_000).astype(np.float32)


def joined(chunks: Iterator[Audio]) -> np.ndarray:
    return np.concatenate([np.zeros(0, np.float32), *(chunk.samples for chunk in chunks)])


def cut(samples: np.ndarray, at: list[int], rate: int) -> list[Audio]:
    return [Audio(part, rate) for part in np.split(samples, sorted(at))]


def test_chunks_of_the_wanted_rate_pass_untouched() -> None:
    chunks = cut(NOISE, [1_000, 1_000, 3_000], 24_000)
    assert all(a is b for a, b in zip(resample(chunks, 24_000), chunks, strict=True))


@pytest.mark.parametrize(("native", "rate"), [(24_000, 16_000), (16_000, 48_000), (44_100, 16_000)])
def test_the_length_is_kept(native: int, rate: int) -> None:
    out = joined(resample([Audio(NOISE, native)], rate))
    assert len(out) == -(-len(NOISE) * rate // native)


@settings(max_examples=20, deadline=None, derandomize=True)
@given(st.lists(st.integers(0, len(NOISE)), max_size=6))
def test_where_the_chunks_are_cut_is_not_heard(at: list[int]) -> None:
    whole = joined(resample([Audio(NOISE, 24_000)], 16_000))
    np.testing.assert_array_equal(joined(resample(cut(NOISE, at, 24_000), 16_000)), whole)


def test_the_rate_may_change_midway() -> None:
    chunks = [Audio(NOISE[:2_400], 24_000), Audio(NOISE[:1_600], 16_000), Audio(NOISE[:4_800], 48_000)]
    out = list(resample(chunks, 16_000))
    assert {chunk.sample_rate_hertz for chunk in out} == {16_000}
    assert sum(len(chunk.samples) for chunk in out) == 3 * 1_600
    assert any(chunk is chunks[1] for chunk in out)


def test_an_alias_of_a_tone_is_filtered_out() -> None:
    high = np.sin(2 * np.pi * 10_000 * np.arange(24_000) / 24_000).astype(np.float32)
    assert np.abs(joined(resample([Audio(high, 24_000)], 16_000))[100:-100]).max() < 0.01


class Source:
    """An endless source that is no generator, and does not end by being forgotten."""

    closed = False

    def __iter__(self) -> Iterator[Audio]:
        return self

    def __next__(self) -> Audio:
        return Audio(NOISE, 24_000)

    def close(self) -> None:
        self.closed = True


@pytest.mark.parametrize("rate", [24_000, 16_000])
def test_closing_closes_the_source(rate: int) -> None:
    source = Source()
    chunks = resample(source, rate)
    next(chunks)
    assert not source.closed
    chunks.close()
    assert source.closed
