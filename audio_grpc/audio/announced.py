"""Reads how long a file says it is, to tell a whole upload from one that was cut off.

FFmpeg plays what is there and does not complain. The rules:

- Where the structure of a file tells that bytes are missing, it was cut off (:mod:`.formats`).
- What ends in a packet that cannot be decoded must have the length that it announces.
- What decodes to its end is whole if it has what it announces but for a tenth, and at most one second:
  recorders guess, by the time that went by or by the bytes that they had. MP3 and Matroska may also lack the
  0.15 seconds that an encoder puts around the sound, which decoders drop.
- A WebM or Matroska file that has as many bytes as it says is whole, whatever its duration.
- What announces nothing is whole.
"""

from av.container import InputContainer

from audio_grpc.audio.formats import matroska, mpeg
from audio_grpc.audio.formats.bounds import truncated

# In other formats FFmpeg's duration is an estimate, the picture's, or that of the part which is there;
# so it is for other codecs in Matroska.
_EXACT = {"flac", "aiff", "au", "wv", "tta"}
_MATROSKA_CODECS = {"opus", "vorbis", "flac"}
_TIMED = {"wav", "mov", "ogg"}  # those that say how long they are, but not always truly

_SLACK_PART, _MOST_SLACK_SECONDS = 0.1, 1.0
_ROUNDING_SECONDS = 1e-6
_CODEC_DELAY_SECONDS = 0.15


def check_seconds(
    name: str, container: InputContainer, data: bytes, present: float, *, is_broken: bool
) -> None:
    """Raises AudioTruncated if the container announced more seconds than were ``present``.

    ``is_broken`` says that the last packet could not be decoded.
    """
    if matroska.has_all(data):
        return
    announced = _announced_seconds(name, container, data)
    slack = _ROUNDING_SECONDS
    if not is_broken or name not in _EXACT:
        slack += min(_SLACK_PART * announced, _MOST_SLACK_SECONDS)
    if name not in _EXACT:
        slack += _CODEC_DELAY_SECONDS
    if announced - present > slack:
        raise truncated(f"{announced:.2f} seconds of sound", f"{present:.2f}")


def expected_seconds(name: str, container: InputContainer, data: bytes) -> float | None:
    """Returns the seconds of sound as far as they can be told without decoding; None instead of a guess."""
    stream = container.streams.audio[0]
    seconds = _announced_seconds(name, container, data)
    if name in _TIMED and stream.duration and stream.time_base:
        seconds = float(stream.duration * stream.time_base)
        start = float((stream.start_time or 0) * stream.time_base)
        seconds += start if name == "mov" else -start if len(container.streams) == 1 else 0.0
    if name == "wav" and stream.codec_context.bit_rate:  # a recorder may have left any length in its header
        seconds = min(seconds, len(data) * 8 / stream.codec_context.bit_rate)
    return seconds or None


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
    """Returns the number in the first frame's Xing (or Info) header; 0 without one, where FFmpeg guesses."""
    place = mpeg.count_place(data)
    if place is None or not data[place + 7] & 1:
        return 0
    return int.from_bytes(data[place + 8 : place + 12])
