"""Boxes of MP4 and MOV.

FFmpeg believes how many samples a file lists before it has seen one, and sets memory aside for them all.
"""

from collections.abc import Iterator
from typing import NamedTuple

from audio_grpc.audio.formats.bounds import MAX_STEPS, cut, truncated
from audio_grpc.errors import AudioUndecodable

_HEADS = {b"ftyp", b"styp", b"moov", b"moof"}
_SOUND = {b"moov", b"mdat", b"moof"}
_FIRST_BOXES = 16
"""Among which one must be of an MP4, for the file to be one."""

# Boxes in which FFmpeg looks for others, whatever they are; where these begin is counted from the box.
_PLAIN = b"dinf edts gmhd ilst mdia minf moof moov mvex schi sinf stbl traf trak tref udta wave wide"
_INSIDE = {
    **dict.fromkeys(_PLAIN.split(), (8,)),
    b"meta": (8, 12),  # with and without a version
    b"stsd": (16,),
}
_IN_SAMPLE_ENTRY = (36, 52, 72, 86)
"""The bytes of a codec's fixed fields: of sound, in three versions, and of a picture."""
_MAX_DEPTH = 12
"""FFmpeg goes down ten."""

# Where the count is, from the start of each box that FFmpeg lays out in memory, one entry a sample.
_TABLES = {b"stsz": 16, b"stz2": 16, b"trun": 12}
_LAYOUTS = {b"chan", b"chnl"}


class Box(NamedTuple):
    """The place of a box; its end may be after the file."""

    name: bytes
    start: int
    end: int


def check(data: bytes) -> None:
    """Raises AudioTruncated if a box ends after the file.

    Raises AudioUndecodable if the boxes list more samples than there are bytes.
    """
    if not _is_mp4(data):
        return
    for box in boxes(data, 0, len(data)):
        if box.name in _SOUND and box.end > len(data):
            raise truncated(f"{box.end} bytes", f"{len(data)}")
    samples = _listed_samples(data)
    if samples > len(data):
        raise _damaged(f"lists {samples} samples in {len(data)} bytes")


def parts(data: bytes) -> list[bytes]:
    """The files that follow each other: each begins with ``ftyp`` and has a ``moov`` of its own."""
    starts = [0]
    begun = 0
    has_index = False
    for box in boxes(data, 0, len(data)):
        if box.name == b"ftyp" and has_index:
            begun = box.start
        elif box.name == b"moov":
            if begun > starts[-1]:
                starts.append(begun)
            has_index = True
    return cut(data, starts)


def boxes(data: bytes, at: int, end: int) -> Iterator[Box]:
    """Yields the boxes in order from ``at``; bytes that are no box count as one until the end."""
    for _ in range(MAX_STEPS):
        if at + 8 > end:
            return
        size, name = int.from_bytes(data[at : at + 4]), data[at + 4 : at + 8]
        if size == 1:
            size = int.from_bytes(data[at + 8 : at + 16])
        if size < 8:  # 0 is "until the end"
            size = end - at
        yield Box(name, at, at + size)
        at += size


def _is_mp4(data: bytes) -> bool:
    return any(
        box.name in _HEADS for box, _ in zip(boxes(data, 0, len(data)), range(_FIRST_BOXES), strict=False)
    )


def layout_places(data: bytes) -> list[int]:
    """Finds the names of the boxes that tell which channel is which."""
    return [box.start + 4 for box in _all_boxes(data) if box.name in _LAYOUTS]


def _listed_samples(data: bytes) -> int:
    total = 0
    for box in _all_boxes(data):
        if (count := _TABLES.get(box.name)) is not None:
            total += int.from_bytes(data[box.start + count : box.start + count + 4])
        elif box.name == b"cmov":
            raise _damaged("has a compressed index")
    return total


def _all_boxes(data: bytes) -> Iterator[Box]:
    """Yields the boxes that FFmpeg reads, also misplaced ones. Raises AudioUndecodable for too many."""
    waiting = [(0, len(data), 0, b"")]
    steps = 0
    while waiting:
        at, end, depth, parent = waiting.pop()
        if depth > _MAX_DEPTH:
            continue
        for box in boxes(data, at, end):
            steps += 1
            if steps > MAX_STEPS:
                raise _damaged(f"has more than {MAX_STEPS} boxes")
            inner = _IN_SAMPLE_ENTRY if parent == b"stsd" else _INSIDE.get(box.name, ())
            waiting += [(box.start + skipped, min(box.end, end), depth + 1, box.name) for skipped in inner]
            yield box


def _damaged(found: str) -> AudioUndecodable:
    return AudioUndecodable(f"the file {found}, so it is damaged; send an intact file", field="audio")
