"""ASF (WMA) and FLV: objects with a size, one after the other."""

from collections.abc import Iterator

from audio_grpc.audio.formats.bounds import MAX_STEPS, cut, truncated

_ASF_HEADER = bytes.fromhex("3026b2758e66cf11a6d900aa0062ce6c")
_ASF_DATA = bytes.fromhex("3626b2758e66cf11a6d900aa0062ce6c")
_ASF_HEAD_BYTES = 24
_UNKNOWN_SIZE = 1 << 62

_FLV = b"FLV\x01"
_FLV_HEAD_BYTES, _TAG_HEAD_BYTES, _BACK_BYTES = 9, 11, 4


def check(data: bytes) -> None:
    """Raises AudioTruncated if the packets of an ASF, or a tag of an FLV, end after the file."""
    for end in _sound_ends(data):
        if end > len(data):
            raise truncated(f"{end} bytes", f"{len(data)}")


def parts(data: bytes) -> list[bytes]:
    """The files that follow each other: each begins with a header."""
    if data.startswith(_FLV):
        return cut(data, (at for at in _flv_places(data) if _is_flv(data, at)))
    return cut(data, (at for at, name, _ in _asf_objects(data) if name == _ASF_HEADER))


def _sound_ends(data: bytes) -> Iterator[int]:
    if data.startswith(_FLV):
        for at in _flv_places(data):
            if not _is_flv(data, at):
                yield at + _TAG_HEAD_BYTES + int.from_bytes(data[at + 1 : at + 4])
    elif data.startswith(_ASF_HEADER):
        for at, name, size in _asf_objects(data):
            if name == _ASF_DATA and size < _UNKNOWN_SIZE:
                yield at + size


def _asf_objects(data: bytes) -> Iterator[tuple[int, bytes, int]]:
    """Yields the place, name and whole size of each; a recorder of a stream leaves a size of nothing."""
    at = 0
    for _ in range(MAX_STEPS):
        if at + _ASF_HEAD_BYTES > len(data):
            return
        size = int.from_bytes(data[at + 16 : at + _ASF_HEAD_BYTES], "little")
        yield at, data[at : at + 16], size
        if size < _ASF_HEAD_BYTES:
            return
        at += size


def _flv_places(data: bytes) -> Iterator[int]:
    """The offsets at which headers and tags begin."""
    at = 0
    for _ in range(MAX_STEPS):
        if at + _TAG_HEAD_BYTES > len(data):
            return
        yield at
        if _is_flv(data, at):
            size = int.from_bytes(data[at + 5 : at + 9])
            at += max(_FLV_HEAD_BYTES, size)
        else:
            at += _TAG_HEAD_BYTES + int.from_bytes(data[at + 1 : at + 4])
        at += _BACK_BYTES


def _is_flv(data: bytes, at: int) -> bool:
    return data.startswith(_FLV, at)
