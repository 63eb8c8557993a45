"""The 8-bit codes of telephones: https://www.itu.int/rec/T-REC-G.711."""

from collections.abc import Callable

import numpy as np

from audio_grpc.samples import Samples

MULAW_BIAS = 0x84
"""Added to 16-bit samples before they are coded, so that every segment begins with a power of two."""
FULL_SCALE = np.float32(32768)


def _mulaw(code: int) -> int:
    """The 16-bit sample that a code stands for; all bits are sent inverted."""
    code ^= 0xFF
    size = (((code & 0x0F) << 3) + MULAW_BIAS << (code >> 4 & 7)) - MULAW_BIAS
    return -size if code & 0x80 else size


def _alaw(code: int) -> int:
    """The 16-bit sample that a code stands for; every other bit is sent inverted."""
    code ^= 0x55
    size, segment = ((code & 0x0F) << 4) + 8, code >> 4 & 7
    if segment:
        size = size + 0x100 << segment - 1
    return size if code & 0x80 else -size


def _table(sample: Callable[[int], int]) -> Samples:
    table: Samples = np.array([sample(code) for code in range(256)], np.float32) / FULL_SCALE
    table.flags.writeable = False
    return table


_MULAW, _ALAW = _table(_mulaw), _table(_alaw)


def from_mulaw(data: bytes) -> Samples:
    """The samples of mu-law codes, one byte each."""
    samples: Samples = _MULAW[np.frombuffer(data, np.uint8)]
    return samples


def from_alaw(data: bytes) -> Samples:
    """The samples of A-law codes, one byte each."""
    samples: Samples = _ALAW[np.frombuffer(data, np.uint8)]
    return samples
