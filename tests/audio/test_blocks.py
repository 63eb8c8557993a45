"""Recordings that are longer than one block."""

import io
import tracemalloc
from collections.abc import Callable

import av
import numpy as np
import pytest

from audio_grpc.audio import Block, RawFormat, decode, decode_blocks, encode
from audio_grpc.audio.blocks import BLOCK_SECONDS
from audio_grpc.audio.container import container_seconds
from audio_grpc.errors import AudioTooLong, AudioTruncated, AudioUndecodable
from audio_grpc.types import Audio, Encoding
from tests.audio.files import WHOLE, wav

RATE = 8_000
PAUSE_SECONDS = 285.0


def flac(samples: np.ndarray) -> bytes:
    """Returns a FLAC with its length in the header, like a file that was written to a disk."""
    sink = io.BytesIO()
    with av.open(sink, "w", format="flac") as output:
        stream = output.add_stream("flac", rate=RATE, layout="mono")
        for start in range(0, len(samples), RATE * 10):
            pcm = (samples[np.newaxis, start : start + RATE * 10] * 32_767).astype(np.int16)
            frame = av.AudioFrame.from_ndarray(pcm, layout="mono")
            frame.sample_rate = RATE
            output.mux(stream.encode(frame))
        output.mux(stream.encode(None))
    return sink.getvalue()


def noise(seconds: float) -> np.ndarray:
    return np.random.default_rng(0).uniform(-0.1, 0.1, round(seconds * RATE)).astype(np.float32)


def with_a_pause(seconds: float) -> np.ndarray:
    samples = noise(seconds)
    samples[round(PAUSE_SECONDS * RATE) : round((PAUSE_SECONDS + 1) * RATE)] = 0
    return samples


def test_a_short_recording_is_one_block() -> None:
    (block,) = decode_blocks(WHOLE["flac"], max_seconds=60)
    assert (block.start, block.is_whole, block.recording_seconds) == (0.0, True, 2.0)
    np.testing.assert_array_equal(block.audio.samples, decode(WHOLE["flac"], max_seconds=60).samples)


def test_a_long_one_is_cut_in_its_pause_and_nothing_is_lost() -> None:
    data = flac(with_a_pause(640))
    blocks = list(decode_blocks(data, max_seconds=3600))
    assert len(blocks) == 3
    assert [block.is_last for block in blocks] == [False, False, True]
    assert PAUSE_SECONDS < blocks[1].start < PAUSE_SECONDS + 1
    assert all(block.audio.seconds <= BLOCK_SECONDS for block in blocks)
    assert {block.recording_seconds for block in blocks} == {640.0}
    together = np.concatenate([block.audio.samples for block in blocks])
    np.testing.assert_array_equal(together, decode(data, max_seconds=3600).samples)
    assert [block.start for block in blocks] == [0, blocks[0].end, blocks[1].end]


def test_what_does_not_say_how_long_it_is_tells_with_its_last_block() -> None:
    data = b"".join(encode([Audio(noise(310), RATE)], Encoding.FLAC, RATE))
    assert [block.recording_seconds for block in decode_blocks(data, max_seconds=3600)] == [None, 310.0]


def test_bare_samples_say_how_long_they_are() -> None:
    blocks = decode_blocks(bytes(2 * 310 * RATE), max_seconds=3600, raw=RawFormat(RATE))
    assert [block.recording_seconds for block in blocks] == [310.0, 310.0]


def heard_before(error: type[Exception], data: bytes, max_seconds: float = 3600) -> list[Block]:
    blocks: list[Block] = []
    with pytest.raises(error):
        blocks.extend(decode_blocks(data, max_seconds=max_seconds))
    return blocks


def test_a_length_over_the_limit_is_refused_at_once_if_it_is_announced() -> None:
    announced = flac(np.zeros(700 * RATE, np.float32))
    assert heard_before(AudioTooLong, announced, max_seconds=650) == []
    unannounced = b"".join(encode([Audio(np.zeros(700 * RATE, np.float32), RATE)], Encoding.FLAC, RATE))
    assert len(heard_before(AudioTooLong, unannounced, max_seconds=650)) == 2


@pytest.mark.parametrize(
    ("damage", "error"),
    [
        pytest.param(lambda data: data[: round(0.97 * len(data))], AudioTruncated, id="cut"),
        pytest.param(
            lambda data: data[:-60_000] + bytes(20_000) + data[-40_000:],
            (AudioTruncated, AudioUndecodable),
            id="hole",
        ),
    ],
)
def test_damage_in_a_later_block_is_told_after_those_before_it(
    damage: Callable[[bytes], bytes], error: type[Exception]
) -> None:
    assert [block.start for block in heard_before(error, damage(flac(noise(320))))] == [0.0]


def test_a_cut_wav_is_refused_however_long_it_is() -> None:
    whole = wav(noise(310)[:, np.newaxis] * 32_767, RATE)
    assert heard_before(AudioTruncated, whole[:-10_000]) == []


@pytest.mark.parametrize("name", WHOLE)
def test_what_a_file_announces_is_true(name: str) -> None:
    announced = container_seconds(WHOLE[name])
    assert announced is None or announced == pytest.approx(2.0, abs=0.1)


def test_formats_that_say_how_long_they_are_are_believed() -> None:
    silent = {name for name, data in WHOLE.items() if container_seconds(data) is None}
    assert silent.isdisjoint({"wav", "aiff", "flac", "mp3", "ogg", "m4a", "mov", "webm"})


def test_hours_take_no_more_memory_than_minutes() -> None:
    minutes = [Audio(np.zeros(60 * RATE, np.float32), RATE)] * 30
    data = b"".join(encode(minutes, Encoding.FLAC, RATE))
    tracemalloc.start()
    try:
        seconds = sum(block.audio.seconds for block in decode_blocks(data, max_seconds=4000))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert seconds == pytest.approx(30 * 60)
    assert peak < 4 * BLOCK_SECONDS * 16_000 * 4
