"""Several channels into one, by every way in."""

import numpy as np
import pytest

from audio_grpc.audio import Mixer, RawFormat, decode
from tests.audio.files import RATE, decoded, file, tone, typed_wav, wav


def mixed(channels: np.ndarray, step: int = 1_000) -> np.ndarray:
    mixer = Mixer(RATE)
    return np.concatenate(
        [mixer.mix(channels[:, at : at + step]) for at in range(0, channels.shape[1], step)]
    )


def level(samples: np.ndarray) -> float:
    return float(np.sqrt(np.mean(np.square(samples, dtype=np.float64))))


@pytest.mark.parametrize("step", [7, 480, 5_000, 48_000])
def test_opposite_channels_do_not_cancel(step: int) -> None:
    left = tone()
    np.testing.assert_array_equal(mixed(np.stack([left, -left]), step), left)


@pytest.mark.parametrize("step", [240, 5_000, 48_000])
@pytest.mark.parametrize("part", [0.95, 0.8])
def test_nearly_opposite_channels_give_the_louder(step: int, part: float) -> None:
    left = tone()
    np.testing.assert_array_equal(mixed(np.stack([part * left, -left]), step), -left)


def test_some_channels_of_many() -> None:
    left = tone()
    np.testing.assert_array_equal(mixed(np.stack([0 * left, left, -left, 0 * left])), left)


@pytest.mark.parametrize(
    "right",
    [
        pytest.param(tone(), id="the same"),
        pytest.param(0 * tone(), id="silent"),
        pytest.param(0.5 * tone(), id="quieter"),
        pytest.param(tone(hertz=300), id="another sound"),
        pytest.param(-0.4 * tone(), id="a quieter echo"),
    ],
)
def test_others_are_averaged(right: np.ndarray) -> None:
    channels = np.stack([tone(), right.astype(np.float32)])
    np.testing.assert_allclose(mixed(channels), channels.mean(axis=0), atol=1e-7)


@pytest.mark.parametrize("step", [240, 1_000, 48_000])
def test_a_change_of_channels_does_not_click(step: int) -> None:
    left = tone()
    turns = np.where(np.arange(len(left)) // 12_000 % 2, -1, 1) * np.hanning(len(left)) ** 0.1
    both = np.stack([left, left * turns]).astype(np.float32)
    result = mixed(both, step)
    assert np.abs(np.diff(result)).max() < 1.05 * np.abs(np.diff(left)).max()
    assert level(result[1_000:-1_000]) > 0.9 * level(left)


def test_it_returns_to_the_mean_when_the_channels_add_up_again() -> None:
    left = tone()
    right = np.concatenate([-left[:12_000], left[12_000:24_000], 0 * left[24_000:]])
    result = mixed(np.stack([left, right]))
    np.testing.assert_allclose(result[30_000:], left[30_000:] / 2, atol=1e-7)


@pytest.mark.parametrize("channels", [2, 4])
def test_files_and_bare_samples(channels: int) -> None:
    pcm = tone()[:, np.newaxis] * 32_767 * np.array([1, -1, 0, 0])[:channels]
    data = wav(pcm)
    raw = decode(pcm.astype("<i2").tobytes(), max_seconds=3, raw=RawFormat(RATE, channels))
    for audio in (decoded(data), raw):
        assert level(audio.samples) == pytest.approx(level(tone()), rel=0.01)


def test_samples_out_of_any_range_are_no_reason_to_fail() -> None:
    huge = np.array([3e38, -3e38, 3e38, 3e38], np.float32)
    assert np.abs(decoded(typed_wav(3, huge), RATE).samples).max() == 1.0


def test_compressed_files() -> None:
    assert level(decoded(file("flac", "flac", layout="stereo")).samples) == pytest.approx(
        level(tone()), rel=0.01
    )
