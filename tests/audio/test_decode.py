"""Files that are whole, however odd."""

import struct

import numpy as np
import pytest

from audio_grpc.audio import RawFormat, decode, encode, raw_audio
from audio_grpc.errors import AudioUndecodable, InvalidRequest
from audio_grpc.types import Audio, Encoding
from tests.audio.files import (
    RATE,
    STREAMED_WAV,
    WHOLE,
    chunk,
    decoded,
    file,
    frequency,
    made,
    tone,
    typed_wav,
    wav,
)


@pytest.mark.parametrize("name", WHOLE)
def test_sound_of_any_container(name: str) -> None:
    audio = decoded(WHOLE[name])
    assert audio.sample_rate_hertz == 16_000
    assert audio.samples.dtype == np.float32
    assert audio.seconds == pytest.approx(2.0, abs=0.15)
    assert frequency(audio.samples, 16_000) == pytest.approx(440, abs=2)
    assert np.abs(audio.samples[4_000:-4_000]).max() == pytest.approx(0.4, abs=0.1)


@pytest.mark.parametrize("rate", [8_000, 16_000, 22_050, 24_000, 44_100, 48_000])
def test_at_any_rate(rate: int) -> None:
    audio = decoded(made(Encoding.WAV), rate)
    assert (audio.sample_rate_hertz, len(audio.samples)) == (rate, 2 * rate)
    assert frequency(audio.samples, rate) == pytest.approx(440, abs=2)


def test_full_scale_is_one() -> None:
    samples = decoded(wav(np.array([[-32_768], [0], [16_384], [32_767]])), RATE).samples
    assert samples.tolist() == [-1.0, 0.0, 0.5, 32_767 / 32_768]


@pytest.mark.parametrize("channels", [1, 2, 3, 6, 8, 9, 16, 32])
def test_channels_are_averaged(channels: int) -> None:
    pcm = np.zeros((2_400, channels))
    pcm[:, 0] = 16_384
    np.testing.assert_allclose(decoded(wav(pcm), RATE).samples, 0.5 / channels, atol=1e-6)


def test_samples_out_of_range_are_clipped() -> None:
    assert decoded(typed_wav(3, np.array([2, -3, 0.25], np.float32)), RATE).samples.tolist() == [1, -1, 0.25]


@pytest.mark.parametrize("sample", [float("nan"), float("inf"), -float("inf")])
def test_samples_that_are_no_numbers_are_refused(sample: float) -> None:
    data = typed_wav(3, np.array([0, sample, 0], np.float32))
    with pytest.raises(AudioUndecodable, match="finite"):
        decoded(data, RATE)


def test_rate_and_channels_may_change_midway() -> None:
    parts = [
        file("adts", "aac", layout="stereo"),
        b"".join(encode([Audio(tone(2.0), RATE)], Encoding.AAC, 48_000)),
        file("adts", "aac"),
    ]
    audio = decoded(b"".join(parts))
    assert audio.seconds == pytest.approx(6.0, abs=0.3)
    assert frequency(audio.samples, 16_000) == pytest.approx(440, abs=2)


ID3V1 = b"TAG" + bytes(125)
APE = (
    np.random.default_rng(0).bytes(50_000) + b"APETAGEX" + struct.pack("<IIIIQ", 2000, 50_032, 1, 1 << 31, 0)
)
XING = WHOLE["mp3"]


def live_wma(seconds: float) -> bytes:
    """Returns a WMA as it is sent during its recording: the size of its sound is not known."""
    data = file("asf", "wmav2", seconds=seconds)
    size = data.index(bytes.fromhex("3626b2758e66cf11a6d900aa0062ce6c")) + 16
    return data[:size] + bytes(8) + data[size + 8 :]


def blanked(name: str, start: int, stop: int) -> bytes:
    """The file with zeros there, counted from the beginning of an MP4's samples."""
    data = WHOLE[name]
    sound = data.index(b"mdat") + 4
    return data[: sound + start] + bytes(stop - start) + data[sound + stop :]


@pytest.mark.parametrize(
    ("data", "seconds"),
    [
        pytest.param(
            STREAMED_WAV[:40] + struct.pack("<I", size) + STREAMED_WAV[44:], 2, id=f"wav of {size:x}"
        )
        for size in (0, 0x7FFFFFFF, 0x7FFFFFDB, 0x7FFFF000, 0x80000000, 0xFFFFFFDB, 0xFFFFFFFF)
    ]
    + [
        pytest.param(wav(np.zeros((48_000, 1))) + b"x" * 99, 2, id="wav and junk"),
        pytest.param(
            typed_wav(1, np.zeros(48_000, "<i2"), chunk(b"LIST", b"INFO" + chunk(b"INAM", b"caf\xe9"))),
            2,
            id="wav with a Latin-1 title",
        ),
        pytest.param(WHOLE["m4a"] + b"junk" * 9, 2, id="m4a and junk"),
        pytest.param(WHOLE["m4a"] + bytes(16), 2, id="m4a and zeros"),
        pytest.param(WHOLE["flac"] + ID3V1, 2, id="flac and tag"),
        pytest.param(XING + XING, 4, id="mp3 twice"),
        pytest.param(XING + ID3V1 + XING + ID3V1, 4, id="mp3 and tag twice"),
        pytest.param(XING + APE + ID3V1, 2, id="mp3 and picture"),
        pytest.param(made(Encoding.MP3)[1_000:], 2, id="mp3 from midway"),
        pytest.param(made(Encoding.MP3)[:-50], 2, id="mp3 until midway"),
        pytest.param(made(Encoding.AAC) + APE, 2, id="aac and picture"),
        pytest.param(made(Encoding.AAC)[500:-100], 2, id="aac cut out"),
        pytest.param(WHOLE["mpegts"][188 * 10 :], 2, id="mpegts from midway"),
        pytest.param(made(Encoding.OPUS) + made(Encoding.OPUS), 4, id="ogg twice"),
        pytest.param(live_wma(seconds=3)[:-700], 3, id="live wma until midway"),
        pytest.param(file("matroska", "flac", pause=3), 5, id="mkv with a pause"),
        pytest.param(
            file("matroska", "pcm_s16le", seconds=10, step=48, live="1"), 10, id="live mkv in crumbs"
        ),
        pytest.param(blanked("m4a", 0, 40), 2, id="m4a with a bad beginning"),
    ],
)
def test_odd_but_valid(data: bytes, seconds: float) -> None:
    assert decoded(data).seconds == pytest.approx(seconds, abs=0.25)


def test_raw_samples() -> None:
    pcm = np.array([[0, 16_384], [-32_768, -32_768], [32_766, 0]], "<i2")
    audio = decode(pcm.tobytes(), sample_rate_hertz=8_000, max_seconds=1, raw=RawFormat(8_000, 2))
    assert audio.samples.tolist() == [0.25, -1.0, 16_383 / 32_768]


@pytest.mark.parametrize("rate", [1_000, 8_000, 44_100, 192_000])
@pytest.mark.parametrize("channels", [1, 2, 8])
def test_raw_samples_of_any_rate(rate: int, channels: int) -> None:
    pcm = np.repeat((tone(2.0, rate, 100) * 32_767).astype("<i2"), channels)
    audio = decode(pcm.tobytes(), max_seconds=2, raw=RawFormat(rate, channels))
    assert audio.seconds == 2.0
    assert frequency(audio.samples, 16_000) == pytest.approx(100, abs=1)


@pytest.mark.parametrize(
    ("rate", "channels", "field", "advice"),
    [
        (0, 1, "raw_format.sample_rate_hertz", "1000 to 192000"),
        (999, 1, "raw_format.sample_rate_hertz", "1000 to 192000"),
        (192_001, 1, "raw_format.sample_rate_hertz", "1000 to 192000"),
        (16_000, 0, "raw_format.channel_count", "1 to 8"),
        (16_000, 9, "raw_format.channel_count", "1 to 8"),
    ],
)
def test_raw_formats_out_of_range(rate: int, channels: int, field: str, advice: str) -> None:
    with pytest.raises(InvalidRequest, match=advice) as refusal:
        RawFormat(rate, channels)
    assert refusal.value.field == field


def test_half_a_raw_sample() -> None:
    with pytest.raises(InvalidRequest, match=r"96002 bytes are not a multiple of 4.*; send whole") as refusal:
        decode(bytes(96_002), max_seconds=60, raw=RawFormat(8_000, 2))
    assert refusal.value.field == "audio"


def test_raw_audio_keeps_its_rate() -> None:
    audio = raw_audio(np.array([16_384, -32_768], "<i2").tobytes(), RawFormat(8_000))
    assert (audio.sample_rate_hertz, audio.samples.tolist()) == (8_000, [0.5, -1.0])
    with pytest.raises(InvalidRequest, match="3 bytes are not a multiple of 2"):
        raw_audio(bytes(3), RawFormat(8_000))
