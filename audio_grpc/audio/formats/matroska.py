"""Elements of WebM and Matroska: an id, a size, and contents."""

from collections.abc import Iterator
from typing import NamedTuple

from audio_grpc.audio.formats.bounds import MAX_STEPS, cut, truncated

_EBML, _SEGMENT, _CLUSTER = b"\x1a\x45\xdf\xa3", b"\x18\x53\x80\x67", b"\x1f\x43\xb6\x75"
_SOUND = {_CLUSTER, b"\xa3", b"\xa0"}
"""Clusters and their blocks, single or in groups."""


class Element(NamedTuple):
    """The place of an element; what it announces may end after the file."""

    name: bytes
    at: int
    start: int
    """The start of its contents."""
    size: int | None
    """The size of its contents; None is unknown: up to the next of its kind."""


def check(data: bytes) -> None:
    """Raises AudioTruncated if a cluster, or a block of one, ends after the file.

    A recorder that could not go back leaves the size of the segment open, and often those of its clusters;
    then only a file that ends within a block is known to be cut.
    """
    for element in _elements(data):
        end = element.start + (element.size or 0)
        if end > len(data) and element.name in _SOUND:
            raise truncated(f"{end} bytes", f"{len(data)}")


def parts(data: bytes) -> list[bytes]:
    """The files that follow each other: each begins with a header."""
    return cut(data, (element.at for element in _elements(data) if element.name == _EBML))


def has_all(data: bytes) -> bool:
    """Tells if the file says how many bytes it has, and has them."""
    segments = [element for element in _elements(data) if element.name == _SEGMENT]
    return any(segments) and all(
        element.size is not None and element.start + element.size <= len(data) for element in segments
    )


def _elements(data: bytes) -> Iterator[Element]:
    """Yields the elements in order, and those in a segment or cluster that has no size or was cut."""
    at = 0
    for _ in range(MAX_STEPS if data.startswith(_EBML) else 0):
        element = _element(data, at)
        if element is None:
            return
        yield element
        is_open = element.size is None or (
            element.name == _SEGMENT and element.start + element.size > len(data)
        )
        if is_open and element.name not in (_SEGMENT, _CLUSTER):
            return
        at = element.start + (0 if is_open else element.size or 0)


def _element(data: bytes, at: int) -> Element | None:
    id_end = at + _length(data, at)
    size_length = _length(data, id_end)
    start = id_end + size_length
    if id_end == at or not size_length or start > len(data):
        return None
    bits = 7 * size_length
    size = int.from_bytes(data[id_end:start]) & ((1 << bits) - 1)
    return Element(data[at:id_end], at, start, None if size == (1 << bits) - 1 else size)


def _length(data: bytes, at: int) -> int:
    """Returns the bytes of a number, which starts with one zero bit a further byte; 0 if there is none."""
    return 9 - data[at].bit_length() if at < len(data) and data[at] else 0
