"""Headers for sound that comes without one, so that a reader knows what it is."""

from audio_grpc.audio import CODECS, wave_header
from audio_grpc.client import Encoding

# WAVE_FORMAT_* of RFC 2361, and the bits of a sample.
WAVE_CODES = {Encoding.PCM_S16LE: (1, 16), Encoding.ALAW: (6, 8), Encoding.MULAW: (7, 8)}
BARE = tuple(encoding for encoding in Encoding if not CODECS[encoding].has_header)


def headed(data: bytes, encoding: Encoding, sample_rate_hertz: int) -> bytes:
    """The sound as a file: bare samples after a WAV header, everything else as it is."""
    if encoding not in BARE:
        return data
    return wave_header(*WAVE_CODES[encoding], 1, sample_rate_hertz, len(data)) + data
