"""Boxes of MP4: walked whatever they say, and never searched."""

import struct

import pytest

from audio_grpc.audio.formats import mp4
from audio_grpc.errors import AudioTruncated, AudioUndecodable
from tests.audio.files import WHOLE, decoded, file

M4A, FRAGMENTS = WHOLE["m4a"], WHOLE["mp4, fragments"]
FTYP = b"\0\0\0\x14ftypM4A \0\0\0\0M4A "
COUNT = struct.pack(">I", 500_000_000)


def box(name: bytes, *contents: bytes) -> bytes:
    body = b"".join(contents)
    return struct.pack(">I", 8 + len(body)) + name + body


def long_box(name: bytes, *contents: bytes) -> bytes:
    body = b"".join(contents)
    return b"\0\0\0\1" + name + struct.pack(">Q", 16 + len(body)) + body


def table(name: bytes) -> bytes:
    """Returns a table that lists 500 million samples."""
    return box(name, bytes(4), COUNT * 2, bytes(8)) if name == b"trun" else box(name, bytes(7), b"\1", COUNT)


NAMES = [b"trun", b"stsz", b"stz2", b"moof", b"moov", b"mdat", b"ftyp", b"cmov"]


@pytest.mark.parametrize("name", NAMES)
def test_a_name_in_a_title_is_no_box(name: bytes) -> None:
    title = name * 8 + b"\xff" * 16
    text = box(b"data", struct.pack(">II", 1, 0), title)
    tags = box(b"udta", box(b"meta", bytes(4), box(b"ilst", box(b"\xa9nam", text))))
    for where in (box(b"free", title), box(b"uuid", title), box(b"mdat", title), tags):
        assert decoded(M4A + where).seconds == pytest.approx(2, abs=0.01)


@pytest.mark.parametrize("name", [b"trun", b"stsz", b"stz2"])
@pytest.mark.parametrize(
    "path",
    [
        (b"moov",),
        (b"moof", b"traf"),
        (b"moov", b"trak", b"mdia", b"minf", b"stbl"),
        (b"moov", b"udta"),
        (b"moov", b"udta", b"ilst"),
        (b"udta",),
        (),
    ],
    ids=lambda path: b"/".join(path).decode() or "at the top",
)
def test_tables_of_more_samples_than_bytes_are_found_wherever_ffmpeg_reads_them(
    name: bytes, path: tuple[bytes, ...]
) -> None:
    extra = table(name)
    for outer in reversed(path):
        extra = box(outer, extra)
    with pytest.raises(AudioUndecodable, match=r"lists \d+ samples in \d+ bytes"):
        mp4.check(M4A + extra)


@pytest.mark.parametrize("skipped", [28, 44, 64, 78])
def test_tables_within_the_description_of_a_codec_are_found(skipped: int) -> None:
    entry = box(b"mp4a", bytes(skipped), table(b"stsz"))
    with pytest.raises(AudioUndecodable, match="lists"):
        mp4.check(M4A + box(b"stsd", bytes(8), entry))


@pytest.mark.parametrize("version", [b"", bytes(4)])
def test_tables_in_metadata_with_and_without_a_version_are_found(version: bytes) -> None:
    with pytest.raises(AudioUndecodable, match="lists"):
        mp4.check(M4A + box(b"meta", version, box(b"hdlr", bytes(24)), table(b"trun")))


def test_a_compressed_index_is_refused() -> None:
    with pytest.raises(AudioUndecodable, match="compressed index"):
        mp4.check(FTYP + box(b"moov", box(b"cmov", box(b"dcom", b"zlib"))))


def test_sizes_of_64_bits_and_until_the_end() -> None:
    at = M4A.index(b"mdat") - 4
    size = int.from_bytes(M4A[at : at + 4])
    assert mp4.parts(M4A) == [M4A]
    rest = b"\0\0\0\0free" + bytes(100)
    assert decoded(M4A + rest).seconds == pytest.approx(2, abs=0.01)
    with pytest.raises(AudioTruncated, match=r"announces \d+ bytes"):
        mp4.check(M4A[:at] + b"\0\0\0\1mdat" + struct.pack(">Q", 1 << 62) + M4A[at + size :])


@pytest.mark.parametrize("size", [1, 2, 7, 8])
def test_a_box_that_is_smaller_than_itself_ends_the_walk(size: int) -> None:
    mp4.check(FTYP + struct.pack(">I", size) + b"moov" + bytes(30))


def test_a_child_that_is_longer_than_its_parent_ends_with_it() -> None:
    lying = struct.pack(">I", 0x7FFFFFFF) + b"udta" + bytes(12)
    assert decoded(M4A + box(b"udta", lying)).seconds == pytest.approx(2, abs=0.01)


def test_boxes_within_boxes_without_end() -> None:
    nested = b"".join(struct.pack(">I", 8 * (200_000 - depth)) + b"udta" for depth in range(200_000))
    mp4.check(FTYP + nested)


def test_boxes_without_number() -> None:
    with pytest.raises(AudioUndecodable, match="more than 1000000 boxes"):
        mp4.check(FTYP + box(b"moov", b"\0\0\0\x08free" * 1_000_001))


@pytest.mark.parametrize("is_first", [True, False])
def test_the_index_may_be_first_or_last(is_first: bool) -> None:
    data = file("mp4", "aac", moov_size="20000") if is_first else file("mp4", "aac")
    assert (data.index(b"moov") < data.index(b"mdat")) == is_first
    assert decoded(data).seconds == pytest.approx(2, abs=0.01)
    with pytest.raises(AudioTruncated):
        decoded(data[:-3_000])


@pytest.mark.parametrize("part", [0.3, 0.5, 0.7, 0.9])
def test_fragments_that_were_cut_off(part: float) -> None:
    with pytest.raises(AudioTruncated):
        decoded(FRAGMENTS[: round(part * len(FRAGMENTS))])
