"""Files that are not whole, not audio, or too long."""

import io

import av
import numpy as np
import pytest

from audio_grpc.audio import RawFormat, decode, encode
from audio_grpc.errors import AudioEmpty, AudioTooLong, AudioTruncated, AudioUndecodable, SpeechError
from audio_grpc.types import Encoding
from tests.audio.files import RATE, STREAMED_WAV, WHOLE, decoded, file, made, typed_wav, wav


@pytest.mark.parametrize(
    "name",
    [name for name in WHOLE if name in {"aiff", "au", "flac", "mp3", "webm", "wv", "tta", "mov"}]
    + [name for name in WHOLE if name.startswith(("wav,", "m4a", "mp4"))],
)
@pytest.mark.parametrize("part", [0.5, 0.7])
def test_half_a_file_is_noticed(name: str, part: float) -> None:
    with pytest.raises(AudioTruncated, match=r"announces .*; send all of it") as refusal:
        decoded(WHOLE[name][: round(len(WHOLE[name]) * part)])
    assert refusal.value.field == "audio"


@pytest.mark.parametrize("lost", [1, 2, 100])
@pytest.mark.parametrize("name", ["wav, stereo", "m4a", "flac"])
def test_even_a_little_is_missed(name: str, lost: int) -> None:
    with pytest.raises(AudioTruncated):
        decoded(WHOLE[name][:-lost])


def test_an_mp4_without_its_index_is_undecodable() -> None:
    data = WHOLE["m4a"]
    with pytest.raises(AudioUndecodable, match="damaged"):
        decoded(data[: data.index(b"moov") - 4])


@pytest.mark.parametrize("name", ["m4a", "flac", "aac", "mp3 stream"])
def test_a_hole_is_noticed(name: str) -> None:
    data = WHOLE[name]
    hole = len(data) // 2
    damaged = data[:hole] + bytes(2_000) + data[hole + 2_000 :]
    with pytest.raises((AudioUndecodable, AudioTruncated), match="damaged"):
        decoded(damaged)


def test_the_rest_of_an_mp4_is_blank() -> None:
    data = WHOLE["m4a"]
    sound, index = data.index(b"mdat") + 4, data.index(b"moov") - 4
    middle = (sound + index) // 2
    with pytest.raises(AudioUndecodable, match="damaged"):
        decoded(data[:middle] + bytes(index - middle) + data[index:])


def test_no_packet_can_be_decoded() -> None:
    data = bytearray(made(Encoding.AAC))
    at = 0
    while at < len(data):
        size = int.from_bytes(data[at + 3 : at + 6]) >> 5 & 0x1FFF
        data[at + 7 : at + size] = b"\xff" * (size - 7)
        at += size
    with pytest.raises(AudioUndecodable, match="damaged"):
        decoded(bytes(data))


def test_a_container_that_breaks_off_is_truncated() -> None:
    data = file("wv", "wavpack", seconds=5)
    with pytest.raises(AudioTruncated, match=r"announces 5.00 seconds of sound and has \d"):
        decoded(data[: len(data) * 7 // 10])


def test_an_mp3_with_a_large_tag_is_truncated() -> None:
    whole = WHOLE["mp3"]
    whole = b"ID3\4\0\0" + b"\0\0\x10\0" + bytes(2_048) + whole[whole.index(b"\xff\xf3") :]
    assert decoded(whole).seconds == pytest.approx(2.0, abs=0.15)
    with pytest.raises(AudioTruncated):
        decoded(whole[:-6_000])


def test_an_mp4_box_may_have_a_long_size() -> None:
    long = b"\0\0\0\1mdat" + (16 + 5_000).to_bytes(8)
    with pytest.raises(AudioTruncated, match="announces 5036 bytes and has 136"):
        decoded(b"\0\0\0\x14ftypM4A \0\0\0\0M4A " + long + bytes(100))


def test_a_wav_chunk_of_odd_size_is_padded() -> None:
    data = typed_wav(1, np.zeros(48_000, "<i2"), b"note\3\0\0\0abc\0")
    assert decoded(data).seconds == 2.0
    with pytest.raises(AudioTruncated):
        decoded(data[:-10])


NO_AUDIO = {
    "text": b"I am not a sound. " * 100,
    "one byte": b"\0",
    "zeros": bytes(50_000),
    "noise": np.random.default_rng(1).bytes(50_000),
    "html": b"<html><body>404 Not Found</body></html>" * 9,
    "png": b"\x89PNG\r\n\x1a\n" + bytes(500),
    "header only": STREAMED_WAV[:30],
}


@pytest.mark.parametrize("name", NO_AUDIO)
def test_not_audio(name: str) -> None:
    with pytest.raises(AudioUndecodable, match=r"damaged.*; send ") as refusal:
        decoded(NO_AUDIO[name])
    assert refusal.value.field == "audio"


def test_an_unknown_codec() -> None:
    with pytest.raises(AudioUndecodable, match="has a codec that is not known here; send it as") as refusal:
        decoded(STREAMED_WAV[:20] + b"\x99\x99" + STREAMED_WAV[22:])
    assert refusal.value.field == "audio"


def test_a_silent_film_has_no_audio_track() -> None:
    sink = io.BytesIO()
    with av.open(sink, "w", format="matroska") as output:
        picture = output.add_stream("mpeg4", rate=10, width=64, height=64, pix_fmt="yuv420p")
        output.mux(picture.encode(av.VideoFrame(64, 64, "yuv420p")))
        output.mux(picture.encode(None))
    with pytest.raises(AudioUndecodable, match="no audio track"):
        decoded(sink.getvalue())


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b"", id="no bytes"),
        pytest.param(wav(np.zeros((0, 1))), id="wav"),
        pytest.param(b"".join(encode([], Encoding.WAV, RATE)), id="streamed wav"),
        pytest.param(b"".join(encode([], Encoding.FLAC, RATE)), id="flac"),
    ],
)
def test_nothing_to_hear(data: bytes) -> None:
    with pytest.raises(AudioEmpty, match="; send ") as refusal:
        decoded(data)
    assert refusal.value.field == "audio"


@pytest.mark.parametrize("encoding", [Encoding.WAV, Encoding.FLAC, Encoding.PCM_S16LE])
def test_the_limit_itself_is_allowed(encoding: Encoding) -> None:
    data = made(encoding)
    raw = RawFormat(RATE) if encoding is Encoding.PCM_S16LE else None
    assert decode(data, max_seconds=2.0, raw=raw).seconds == 2.0
    with pytest.raises(AudioTooLong, match=r"longer than 1.99 seconds; send it in shorter parts") as refusal:
        decode(data, max_seconds=1.99, raw=raw)
    assert refusal.value.field == "audio"


def test_rounding_does_not_make_it_longer() -> None:
    assert decode(made(Encoding.WAV, 6), max_seconds=6).seconds == 6


def test_nothing_is_written_to_the_console(capfd: pytest.CaptureFixture[str]) -> None:
    for data in (WHOLE["aac"][:5_000] + WHOLE["aac"][6_000:], WHOLE["mp3"][:5_000], *NO_AUDIO.values()):
        with pytest.raises(SpeechError):
            decoded(data)
    assert capfd.readouterr() == ("", "")
