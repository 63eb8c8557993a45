"""A header, and frames whose sizes can be known: AU, AMR, TTA and WavPack."""

from collections.abc import Iterator

from audio_grpc.audio.formats.bounds import MAX_STEPS, cut
from audio_grpc.audio.formats.mpeg import tag_size

_AU = b".snd"
_NARROW, _WIDE = b"#!AMR\n", b"#!AMR-WB\n"
# Bytes of each type of frame, its head included (RFC 4867).
_NARROW_SIZES = (13, 14, 16, 18, 20, 21, 27, 32, 6)
_WIDE_SIZES = (18, 24, 33, 37, 41, 47, 51, 59, 61, 6)
_TTA, _TTA_HEAD_BYTES = b"TTA1", 22
_WAVPACK, _WAVPACK_HEAD_BYTES = b"wvpk", 32
_INITIAL_BLOCK = 0x800


def parts(data: bytes) -> list[bytes]:
    """Returns the files of one kind that follow each other."""
    return cut(data, _starts(data))


def _starts(data: bytes) -> Iterator[int]:
    yield 0
    at = _after_tags(data, 0)
    head = data[at : at + 4]
    if head == _WAVPACK:
        yield from _wavpack_starts(data, at)
        return
    for _ in range(MAX_STEPS):
        end = _end(data, at)
        if end <= at:
            return
        at = _after_tags(data, end)
        if data[at : at + 4] != head or at >= len(data):
            return
        yield at


def _end(data: bytes, at: int) -> int:
    """Returns where the file that begins there ends; 0 if that is not known."""
    if data.startswith(_AU, at):
        start, size = (int.from_bytes(data[at + place : at + place + 4]) for place in (4, 8))
        return 0 if size == 0xFFFFFFFF else at + start + size
    if data.startswith(_TTA, at):
        return _tta_end(data, at)
    if data.startswith(_WIDE, at):
        return _amr_end(data, at + len(_WIDE), _WIDE_SIZES)
    if data.startswith(_NARROW, at):
        return _amr_end(data, at + len(_NARROW), _NARROW_SIZES)
    return 0


def _after_tags(data: bytes, at: int) -> int:
    for _ in range(MAX_STEPS):
        if not (size := tag_size(data, at)):
            break
        at += size
    return at


def _tta_end(data: bytes, at: int) -> int:
    """Returns the end by the table of the sizes of frames, each of 256/245 seconds."""
    head = data[at : at + _TTA_HEAD_BYTES]
    rate, samples = int.from_bytes(head[10:14], "little"), int.from_bytes(head[14:18], "little")
    longest = rate * 256 // 245
    count = -(-samples // longest) if longest else 0
    table = at + _TTA_HEAD_BYTES
    if not 0 < count <= MAX_STEPS or table + 4 * count > len(data):
        return 0
    sizes = (int.from_bytes(data[table + 4 * i : table + 4 * i + 4], "little") for i in range(count))
    return table + 4 * count + 4 + sum(sizes)


def _amr_end(data: bytes, at: int, sizes: tuple[int, ...]) -> int:
    """Returns the end of the last frame; a frame without sound is its head alone."""
    for _ in range(MAX_STEPS):
        if at >= len(data) or data.startswith(_NARROW[:5], at):
            return at
        kind = data[at] >> 3 & 15
        at += sizes[kind] if kind < len(sizes) else 1
    return 0


def _wavpack_starts(data: bytes, at: int) -> Iterator[int]:
    """Finds where the first sample of a recording is once more."""
    is_begun = False
    for _ in range(MAX_STEPS):
        head = data[at : at + _WAVPACK_HEAD_BYTES]
        if len(head) < _WAVPACK_HEAD_BYTES or not head.startswith(_WAVPACK):
            return
        has_sound = any(head[20:24])
        if has_sound and not any(head[16:20]) and not head[10]:
            is_initial = bool(int.from_bytes(head[24:28], "little") & _INITIAL_BLOCK)
            if is_begun and is_initial:
                yield at
            is_begun = True
        at = _after_tags(data, at + 8 + int.from_bytes(head[4:8], "little"))
