"""Sound is where the container's clock says, and pauses are silence."""

import tracemalloc
from collections.abc import Iterator
from fractions import Fraction

import av
import numpy as np
import pytest

from audio_grpc.audio import decode, decode_blocks
from audio_grpc.audio.clock import Clock
from audio_grpc.audio.container import container_seconds
from audio_grpc.errors import AudioTooLong
from tests.audio.files import RATE, WHOLE, decoded, file

CONTAINERS: dict[str, tuple[str, str, dict[str, str]]] = {
    "mp4": ("mp4", "aac", {}),
    "mp4, fragments": (
        "mp4",
        "aac",
        {"movflags": "frag_keyframe+empty_moov", "frag_duration": "500000"},
    ),
    "mov, alac": ("mov", "alac", {}),
    "webm": ("webm", "libopus", {}),
    "webm, live": ("webm", "libopus", {"live": "1"}),
    "mkv, flac": ("matroska", "flac", {}),
    "mkv, pcm": ("matroska", "pcm_s16le", {}),
    "ogg": ("ogg", "libopus", {}),
    "ogg, flac": ("ogg", "flac", {}),
    "mpegts": ("mpegts", "aac", {}),
    "mpeg": ("mpeg", "mp2", {}),
    "flv": ("flv", "aac", {}),
    "wma": ("asf", "wmav2", {}),
}
WITH_VIDEO = ("mp4", "mp4, fragments", "mov, alac", "mkv, flac", "mkv, pcm", "mpegts", "mpeg", "wma")
FROM_ZERO = ("mp4", "mov, alac", "webm", "webm, live", "mkv, flac", "mkv, pcm")


def sounding(samples: np.ndarray, rate: int = 16_000) -> list[tuple[float, float]]:
    """Returns where there is sound, in seconds; stretches of less than 50 ms do not count."""
    frame = rate // 100
    loud = np.abs(samples[: len(samples) // frame * frame].reshape(-1, frame)).max(axis=1) > 0.05
    steps = np.diff(np.concatenate([[0], loud.astype(int), [0]]))
    places = zip(np.flatnonzero(steps == 1), np.flatnonzero(steps == -1), strict=True)
    return [(start / 100, end / 100) for start, end in places if end - start > 5]


def made(name: str, **changes: float) -> bytes:
    container, codec, options = CONTAINERS[name]
    return file(container, codec, **options, **changes)  # type: ignore[arg-type]


@pytest.mark.parametrize("name", CONTAINERS)
def test_a_gap_between_packets_is_a_pause(name: str) -> None:
    first, second = sounding(decoded(made(name, pause=3.0)).samples)
    assert first == pytest.approx((0, 1), abs=0.2)
    assert second == pytest.approx((4, 5), abs=0.2)


@pytest.mark.parametrize("name", WITH_VIDEO)
def test_sound_that_begins_later_than_the_picture(name: str) -> None:
    (place,) = sounding(decoded(made(name, late=3.0, video=True)).samples)
    assert place == pytest.approx((3, 5), abs=0.15)


@pytest.mark.parametrize("name", FROM_ZERO)
def test_sound_that_begins_later_than_the_recording(name: str) -> None:
    (place,) = sounding(decoded(made(name, late=3.0)).samples)
    assert place == pytest.approx((3, 5), abs=0.15)


@pytest.mark.parametrize("name", sorted(CONTAINERS.keys() - {"ogg, flac"}))  # FFmpeg starts that at 0
def test_a_part_of_a_longer_stream_begins_with_its_sound(name: str) -> None:
    """The clock shows when the stream began."""
    data = made(name, late=5_000.0)
    assert decoded(data).seconds == pytest.approx(2, abs=0.2)


@pytest.mark.parametrize("name", ["mp4", "webm", "ogg"])
def test_the_announced_length_has_the_pauses(name: str) -> None:
    assert container_seconds(made(name, pause=3.0)) == pytest.approx(5, abs=0.1)


def test_the_announced_length_begins_with_the_recording() -> None:
    assert container_seconds(made("mp4", late=3.0)) == pytest.approx(5, abs=0.1)
    assert container_seconds(made("ogg", late=3_000.0)) == pytest.approx(2, abs=0.1)


@pytest.mark.parametrize("name", WHOLE)
def test_a_steady_recording_has_no_pauses(name: str) -> None:
    (place,) = sounding(decoded(WHOLE[name]).samples)
    assert place == pytest.approx((0, 2), abs=0.12)


def test_pages_that_were_lost_leave_a_pause() -> None:
    data = file("ogg", "libopus", seconds=8)
    pages = list(ogg_pages(data))
    first, second = sounding(decoded(b"".join(pages[:4] + pages[7:])).samples)
    assert first == pytest.approx((0, 2), abs=0.1)
    assert second == pytest.approx((5, 8), abs=0.1)


def ogg_pages(data: bytes) -> Iterator[bytes]:
    while data:
        count = data[26]
        size = 27 + count + sum(data[27 : 27 + count])
        yield data[:size]
        data = data[size:]


@pytest.mark.parametrize("name", ["webm", "webm, live", "mkv", "ogg", "mpegts", "mp4, fragments"])
def test_the_clock_of_a_joined_file_begins_anew(name: str) -> None:
    audio = decoded(WHOLE[name] * 3)
    assert audio.seconds == pytest.approx(6, abs=0.2)


def test_a_pause_beyond_the_limit_takes_no_memory() -> None:
    data = file("matroska", "flac", pause=200_000)
    tracemalloc.start()
    try:
        with pytest.raises(AudioTooLong):
            decode(data, max_seconds=3_600)
        assert tracemalloc.get_traced_memory()[1] < 20e6
    finally:
        tracemalloc.stop()


def test_a_long_pause_comes_in_blocks() -> None:
    data = file("matroska", "flac", pause=1_000)
    blocks = [(block.start, block.audio.seconds) for block in decode_blocks(data, max_seconds=3_600)]
    assert len(blocks) == 4
    assert sum(seconds for _, seconds in blocks) == pytest.approx(1_002)
    assert max(seconds for _, seconds in blocks) <= 300


def places(*times: float | None, origin: float | None = 0.0) -> list[float]:
    """Returns where frames of a second with those times are put."""
    clock = Clock(origin)
    found: list[float] = []
    for _, frame in clock.placed(map(second_at, times)):
        found.append(clock.seconds - frame.samples / RATE)
    return found


def second_at(time: float | None) -> av.AudioFrame:
    frame = av.AudioFrame(format="s16", layout="mono", samples=RATE)
    frame.sample_rate = RATE
    if time is not None:
        frame.pts, frame.time_base = round(time * 1_000), Fraction(1, 1_000)
    return frame


@pytest.mark.parametrize(
    ("times", "expected"),
    [
        pytest.param((0, 1, 2), [0, 1, 2], id="steady"),
        pytest.param((0, 1.05, 1.98), [0, 1, 2], id="roughly noted"),
        pytest.param((0, 4, 5), [0, 4, 5], id="a pause"),
        pytest.param((2, 3, 4), [2, 3, 4], id="late"),
        pytest.param((0, 1, 9), [0, 1, 9], id="a pause before the last"),
        pytest.param((0, 10_000, 2, 3), [0, 1, 2, 3], id="a time that is wrong"),
        pytest.param((0, 5, 0, 1, 4), [0, 1, 2, 3, 6], id="wrong, then from the beginning"),
        pytest.param((0, 1, 0, 1, 5), [0, 1, 2, 3, 7], id="from the beginning, and a pause"),
        pytest.param((0, 0.7, 1.4, 2.1), [0, 1, 2, 3], id="overlapping"),
        pytest.param((None, None, 5, None), [0, 1, 5, 6], id="few have a time"),
    ],
)
def test_where_frames_are_put(times: tuple[float | None, ...], expected: list[float]) -> None:
    assert places(*times) == pytest.approx(expected)


def test_without_an_origin_the_first_frame_is_the_beginning() -> None:
    assert places(100, 101, 104, origin=None) == pytest.approx([0, 1, 4])
