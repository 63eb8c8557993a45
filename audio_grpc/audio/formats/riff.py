"""Chunks of a name and a size: WAV, RF64, AVI, AIFF, and W64 and CAF with 64 bits for the size."""

from collections.abc import Iterator
from typing import Literal, NamedTuple

from audio_grpc.audio.formats.bounds import MAX_STEPS, cut, truncated

# Who writes to a pipe leaves 0, or about the largest (signed) number, or two thousand million.
_UNKNOWN_SIZE = 2_000_000_000
_UNKNOWN_LONG_SIZE = 1 << 62
_GUESSES = (8, 36, 44)
"""Sizes of headers that were counted among the samples."""
_W64_RIFF, _W64_DATA = b"riff\x2e\x91\xcf\x11", b"data\xf3\xac\xd3\x11"

_WAVES = {b"RIFF", b"RIFX", b"RF64", b"BW64"}
_JOINABLE = {
    **dict.fromkeys(_WAVES, frozenset([b"WAVE"])),
    b"RIFF": frozenset([b"WAVE", b"AVI "]),
    b"FORM": frozenset([b"AIFF", b"AIFC"]),
}


class RiffChunk(NamedTuple):
    """The place of a chunk; what it announces may end after the file."""

    name: bytes
    start: int
    """The start of its contents."""
    size: int


def check(data: bytes) -> None:
    """Raises AudioTruncated if the file announces more samples than it has."""
    kind, form = data[:4], data[8:12]
    if kind in _WAVES and form == b"WAVE":
        _check_wave(data, "big" if kind == b"RIFX" else "little")
    elif kind == b"RIFF" and form == b"AVI ":
        movies = (chunk for chunk in _chunks(data, 12, "little") if _is_movie(data, chunk))
        _check_first(data, movies, _UNKNOWN_SIZE)
    elif data.startswith(_W64_RIFF):
        samples = (chunk for chunk in _wave64_chunks(data) if chunk.name == _W64_DATA)
        _check_first(data, samples, _UNKNOWN_LONG_SIZE)
    elif kind == b"caff":
        samples = (chunk for chunk in _core_chunks(data) if chunk.name == b"data")
        _check_first(data, samples, _UNKNOWN_LONG_SIZE)


def layout_places(data: bytes) -> list[int]:
    """Finds the names of the chunks, in AIFF and CAF, that tell which channel is which."""
    if data.startswith(b"caff"):
        return [chunk.start - 12 for chunk in _core_chunks(data) if chunk.name == b"chan"]
    if data.startswith(b"FORM"):
        return [chunk.start - 8 for chunk in _chunks(data, 12, "big") if chunk.name == b"CHAN"]
    return []


def parts(data: bytes) -> list[bytes]:
    """Returns the files of one kind that follow each other."""
    if data.startswith(_W64_RIFF):
        return cut(data, _starts_among(_wave64_chunks(data), _W64_RIFF, 24))
    if data.startswith(b"caff"):
        return cut(data, _starts_among(_core_chunks(data), b"caff", 12))
    order: Literal["big", "little"] = "big" if data[:4] in {b"FORM", b"RIFX"} else "little"
    return cut(data, _file_starts(data, order))


def _file_starts(data: bytes, order: Literal["big", "little"]) -> Iterator[int]:
    yield 0
    at = 12
    for _ in range(MAX_STEPS):
        name = data[at : at + 4]
        size = int.from_bytes(data[at + 4 : at + 8], order)
        if data[at + 8 : at + 12] in _JOINABLE.get(name, ()):
            yield at
            at += 12
        elif len(data) - at < 8 or (name == b"data" and (not size or size >= _UNKNOWN_SIZE)):
            return
        else:
            at = _after(data, at + 8, size)


def _starts_among(chunks: Iterator[RiffChunk], name: bytes, head_bytes: int) -> Iterator[int]:
    """The beginning, and wherever a header stands for a chunk."""
    yield 0
    for chunk in chunks:
        if chunk.name == name:
            yield chunk.start - head_bytes


def _after(data: bytes, start: int, size: int) -> int:
    """Returns where the next chunk is: at an even place, unless a writer forgot."""
    end = start + size
    is_next = data[end + 8 : end + 12] in _JOINABLE.get(data[end : end + 4], ())
    return end if is_next else end + size % 2


def _chunks(data: bytes, at: int, order: Literal["big", "little"]) -> Iterator[RiffChunk]:
    for _ in range(MAX_STEPS):
        if at + 8 > len(data):
            return
        size = int.from_bytes(data[at + 4 : at + 8], order)
        yield RiffChunk(data[at : at + 4], at + 8, size)
        at += 8 + size + size % 2


def _wave64_chunks(data: bytes) -> Iterator[RiffChunk]:
    """A name is a GUID, of which half is enough; sizes count the 24 bytes before the contents."""
    at = 40
    for _ in range(MAX_STEPS):
        if at + 24 > len(data):
            return
        size = max(24, int.from_bytes(data[at + 16 : at + 24], "little"))
        name = data[at : at + 8]
        yield RiffChunk(name, at + 24, size - 24)
        at += 40 if name == _W64_RIFF else size + -size % 8


def _core_chunks(data: bytes) -> Iterator[RiffChunk]:
    at = 8
    for _ in range(MAX_STEPS):
        if at + 12 > len(data):
            return
        size = int.from_bytes(data[at + 4 : at + 12])
        name = data[at : at + 4]
        yield RiffChunk(name, at + 12, size)
        at += 8 if name == b"caff" else 12 + size


def _is_movie(data: bytes, chunk: RiffChunk) -> bool:
    return chunk.name == b"LIST" and data[chunk.start : chunk.start + 4] == b"movi"


def _check_first(data: bytes, sound: Iterator[RiffChunk], unknown: int) -> None:
    if (chunk := next(sound, None)) and len(data) - chunk.start < chunk.size < unknown:
        raise truncated(f"{chunk.size} bytes of sound", f"{len(data) - chunk.start}")


def _check_wave(data: bytes, order: Literal["big", "little"]) -> None:
    """Raises AudioTruncated unless the missing bytes are a header, or a part of it: a recorder's guess."""
    frame_bytes = 1
    long_size: int | None = None
    for name, start, size in _chunks(data, 12, order):
        if name == b"fmt ":
            frame_bytes = int.from_bytes(data[start + 12 : start + 14], order) or 1
        elif name == b"ds64":
            long_size = int.from_bytes(data[start + 8 : start + 16], "little")
        elif name == b"data":
            announced = size if long_size is None or size != 0xFFFFFFFF else long_size
            present = len(data) - start
            is_unknown = announced >= (_UNKNOWN_SIZE if long_size is None else _UNKNOWN_LONG_SIZE)
            is_guess = announced - present in {*_GUESSES, start - 8, start} and present % frame_bytes == 0
            if announced > present and not is_unknown and not is_guess:
                raise truncated(f"{announced} bytes of samples", f"{present}")
            return
