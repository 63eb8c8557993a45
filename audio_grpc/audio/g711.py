"""The 8-bit codes of telephones: https://www.itu.int/rec/T-REC-G.711."""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from audio_grpc.samples import Samples

Pcm = npt.NDArray[np.int16]
Codes = npt.NDArray[np.uint8]

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


def _mulaw_codes(sizes: npt.NDArray[np.int32]) -> Codes:
    """The codes of samples of 0 and more, before bits are inverted; the last two bits are not coded."""
    levels = np.minimum((sizes + MULAW_BIAS) >> 2, 0x1FFF)
    segments = _bit_lengths(levels) - 6
    codes: Codes = (segments << 4 | levels >> segments + 1 & 0x0F).astype(np.uint8)
    return codes


def _alaw_codes(sizes: npt.NDArray[np.int32]) -> Codes:
    """The codes of samples of 0 and more, before bits are inverted; the last four bits are not coded."""
    levels = sizes >> 4
    segments = np.maximum(_bit_lengths(levels) - 4, 0)
    codes: Codes = (segments << 4 | levels >> np.maximum(segments - 1, 0) & 0x0F).astype(np.uint8)
    return codes


def _bit_lengths(numbers: npt.NDArray[np.int32]) -> npt.NDArray[np.int32]:
    lengths: npt.NDArray[np.int32] = np.frexp(numbers)[1]
    return lengths


def _codes(code: Callable[[npt.NDArray[np.int32]], Codes], inverted: int) -> Codes:
    """The codes of all 16-bit samples, in the order of the unsigned integers with the same bits.

    The sample -1 - n has the code of n but for the highest bit, so that there are as many below 0 as above.
    """
    codes = code(np.arange(1 << 15, dtype=np.int32))
    return np.concatenate([codes ^ (inverted | 0x80), codes[::-1] ^ (inverted & 0x7F)]).astype(np.uint8)


_MULAW, _ALAW = _table(_mulaw), _table(_alaw)

_MULAW_CODES, _ALAW_CODES = _codes(_mulaw_codes, 0xFF), _codes(_alaw_codes, 0x55)


def from_mulaw(data: bytes) -> Samples:
    """The samples of mu-law codes, one byte each."""
    samples: Samples = _MULAW[np.frombuffer(data, np.uint8)]
    return samples


def from_alaw(data: bytes) -> Samples:
    """The samples of A-law codes, one byte each."""
    samples: Samples = _ALAW[np.frombuffer(data, np.uint8)]
    return samples


def to_mulaw(pcm: Pcm) -> bytes:
    """The mu-law codes of 16-bit samples, one byte each."""
    return _MULAW_CODES[pcm.view(np.uint16)].tobytes()


def to_alaw(pcm: Pcm) -> bytes:
    """The A-law codes of 16-bit samples, one byte each."""
    return _ALAW_CODES[pcm.view(np.uint16)].tobytes()
