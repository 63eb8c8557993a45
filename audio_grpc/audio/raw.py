"""Sound without a container: interleaved signed 16-bit little-endian samples."""

from dataclasses import dataclass

import numpy as np

from audio_grpc.audio.mix import Mixer
from audio_grpc.errors import InvalidRequest
from audio_grpc.samples import Samples
from audio_grpc.types import Audio

MIN_RAW_RATE_HERTZ = 1_000
MAX_RAW_RATE_HERTZ = 192_000
MAX_RAW_CHANNELS = 8

_SAMPLE_BYTES = 2


@dataclass(frozen=True, slots=True)
class RawFormat:
    """The format of samples without a header. Raises InvalidRequest (``raw_format.…``) if out of range."""

    sample_rate_hertz: int
    channel_count: int = 1

    def __post_init__(self) -> None:
        if not MIN_RAW_RATE_HERTZ <= self.sample_rate_hertz <= MAX_RAW_RATE_HERTZ:
            raise InvalidRequest(
                f"samples at {self.sample_rate_hertz} Hz are not accepted; send them at "
                f"{MIN_RAW_RATE_HERTZ} to {MAX_RAW_RATE_HERTZ} Hz",
                field="raw_format.sample_rate_hertz",
            )
        if not 1 <= self.channel_count <= MAX_RAW_CHANNELS:
            raise InvalidRequest(
                f"{self.channel_count} channels are not accepted; send 1 to {MAX_RAW_CHANNELS}, interleaved",
                field="raw_format.channel_count",
            )

    @property
    def frame_bytes(self) -> int:
        """Bytes of one sample of every channel."""
        return _SAMPLE_BYTES * self.channel_count

    def seconds(self, byte_count: int) -> float:
        """Returns the seconds that so many bytes of samples last."""
        return byte_count / self.frame_bytes / self.sample_rate_hertz

    def check(self, byte_count: int) -> None:
        """Raises InvalidRequest (``audio``) unless the bytes are whole frames."""
        if byte_count % self.frame_bytes:
            raise InvalidRequest(
                f"{byte_count} bytes are not a multiple of {self.frame_bytes}, the 16-bit samples of "
                f"{self.channel_count} channel(s); send whole samples, or correct raw_format.channel_count",
                field="audio",
            )


def from_s16le(data: bytes | memoryview) -> Samples:
    """The samples of signed 16-bit little-endian integers."""
    samples: Samples = np.frombuffer(data, "<i2") * np.float32(1 / 32768)
    return samples


def raw_audio(data: bytes | memoryview, raw: RawFormat, mixer: Mixer | None = None) -> Audio:
    """The samples in ``data`` at their own rate, in one channel; ``mixer`` is that of the samples before."""
    raw.check(len(data))
    channels = from_s16le(data).reshape(-1, raw.channel_count).T
    mixer = mixer or Mixer(raw.sample_rate_hertz)
    return Audio(mixer.mix(channels), raw.sample_rate_hertz)
