"""What a file says about its own size, to tell a whole upload from one that was cut off.

FFmpeg plays what is there and does not complain. It also believes how many samples an MP4 lists before
it has seen one, and sets memory aside for them all.
"""

from collections.abc import Iterator

from av.container import InputContainer

from audio_grpc.errors import AudioTruncated, AudioUndecodable

# Recorders that cannot go back to their header leave 0 there, or about the largest (signed) number.
_UNKNOWN_WAV_SIZE = 0x7FFF0000

_MP4_FIRST_BOXES = {b"ftyp", b"styp", b"moov", b"mdat", b"wide", b"free", b"skip"}
_MP4_SOUND_BOXES = {b"moov", b"mdat", b"moof"}
# Offset of the count from the name of each box that FFmpeg lays out in memory, one entry a sample.
_MP4_TABLES = {b"stsz": 12, b"trun": 8}

# In other formats FFmpeg's duration is an estimate, the picture's, or that of the part which is there;
# so it is for other codecs in Matroska.
_EXACT = {"flac", "aiff", "au", "wv", "tta"}
_MATROSKA_CODECS = {"opus", "vorbis", "flac"}
_TIMED = {"wav", "mov", "ogg"}  # those that say how long they are, but not always truly
_EXACT_SLACK_SECONDS = 1e-6  # the rounding of a sum
_SLACK_SECONDS = 0.5  # delay and padding of the encoder


def check_bytes(data: bytes) -> None:
    """AudioTruncated if a WAV or MP4 says that it is longer; AudioUndecodable if its tables cannot be."""
    if data[:4] == b"RIFF" and data[8:12] == b"WAVE":
        _check_wav(data)
    elif data[4:8] in _MP4_FIRST_BOXES:
        _check_mp4(data)


def check_seconds(container: InputContainer, data: bytes, sounded: float, ended: float) -> None:
    """AudioTruncated if the container announced more than was decoded.

    ``sounded`` is how many seconds of samples there were. ``ended`` is when the last of them did by the
    container's clock, which is later if there were pauses that it did not record.
    """
    name = container.format.name.partition(",")[0]
    present = ended if name == "matroska" else sounded
    announced = _announced_seconds(name, container, data)
    if announced - present > (_EXACT_SLACK_SECONDS if name in _EXACT else _SLACK_SECONDS):
        raise _truncated(f"{announced:.2f} seconds of sound", f"{present:.2f}")


def expected_seconds(container: InputContainer, data: bytes) -> float | None:
    """How long the sound is, as far as that can be told without decoding it; no estimate."""
    name = container.format.name.partition(",")[0]
    stream = container.streams.audio[0]
    seconds = _announced_seconds(name, container, data)
    if name in _TIMED and stream.duration and stream.time_base:
        seconds = float(stream.duration * stream.time_base)
    if name == "wav" and stream.codec_context.bit_rate:  # a recorder may have left any length in its header
        seconds = min(seconds, len(data) * 8 / stream.codec_context.bit_rate)
    return seconds or None


def _truncated(announced: str, present: str) -> AudioTruncated:
    return AudioTruncated(
        f"the file announces {announced} and has {present}: it was cut off or damaged; send all of it",
        field="audio",
    )


def _check_wav(data: bytes) -> None:
    at = 12
    while at + 8 <= len(data):
        name, size = data[at : at + 4], int.from_bytes(data[at + 4 : at + 8], "little")
        at += 8
        if name == b"data":
            if len(data) - at < size < _UNKNOWN_WAV_SIZE:
                raise _truncated(f"{size} bytes of samples", f"{len(data) - at}")
            return
        at += size + size % 2


def _check_mp4(data: bytes) -> None:
    samples = 0
    for name, start, end in _top_boxes(data):
        if name in _MP4_SOUND_BOXES and end > len(data):
            raise _truncated(f"{end} bytes", f"{len(data)}")
        if name != b"mdat":
            samples += _listed_samples(data, start, end)
    if samples > len(data):
        raise AudioUndecodable(
            f"the file lists {samples} samples in {len(data)} bytes, so it is damaged; send an intact file",
            field="audio",
        )


def _top_boxes(data: bytes) -> Iterator[tuple[bytes, int, int]]:
    """Name, start and announced end of each; what is no box counts as one until the end."""
    at = 0
    while at + 8 <= len(data):
        size, name = int.from_bytes(data[at : at + 4]), data[at + 4 : at + 8]
        if size == 1:
            size = int.from_bytes(data[at + 8 : at + 16])
        if size < 8:  # 0 is "until the end"
            size = len(data) - at
        yield name, at, at + size
        at += size


def _listed_samples(data: bytes, start: int, end: int) -> int:
    """Wherever the tables are: FFmpeg reads them in boxes where they have no business, too."""
    total = 0
    for name, offset in _MP4_TABLES.items():
        at = data.find(name, start, end)
        while at >= 0 and total <= len(data):
            total += int.from_bytes(data[at + offset : at + offset + 4])
            at = data.find(name, at + 4, end)
    return total


def _announced_seconds(name: str, container: InputContainer, data: bytes) -> float:
    stream = container.streams.audio[0]
    codec = stream.codec_context.name
    if name == "mp3" and stream.rate:
        return _announced_mp3_frames(data) * (1152 if stream.rate >= 32_000 else 576) / stream.rate
    if name == "matroska" and len(container.streams) == 1 and codec in _MATROSKA_CODECS:
        return (container.duration or 0) / 1_000_000
    if name in _EXACT and stream.duration and stream.time_base:
        return float(stream.duration * stream.time_base)
    return 0.0


def _announced_mp3_frames(data: bytes) -> int:
    """From the Xing (or Info) header in the first frame; 0 without one, and FFmpeg would only guess."""
    at = 0
    if data[:3] == b"ID3":
        high, middle, low, lowest = data[6:10]
        at = 10 + (high << 21 | middle << 14 | low << 7 | lowest)
    first = data[at : at + 200]
    header = max(first.find(b"Xing"), first.find(b"Info"))
    has_count = header >= 0 and first[header + 7 : header + 8] != b"" and first[header + 7] & 1
    return int.from_bytes(first[header + 8 : header + 12]) if has_count else 0
