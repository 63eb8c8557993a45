"""Speech out: a stream of model chunks becomes one continuous encoded stream."""

import struct
from collections.abc import Generator, Iterable, Iterator
from contextlib import closing

import av
import numpy as np
import numpy.typing as npt
from av.container import OutputContainer

from audio_grpc.audio.codecs import CODECS, Codec, Muxer, choose_rate
from audio_grpc.audio.resample import resample
from audio_grpc.types import Audio, Encoding, Samples

Pcm = npt.NDArray[np.int16]

MAX_PIECE_BYTES = 16 * 1024
"""No piece that ``encode`` yields is larger.

A message of 64 KiB does not fit into HTTP/2's first window (65535 bytes), and its sound came 2 ms later.
"""

# A quarter of a piece in samples: even uncompressed, with a header and what an encoder held back
# from earlier blocks, a block's bytes stay below MAX_PIECE_BYTES.
_BLOCK_SAMPLES = MAX_PIECE_BYTES // 4

_S16LE = np.dtype("<i2")
_UNKNOWN_SIZE = 0xFFFFFFFF

# 32768 is also what the decoder divides by, so 16-bit audio comes through unchanged.
_FULL_SCALE = np.float32(32768)
_LOUDEST = float(np.float32(32767) / _FULL_SCALE)


def encode(
    chunks: Iterable[Audio], encoding: Encoding, sample_rate_hertz: int
) -> Generator[bytes, None, None]:
    """Yield ``chunks`` as one container, each chunk's bytes as soon as the codec gives them.

    Pieces are never empty and at most MAX_PIECE_BYTES long. Closing the generator closes ``chunks``.
    Raises InvalidRequest at once if the encoding does not exist at ``sample_rate_hertz``.
    """
    rate = choose_rate(encoding, sample_rate_hertz, native=sample_rate_hertz)
    return _encoded(chunks, encoding, rate)


def wav_header(sample_rate_hertz: int, sample_count: int | None = None) -> bytes:
    """The 44 bytes in front of mono 16-bit samples.

    Without ``sample_count`` both lengths are 0xFFFFFFFF, which readers take for "until the end".
    """
    data_bytes = _UNKNOWN_SIZE if sample_count is None else 2 * sample_count
    riff_bytes = min(data_bytes + 36, _UNKNOWN_SIZE)
    rate = sample_rate_hertz
    form = struct.pack("<4sI4s", b"RIFF", riff_bytes, b"WAVE")
    layout = struct.pack("<4sIHHIIHH", b"fmt ", 16, 1, 1, rate, 2 * rate, 2, 16)
    return form + layout + struct.pack("<4sI", b"data", data_bytes)


def to_pcm(samples: Samples) -> Pcm:
    """Samples of shape [n] as 16-bit integers: rounded, clipped at full scale, NaN as silence."""
    # Almost always the two reductions show that nothing is to be repaired; a NaN fails both.
    loudest = np.maximum.reduce(samples)
    if not (loudest <= _LOUDEST and np.minimum.reduce(samples) >= -1.0):
        if np.isnan(loudest):
            samples = np.nan_to_num(samples)
        samples = samples.clip(-1.0, _LOUDEST)
    scaled = samples * _FULL_SCALE
    np.rint(scaled, out=scaled)
    return scaled.astype(_S16LE)


def _encoded(chunks: Iterable[Audio], encoding: Encoding, rate: int) -> Generator[bytes, None, None]:
    with (
        closing(resample(chunks, rate)) as resampled,
        closing(_pieces(_blocks(resampled), encoding, rate)) as pieces,
    ):
        yield from pieces


def _blocks(chunks: Iterable[Audio]) -> Iterator[Pcm]:
    for chunk in chunks:
        samples = chunk.samples
        for start in range(0, len(samples), _BLOCK_SAMPLES):
            yield to_pcm(samples[start : start + _BLOCK_SAMPLES])


def _pieces(blocks: Iterable[Pcm], encoding: Encoding, rate: int) -> Generator[bytes, None, None]:
    codec = CODECS[encoding]
    if codec.muxer is not None:
        return _muxed(blocks, codec, codec.muxer, rate)
    return _plain(blocks, header=wav_header(rate) if encoding is Encoding.WAV else b"")


def _plain(blocks: Iterable[Pcm], header: bytes) -> Generator[bytes, None, None]:
    for block in blocks:
        yield header + block.tobytes()
        header = b""
    if header:
        yield header


def _muxed(blocks: Iterable[Pcm], codec: Codec, muxer: Muxer, rate: int) -> Generator[bytes, None, None]:
    sink = _Sink()
    with av.open(sink, "w", format=muxer.container, options=dict(muxer.options)) as container:
        stream = _add_stream(container, codec, muxer, rate)
        container.start_encoding()
        for block in blocks:
            frame = av.AudioFrame.from_ndarray(block[np.newaxis], format="s16", layout="mono")
            frame.sample_rate = rate
            container.mux(stream.encode(frame))
            yield from sink.take()
        container.mux(stream.encode(None))
    yield from sink.take()


def _add_stream(container: OutputContainer, codec: Codec, muxer: Muxer, rate: int) -> av.AudioStream:
    stream = container.add_stream(muxer.encoder, rate=rate, layout="mono", format=muxer.sample_format)
    assert isinstance(stream, av.AudioStream)
    if codec.bit_rates is not None:
        stream.bit_rate = codec.bit_rates[rate]
    return stream


class _Sink:
    """A file that can only be written, so that no muxer waits to come back to its header."""

    def __init__(self) -> None:
        self._written = bytearray()

    def write(self, data: bytes) -> int:
        self._written += data
        return len(data)

    def take(self) -> Iterator[bytes]:
        if self._written:
            piece, self._written = bytes(self._written), bytearray()
            yield piece
