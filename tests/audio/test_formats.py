"""Joined files, files that were cut off, and lengths that a recorder guessed."""

import struct

import numpy as np
import pytest

from audio_grpc.audio.formats import check_bytes, mpeg, parts
from audio_grpc.errors import AudioTruncated, AudioUndecodable
from audio_grpc.types import Encoding
from tests.audio.files import RATE, WHOLE, decoded, file, frequency, made, tone, typed_wav
from tests.audio.test_clock import ogg_pages, sounding
from tests.audio.test_decode import APE, ID3V1

JUNK = np.random.default_rng(5).bytes(5_000)
MP3, BARE_MP3, AAC = WHOLE["mp3"], made(Encoding.MP3), made(Encoding.AAC)
FAKE_FRAMES = b"\xff\xfb\x90\x64" * 4_000


def id3(contents: bytes) -> bytes:
    size = len(contents)
    return b"ID3\4\0\0" + bytes(size >> shift & 0x7F for shift in (21, 14, 7, 0)) + contents


def ape(contents: bytes) -> bytes:
    """Returns an APE tag with a header and a footer."""
    size = struct.pack("<II", 2_000, len(contents) + 32)
    head = b"APETAGEX" + size + struct.pack("<II", 1, 0xA0000000) + bytes(8)
    return head + contents + b"APETAGEX" + size + struct.pack("<II", 1, 0x80000000) + bytes(8)


TAGS = {
    "id3v2": id3(bytes(2_000)),
    "id3v2 with what looks like frames": id3(FAKE_FRAMES),
    "id3v1": ID3V1,
    "ape": ape(FAKE_FRAMES),
    "ape, only a footer": APE,
    "ape and id3v1": APE + ID3V1,
    "lyrics": b"LYRICSBEGIN" + FAKE_FRAMES + b"000012LYRICS200",
    "all": ape(b"x" * 50) + ID3V1 + id3(b"y" * 50),
    "a little of something else": JUNK[:100],
    "zeros": bytes(400),
}


@pytest.mark.parametrize("tag", TAGS)
@pytest.mark.parametrize("one", [MP3, BARE_MP3, AAC], ids=["mp3", "mp3 without a count", "aac"])
def test_joined_with_tags_between(one: bytes, tag: str) -> None:
    audio = decoded(one + TAGS[tag] + one + TAGS[tag] + one)
    assert audio.seconds == pytest.approx(3 * decoded(one).seconds, abs=0.1)
    assert frequency(audio.samples, 16_000) == pytest.approx(440, abs=2)


def test_what_encoders_put_around_the_sound_of_each_is_left_out() -> None:
    assert decoded(id3(b"x") + MP3 + ID3V1 + id3(b"x") + MP3 + ID3V1).seconds == pytest.approx(4, abs=0.001)


@pytest.mark.parametrize("one", [BARE_MP3, AAC], ids=["mp3", "aac"])
def test_much_of_something_else_is_damage(one: bytes) -> None:
    with pytest.raises(AudioUndecodable, match="between its frames is something else; send it intact"):
        decoded(one + JUNK + one)


def test_only_layer_three_and_two_are_walked() -> None:
    assert [mpeg.frame_size(bytes(head), 0) for head in ([0xFF, 0xFF, 0x90, 0, 0, 0], bytes(6), b"\xff")] == [
        0,
        0,
        0,
    ]
    layer2 = file("mp2", "mp2")
    assert list(mpeg.parts(layer2 + ID3V1)) == [layer2]


@pytest.mark.parametrize(
    "name",
    [
        name
        for name in WHOLE
        if name.startswith(
            (
                *("wav", "aiff", "m4a", "mp4", "mov", "webm", "mkv", "mp3", "aac", "flac", "ogg", "au"),
                *("w64", "caf", "avi", "flv", "wma", "wv", "tta", "mpeg"),
            )
        )
    ],
)
def test_all_of_joined_files_is_heard(name: str) -> None:
    audio = decoded(WHOLE[name] * 3)
    assert audio.seconds == pytest.approx(3 * decoded(WHOLE[name]).seconds, abs=0.15)
    assert sounding(audio.samples)[-1][1] == pytest.approx(audio.seconds, abs=0.1)


def test_joined_files_begin_with_no_header_in_their_sound() -> None:
    for name in ("au", "w64", "caf", "tta", "wv"):
        assert len(decoded(WHOLE[name] * 2, RATE).samples) == 2 * len(decoded(WHOLE[name], RATE).samples)


@pytest.mark.parametrize("codec", ["libopus", "flac"])
def test_chained_files_may_differ_in_their_channels(codec: str) -> None:
    one, other = file("ogg", codec), file("ogg", codec, layout="stereo")
    for data in (one + other, other + one + b"junk" * 50 + other):
        audio = decoded(data)
        assert audio.seconds == pytest.approx(6 if len(data) > len(one + other) else 4, abs=0.05)
        assert frequency(audio.samples, 16_000) == pytest.approx(440, abs=2)


NARROW = b"#!AMR\n" + (b"\x3c" + bytes(31)) * 10 + b"\x44" + bytes(5)
WIDE = b"#!AMR-WB\n" + (b"\x44" + bytes(60)) * 10 + b"\x7c"


@pytest.mark.parametrize("one", [NARROW, WIDE], ids=["narrow", "wide"])
def test_joined_recordings_of_telephones(one: bytes) -> None:
    seconds = decoded(one).seconds
    assert seconds == pytest.approx(0.22, abs=0.021)
    assert decoded(one * 3).seconds == pytest.approx(3 * seconds, abs=0.001)


def test_the_last_of_joined_files_may_be_cut_off() -> None:
    for name in ("wav", "m4a", "webm", "aiff", "mp3", "w64", "caf", "avi", "flv", "wma", "tta", "wv", "au"):
        with pytest.raises(AudioTruncated):
            decoded(WHOLE[name] + WHOLE[name][: len(WHOLE[name]) * 2 // 3])


def test_joined_files_of_odd_sizes_without_padding() -> None:
    odd = typed_wav(1, np.zeros(24_001, "u1"))
    assert decoded(odd * 3).seconds == pytest.approx(3, abs=0.01)
    assert decoded((odd + b"\0") * 3).seconds == pytest.approx(3, abs=0.01)


def test_too_many_joined_files() -> None:
    with pytest.raises(AudioUndecodable, match="joined of more than 1000 files"):
        decoded(typed_wav(1, np.zeros(4, "<i2")) * 1_001)


def longer(wave: bytes, more: int) -> bytes:
    at = wave.index(b"data") + 4
    return wave[:at] + struct.pack("<I", len(wave) - at - 4 + more) + wave[at + 4 :]


PLAIN_WAV = typed_wav(1, (tone() * 32_767).astype("<i2"))


@pytest.mark.parametrize("more", [8, 36, 44, 2_000_000_000 - 96_000, 0xFFFFFFFF - 96_000])
def test_a_wav_may_count_its_header_among_the_samples(more: int) -> None:
    assert decoded(longer(PLAIN_WAV, more)).seconds == 2.0


def test_a_wav_may_count_a_longer_header() -> None:
    wave = typed_wav(1, np.zeros(48_000, "<i2"), b"LIST\x1a\0\0\0INFO" + bytes(22))
    assert decoded(longer(wave, wave.index(b"data") + 8)).seconds == 2.0


@pytest.mark.parametrize("more", [2, 45, 1_000, 96_000, 1_000_000_000])
def test_a_wav_that_lacks_something_else_was_cut(more: int) -> None:
    with pytest.raises(AudioTruncated):
        decoded(longer(PLAIN_WAV, more))


def test_a_name_within_another_chunk_is_no_chunk() -> None:
    fake = (
        b"LIST" + struct.pack("<I", 28) + b"INFOdata" + struct.pack("<I", 16) + b"data\xff\0\0\0RIFF\0\0\0\1"
    )
    assert decoded(typed_wav(1, (tone() * 32_767).astype("<i2"), fake)).seconds == 2.0


def rf64(form: bytes = b"RF64", announced: int | None = None) -> bytes:
    samples = (tone() * 32_767).astype("<i2").tobytes()
    layout = b"fmt " + struct.pack("<IHHIIHH", 16, 1, 1, RATE, RATE * 2, 2, 16)
    size = len(samples) if announced is None else announced
    ds64 = b"ds64" + struct.pack("<IQQQI", 28, size + 72, size, size // 2, 0)
    return form + b"\xff\xff\xff\xffWAVE" + ds64 + layout + b"data\xff\xff\xff\xff" + samples


@pytest.mark.parametrize("form", [b"RF64"])
def test_long_wavs(form: bytes) -> None:
    assert decoded(rf64(form)).seconds == 2.0
    assert decoded(rf64(form, announced=(1 << 63) - 1)).seconds == 2.0
    with pytest.raises(AudioTruncated, match="announces 96000 bytes of samples"):
        decoded(rf64(form)[:-50_000])


@pytest.mark.parametrize(
    "name", ["w64", "caf", "avi", "aiff", "ogg", "ogg, flac", "opus stream", "webm, live", "flv", "wma"]
)
@pytest.mark.parametrize("part", [0.41, 0.55, 0.8])
def test_a_cut_within_a_packet_is_noticed(name: str, part: float) -> None:
    with pytest.raises(AudioTruncated, match=r"announces .*; send all of it"):
        decoded(WHOLE[name][: round(len(WHOLE[name]) * part)])


def test_an_ogg_without_a_last_page_is_whole() -> None:
    """Recorders of live streams never mark one."""
    pages = list(ogg_pages(file("ogg", "libopus", seconds=5)))
    assert decoded(b"".join(pages[:-2])).seconds == pytest.approx(4, abs=0.1)


def test_an_ogg_that_ends_within_a_packet_was_cut() -> None:
    pages = list(ogg_pages(file("ogg", "libopus", seconds=5)))
    last = bytearray(pages[-2])
    last[26 + last[26]] = 255
    for page in (bytes(last) + bytes(255), b"OggS\0", b"OggS" + bytes(22) + b"\x09\1"):
        with pytest.raises(AudioTruncated):
            check_bytes(b"".join(pages[:-2]) + page)


def test_a_mark_within_a_page_is_no_page() -> None:
    pages = list(ogg_pages(WHOLE["ogg"]))
    comment = bytearray(pages[1])
    comment[40:44] = b"OggS"
    check_bytes(pages[0] + bytes(comment) + b"".join(pages[2:]))


def patched(data: bytes, seconds: float) -> bytes:
    """The duration in a WebM's header, in milliseconds."""
    at = data.index(b"\x44\x89\x88") + 3
    return data[:at] + struct.pack(">d", seconds * 1000) + data[at + 8 :]


@pytest.mark.parametrize("seconds", [0.0, 1.0, 2.6, 5.0])
def test_a_webm_that_has_all_of_its_bytes_is_whole(seconds: float) -> None:
    assert decoded(patched(WHOLE["webm"], seconds)).seconds == pytest.approx(2, abs=0.01)


def unsized(data: bytes) -> bytes:
    """Makes the size of the segment unknown, like recorders that cannot go back."""
    at = data.index(b"\x18\x53\x80\x67") + 4
    return data[:at] + b"\x01" + b"\xff" * 7 + data[at + 8 :]


LONG_WEBM = unsized(file("webm", "libopus", seconds=10))


@pytest.mark.parametrize("seconds", [9.0, 10.0, 10.9])
def test_a_recorder_may_guess_the_duration(seconds: float) -> None:
    assert decoded(patched(LONG_WEBM, seconds)).seconds == pytest.approx(10, abs=0.01)


@pytest.mark.parametrize("seconds", [11.5, 20.0])
def test_within_a_second(seconds: float) -> None:
    with pytest.raises(AudioTruncated, match=r"announces \d+\.\d+ seconds of sound and has 10.0"):
        decoded(patched(LONG_WEBM, seconds))


def test_a_short_recording_has_less_slack() -> None:
    short = unsized(file("webm", "libopus", seconds=1))
    assert decoded(patched(short, 1.2)).seconds == pytest.approx(1, abs=0.01)
    with pytest.raises(AudioTruncated):
        decoded(patched(short, 1.5))


def counted(data: bytes, samples: int) -> bytes:
    """The count of samples in a FLAC's header."""
    at = data.index(b"fLaC") + 8 + 13
    return data[:at] + bytes([data[at] & 0xF0]) + struct.pack(">I", samples) + data[at + 5 :]


@pytest.mark.parametrize("samples", [0, 40_000, 48_001, 50_000])
def test_a_flac_that_decodes_to_its_end_is_whole(samples: int) -> None:
    assert decoded(counted(WHOLE["flac"], samples)).seconds == 2.0


def test_a_flac_that_lacks_much_was_cut() -> None:
    with pytest.raises(AudioTruncated):
        decoded(counted(WHOLE["flac"], 60_000))


def test_most_files_are_one_part_and_not_copied() -> None:
    names = {"wav": "wav", "m4a": "mov", "webm": "matroska", "flac": "flac", "aiff": "aiff", "ogg": "ogg"}
    for name, format_name in names.items():
        (part,) = parts(format_name, WHOLE[name])
        assert part is WHOLE[name]
