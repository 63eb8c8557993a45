"""Finds the media type of sound by its first bytes, or by the format of its samples."""

from collections.abc import Mapping

from audio_grpc.v1.audio_pb2 import AUDIO_ENCODING_ALAW, AUDIO_ENCODING_MULAW
from audio_grpc.v1.speech_to_text_pb2 import (
    SAMPLE_FORMAT_ALAW,
    SAMPLE_FORMAT_F32LE,
    SAMPLE_FORMAT_MULAW,
    SAMPLE_FORMAT_S16LE,
)

UNKNOWN = "application/octet-stream"
WAV = "audio/wav"
# Where the mark of a format is, and what it looks like.
MARKS = (
    (8, b"WAVE", WAV),
    (0, b"ID3", "audio/mpeg"),
    (0, b"OggS", "audio/ogg"),
    (0, b"fLaC", "audio/flac"),
    (4, b"ftyp", "audio/mp4"),
    (0, b"\x1aE\xdf\xa3", "audio/webm"),
)
# WAVE_FORMAT_* of RFC 2361, and bits of a sample.
WAVE_CODES: Mapping[int, tuple[int, int]] = {
    SAMPLE_FORMAT_S16LE: (1, 16),
    SAMPLE_FORMAT_F32LE: (3, 32),
    SAMPLE_FORMAT_ALAW: (6, 8),
    SAMPLE_FORMAT_MULAW: (7, 8),
}
# Bare sound that was made and is kept with a header, since few programs play it without one.
HEADED: Mapping[int, int] = {
    AUDIO_ENCODING_ALAW: SAMPLE_FORMAT_ALAW,
    AUDIO_ENCODING_MULAW: SAMPLE_FORMAT_MULAW,
}


def media_type_of(data: bytes) -> str:
    """The IANA media type of a sound file; UNKNOWN if its first bytes do not tell."""
    for place, mark, media_type in MARKS:
        if data.startswith(mark, place):
            return media_type
    # Two kinds of frames begin with eleven bits that are set, or twelve; the layer of ADTS is 0.
    if len(data) > 1 and data[0] == 0xFF and data[1] & 0xE0 == 0xE0:
        return "audio/mpeg" if data[1] & 0x06 else "audio/aac"
    return UNKNOWN
