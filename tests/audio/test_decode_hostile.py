"""Files that mean harm."""

import io
import struct
import subprocess
import sys
import tracemalloc
from collections.abc import Iterable
from pathlib import Path

import av
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from audio_grpc.audio import decode, encode
from audio_grpc.errors import AudioTooLong, AudioUndecodable, InvalidRequest
from audio_grpc.types import Audio, Encoding
from tests.audio.files import STREAMED_WAV, WHOLE, chunk, decoded, file, wav
from tests.conftest import RECORDINGS


def test_hours_of_silence_in_a_small_file_take_no_memory() -> None:
    minutes = [Audio(np.zeros(60 * 8_000, np.float32), 8_000)] * 120
    bomb = b"".join(encode(minutes, Encoding.FLAC, 8_000))
    assert len(bomb) < 1_500_000
    tracemalloc.start()
    try:
        with pytest.raises(AudioTooLong):
            decode(bomb, max_seconds=30)
        assert tracemalloc.get_traced_memory()[1] < 3 * 30 * 16_000 * 4
    finally:
        tracemalloc.stop()


def test_a_few_samples_at_one_hertz_take_no_memory() -> None:
    bomb = wav(np.zeros((50_000, 1)), rate=1)
    with pytest.raises(AudioUndecodable, match=r"1 samples a second; send .* at least 1000"):
        decode(bomb, max_seconds=3_600)


def test_an_absurd_rate_is_refused() -> None:
    bomb = wav(np.zeros((5_000, 1)), rate=2_000_000)
    with pytest.raises(AudioUndecodable, match="2000000 samples a second; send at most"):
        decoded(bomb)


def greedy_mp4(count: int) -> bytes:
    """Returns an MP4 that lists that many samples of one byte."""
    data: bytes = WHOLE["m4a"]
    changes = [(b"stsz", 8, 1), (b"stsz", 12, count), (b"stts", 12, count), (b"stsc", 16, count)]
    for name, offset, number in changes:
        at = data.index(name) + offset
        data = data[:at] + struct.pack(">I", number) + data[at + 4 :]
    return data


def test_fragments_of_more_samples_than_bytes_cannot_be() -> None:
    data = WHOLE["mp4, fragments"]
    at = data.index(b"trun") + 8
    with pytest.raises(AudioUndecodable, match="lists"):
        decoded(data[:at] + struct.pack(">I", 5_000_000) + data[at + 4 :])


def test_more_samples_than_bytes_cannot_be() -> None:
    with pytest.raises(AudioUndecodable, match=r"lists 5000000 samples in \d+ bytes.*; send an intact file"):
        decoded(greedy_mp4(5_000_000))


GREEDY = b"LIST" + struct.pack("<I", 0x7FFFFFFF) + b"INFOINAM" + struct.pack("<I", 0x7FFFFFF0)
PEAK_OF_DECODING = """
import re, sys
from pathlib import Path
from audio_grpc.audio import decode
from audio_grpc.errors import AudioUndecodable
try:
    decode(sys.stdin.buffer.read(), max_seconds=1)
except AudioUndecodable:
    # Not ru_maxrss, which begins with what the process had that started this one.
    print(int(re.search(r"VmHWM:\\s+(\\d+) kB", Path("/proc/self/status").read_text())[1]) // 1024)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="the peak is read from /proc")
def test_a_header_that_asks_for_gigabytes_does_not_get_them() -> None:
    """FFmpeg would clear two of them for a title, to find that it is not there."""
    bomb = STREAMED_WAV[:36] + GREEDY + b"..."
    child = subprocess.run(
        [sys.executable, "-c", PEAK_OF_DECODING], input=bomb, capture_output=True, check=True
    )
    assert int(child.stdout) < 300, "megabytes"


M3U8 = "#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXTINF:2.0,\n{}\n#EXT-X-ENDLIST\n"
HOSTILE = {
    "m3u8": M3U8.format("secret.wav"),
    "m3u8 with a path": M3U8.format("{path}"),
    "m3u8 with a url": M3U8.format("file://{path}"),
    "ffconcat": "ffconcat version 1.0\nfile secret.wav\n",
    "ffconcat with a path": "ffconcat version 1.0\nfile '{path}'\n",
    "sdp": "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=audio 5004 RTP/AVP 0\n",
    "dash": (
        '<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011" type="static" '
        'profiles="urn:mpeg:dash:profile:isoff-on-demand:2011" mediaPresentationDuration="PT2S"><Period>'
        '<AdaptationSet contentType="audio"><Representation id="1" bandwidth="1"><BaseURL>{path}</BaseURL>'
        "</Representation></AdaptationSet></Period></MPD>"
    ),
}


@pytest.fixture
def secret(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file of the server's, in its working directory."""
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "secret.wav"
    path.write_bytes(wav(np.zeros((48_000, 1))))
    return path


@pytest.mark.parametrize("name", HOSTILE)
def test_a_playlist_reads_no_other_file(name: str, secret: Path) -> None:
    with pytest.raises(AudioUndecodable):
        decoded(HOSTILE[name].replace("{path}", str(secret)).encode())


@pytest.mark.usefixtures("secret")
def test_which_ffmpeg_left_to_itself_would() -> None:
    with av.open(io.BytesIO(HOSTILE["ffconcat"].encode()), "r") as container:
        assert sum(frame.samples for frame in container.decode(audio=0)) == 48_000


@settings(max_examples=100, deadline=None, derandomize=True)
@given(
    st.binary(max_size=2_000),
    st.sampled_from([b"", b"RIFF\0\0\0\0WAVE", b"OggS", b"fLaC", b"ID3", b"\0\0\0\x14ftyp"]),
)
def test_any_bytes_are_audio_or_refused(data: bytes, beginning: bytes) -> None:
    survives(beginning + data)


EDITS = st.lists(st.tuples(st.floats(0, 1), st.binary(max_size=8)), min_size=1, max_size=12)


@settings(max_examples=300, deadline=None, derandomize=True)
@given(st.sampled_from(sorted(WHOLE)), EDITS, st.floats(0, 1), st.booleans())
def test_damaged_files_are_audio_or_refused(
    name: str, edits: Iterable[tuple[float, bytes]], part: float, header: bool
) -> None:
    data = bytearray(WHOLE[name])
    for place, replacement in edits:
        at = int(place * (min(len(data), 600) if header else len(data)))
        data[at : at + len(replacement)] = replacement
    survives(bytes(data[: int(part * len(data))] if part > 0.5 else data))


ODD = sorted(path for path in RECORDINGS.iterdir() if path.suffix != ".md")
HUGE = st.sampled_from([0, 1, 0x7FFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF])
SIZES = st.builds(lambda order, size: struct.pack(order + "I", size), st.sampled_from("<>"), HUGE)
LONG_SIZES = st.sampled_from([1 << 40, 1 << 62, (1 << 64) - 1]).map(lambda size: struct.pack(">Q", size))
CHANGES = st.lists(
    st.one_of(
        st.tuples(st.just("replace"), st.floats(0, 1), st.one_of(SIZES, LONG_SIZES, st.binary(max_size=9))),
        st.tuples(st.just("repeat"), st.floats(0, 1), st.integers(1, 4_000)),
        st.tuples(st.just("remove"), st.floats(0, 1), st.integers(1, 4_000)),
    ),
    min_size=1,
    max_size=4,
)


@settings(max_examples=300, deadline=None, derandomize=True)
@given(
    st.sampled_from([*WHOLE.values(), *(path.read_bytes() for path in ODD)]),
    CHANGES,
    st.sampled_from([200, 1_000, 1 << 30]),
)
def test_sizes_that_lie_and_chunks_that_come_twice(
    whole: bytes, changes: Iterable[tuple[str, float, bytes | int]], within: int
) -> None:
    data = bytearray(whole)
    for kind, place, what in changes:
        at = int(place * min(len(data), within))
        if isinstance(what, bytes):
            data[at : at + len(what)] = what
        elif kind == "repeat":
            data[at:at] = data[at : at + what]
        else:
            del data[at : at + what]
    survives(bytes(data))


def wave_header(channels: int, bits: int, rate: int = 24_000, tag: int = 1) -> bytes:
    align = channels * bits // 8
    layout = struct.pack("<HHIIHH", tag, channels, rate, rate * align & 0xFFFFFFFF, align & 0xFFFF, bits)
    return chunk(b"RIFF", b"WAVE" + chunk(b"fmt ", layout) + chunk(b"data", bytes(96_000)))


@pytest.mark.parametrize(
    "data",
    [
        *(pytest.param(wave_header(count, 16), id=f"{count} channels") for count in (0, 255, 256, 65_535)),
        *(pytest.param(wave_header(1, bits), id=f"{bits} bits") for bits in (0, 80, 65_535)),
        *(pytest.param(wave_header(1, 16, rate), id=f"{rate} Hz") for rate in (0, 0xFFFFFFFF)),
    ],
)
def test_formats_that_cannot_be_are_refused(data: bytes) -> None:
    with pytest.raises(AudioUndecodable, match="; send "):
        decoded(data)


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(mp3 + filler * (8_000_000 // len(filler)), id=filler[:8].hex())
        for mp3 in [WHOLE["mp3 stream"]]
        for filler in (b"\xff", b"\xff\xfb", b"ID3\4\0\0\0\0\0\0", b"TAG", b"APETAGEX", b"LYRICSBEGIN", b"\0")
    ],
)
def test_what_follows_the_sound_is_looked_through_in_bounded_steps(data: bytes) -> None:
    assert decoded(data).seconds == pytest.approx(2, abs=0.1)


def moved_layout(data: bytes) -> bytes:
    """A MOV with the order of channels of Ogg instead of the usual one."""
    at = data.index(b"chan") + 8
    return data[:at] + struct.pack(">I", 0x7A0006) + data[at + 4 :]


SECONDS_OF_SOUND = """
import sys
from audio_grpc.audio import decode
data = sys.stdin.buffer.read()
print([decode(data, max_seconds=60).seconds for _ in range(3)])
"""


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(file("aiff", "pcm_s16be", layout="7.1"), id="aiff"),
        pytest.param(file("caf", "pcm_s16le", layout="7.1"), id="caf"),
        pytest.param(moved_layout(file("mov", "pcm_s16le", layout="5.1")), id="mov"),
    ],
)
def test_an_order_of_channels_of_its_own_ends_no_process(data: bytes) -> None:
    child = subprocess.run(
        [sys.executable, "-c", SECONDS_OF_SOUND], input=data, capture_output=True, check=True
    )
    assert child.stdout == b"[2.0, 2.0, 2.0]\n"


def survives(data: bytes) -> None:
    try:
        audio = decode(data, max_seconds=10)
    except InvalidRequest:
        pass  # nothing else may come out
    else:
        assert 0 < audio.seconds <= 10.1
        assert np.abs(audio.samples).max() <= 1.0
