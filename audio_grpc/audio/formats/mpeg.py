"""Frames of MP3 and AAC (ADTS), and the tags between them: joined files have those of the later ones midway.

What a tag has in it (a picture, a title) may look like frames, so tags are taken out by the sizes they give.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import lru_cache

from audio_grpc.audio.formats.bounds import MAX_PARTS, MAX_STEPS
from audio_grpc.errors import AudioUndecodable

_MAX_JUNK_BYTES = 512
"""The most bytes between two frames that are neither frame nor tag: players skip a little, more is a gap."""
_MAX_CANDIDATES = 100_000
"""Places that are looked at for a frame, however long the junk is."""
_MAX_TAG_BYTES = 16 << 20
_SURE_FRAMES = 4
"""The number of frames in a row that cannot be an accident."""

_ID3_HEAD, _APE_HEAD, _ID3V1 = 10, 32, 128
_MARKS = (b"\xff", b"ID3", b"APETAGEX")
_MAX_LYRICS_BYTES = 1 << 16

# Kilobits a second by their index: of MPEG-1's Layer III, of both other versions, and of MPEG-1's Layer II.
_MPEG1_RATES = (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320)
_MPEG2_RATES = (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160)
_LAYER2_RATES = (0, 32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384)
_SAMPLE_RATES = {3: (44_100, 48_000, 32_000), 2: (22_050, 24_000, 16_000), 0: (11_025, 12_000, 8_000)}


@dataclass
class _JoinedFile:
    """One file of those that were joined: stretches of whole frames, as [start, end)."""

    stretches: list[tuple[int, int]] = field(default_factory=list)

    def take(self, start: int, end: int) -> None:
        if self.stretches and self.stretches[-1][1] == start:
            start, _ = self.stretches.pop()
        self.stretches.append((start, end))


def parts(data: bytes) -> Iterator[bytes]:
    """Yield the files that were joined, without the tags around and between their frames.

    A file begins where there is a count of frames (Xing, Info). AudioUndecodable, after what was before it,
    if between frames there is more than a little that is neither frames nor tags.
    """
    found = [_JoinedFile()]
    failure: AudioUndecodable | None = None
    at = 0
    for _ in range(MAX_STEPS):
        if size := frame_size(data, at):
            if found[-1].stretches and count_place(data, at) is not None and len(found) < MAX_PARTS:
                found.append(_JoinedFile())
            found[-1].take(at, min(at + size, len(data)))
        elif at >= len(data):
            break
        elif not (size := tag_size(data, at)):
            size, is_hole = _junk(data, at)
            if is_hole and found[0].stretches:
                failure = AudioUndecodable(
                    "the file is damaged: between its frames is something else; send it intact, or as WAV or "
                    "FLAC",
                    field="audio",
                )
                break
        at += size
    if not found[0].stretches or (at < len(data) and not failure):
        yield data
        return
    for part in found:
        yield b"".join(data[start:end] for start, end in part.stretches)
    if failure:
        raise failure


def frame_size(data: bytes, at: int) -> int:
    """Returns how many bytes the frame there has; 0 if there is none."""
    head = data[at : at + 6]
    if len(head) < 6 or head[0] != 0xFF or head[1] & 0xE0 != 0xE0:
        return 0
    if _is_adts(data, at):
        return int.from_bytes(head[3:6]) >> 5 & 0x1FFF
    return _mp3_size(head[1] & 0xFE, head[2] & 0xFE)


def count_place(data: bytes, at: int = 0) -> int | None:
    """Finds "Xing" or "Info" in the first frame after tags; its flags and the count follow."""
    while size := tag_size(data, at):
        at += size
    if not frame_size(data, at) or _is_adts(data, at):
        return None
    is_mpeg1, is_mono = data[at + 1] & 8, data[at + 3] & 0xC0 == 0xC0
    side_bytes = (17 if is_mono else 32) if is_mpeg1 else (9 if is_mono else 17)
    check_bytes = 0 if data[at + 1] & 1 else 2
    place = at + 4 + check_bytes + side_bytes
    has_count = data[place : place + 4] in (b"Xing", b"Info") and place + 12 <= len(data)
    return place if has_count else None


def tag_size(data: bytes, at: int) -> int:
    """Returns how many bytes the tag there has, if it says so itself; 0 if there is none."""
    if data.startswith(b"ID3", at) and at + _ID3_HEAD <= len(data):
        high, middle, low, lowest = (byte & 0x7F for byte in data[at + 6 : at + _ID3_HEAD])
        footer = _ID3_HEAD if data[at + 5] & 0x10 else 0
        return _ID3_HEAD + (high << 21 | middle << 14 | low << 7 | lowest) + footer
    if data.startswith(b"APETAGEX", at):
        is_footer = not data[at + 23 : at + 24] or not data[at + 23] & 0x20
        return _APE_HEAD + (0 if is_footer else int.from_bytes(data[at + 12 : at + 16], "little"))
    if data.startswith(b"TAG+", at):
        return 227
    if data.startswith(b"TAG", at):
        return _ID3V1
    if data.startswith(b"LYRICSBEGIN", at):
        lyrics = data[at : at + _MAX_LYRICS_BYTES]
        ends = [end for mark in (b"LYRICS200", b"LYRICSEND") if (end := lyrics.find(mark)) >= 0]
        return min(ends) + 9 if ends else 0
    return 0


@lru_cache(maxsize=4096)
def _mp3_size(second: int, third: int) -> int:
    """Returns the bytes of a frame, by two bytes of its head; 0 if there is no such frame."""
    version, layer = second >> 3 & 3, second >> 1 & 3
    rate_index, sample_index = third >> 4, third >> 2 & 3
    if version == 1 or layer not in (1, 2) or rate_index in (0, 15) or sample_index == 3:
        return 0
    rates = _MPEG2_RATES if version != 3 else _MPEG1_RATES if layer == 1 else _LAYER2_RATES
    factor = 72_000 if layer == 1 and version != 3 else 144_000
    return factor * rates[rate_index] // _SAMPLE_RATES[version][sample_index] + (third >> 1 & 1)


def _is_adts(data: bytes, at: int) -> bool:
    return data[at + 1] & 0xF6 == 0xF0


def _junk(data: bytes, start: int) -> tuple[int, bool]:
    """Returns how much is neither frames nor a tag, and whether that is too much between frames."""
    if (near := _next_known(data, start + 1, start + _MAX_JUNK_BYTES)) is not None:
        return near - start, False
    footer = data.find(b"APETAGEX", start, start + _MAX_TAG_BYTES)
    tag_bytes = int.from_bytes(data[footer + 12 : footer + 16], "little")
    if footer >= 0 and footer + _APE_HEAD - tag_bytes == start:
        return footer - start, False  # it was a tag that says so at its end only
    far = _next_known(data, start + _MAX_JUNK_BYTES, len(data))
    return (len(data) if far is None else far) - start, far is not None


def _next_known(data: bytes, start: int, limit: int) -> int | None:
    """The first tag, or frames that follow each other, in that range."""
    places = {mark: data.find(mark, start, limit) for mark in _MARKS}
    for _ in range(_MAX_CANDIDATES):
        at = min((place for place in places.values() if place >= 0), default=None)
        if at is None or tag_size(data, at) or _is_sure(data, at):
            return at
        places |= {mark: data.find(mark, at + 1, limit) for mark, place in places.items() if place == at}
    return None


def _is_sure(data: bytes, at: int) -> bool:
    """Tells if frames follow each other from there, or up to a tag or the end of the file."""
    for _ in range(_SURE_FRAMES):
        size = frame_size(data, at)
        if not size:
            return False
        at += size
        if at >= len(data) or tag_size(data, at):
            return True
    return True
