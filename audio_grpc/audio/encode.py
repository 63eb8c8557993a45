"""Speech out: a stream of model chunks becomes one continuous encoded stream."""

import struct
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import ExitStack, closing

import av
import numpy as np
from av.container import OutputContainer

from audio_grpc.audio.codecs import CODECS, Codec, Muxer, choose_rate
from audio_grpc.audio.g711 import Pcm
from audio_grpc.audio.resample import Resampler, resample
from audio_grpc.samples import Samples
from audio_grpc.types import Audio, Encoding

MAX_PIECE_BYTES = 16 * 1024
"""The largest piece that ``encode`` yields.

A message of 64 KiB does not fit into HTTP/2's first window (65535 bytes), and its sound came 2 ms later.
"""

# A quarter of a piece in samples: even uncompressed, with a header and what an encoder held back
# from earlier blocks, a block's bytes stay below MAX_PIECE_BYTES.
_BLOCK_SAMPLES = MAX_PIECE_BYTES // 4

_S16LE = np.dtype("<i2")
_UNKNOWN_SIZE = 0xFFFFFFFF
_PCM = 1

# 32768 is also what the decoder divides by, so 16-bit audio comes through unchanged.
_FULL_SCALE = np.float32(32768)
_LOUDEST = float(np.float32(32767) / _FULL_SCALE)


def encode(
    chunks: Iterable[Audio], encoding: Encoding, sample_rate_hertz: int
) -> Generator[bytes, None, None]:
    """Yield ``chunks`` as one container, see :class:`Encoder`. Closing the generator closes ``chunks``.

    Raises InvalidRequest at once if the encoding does not exist at ``sample_rate_hertz``.
    """
    return _encoded(chunks, Encoder(encoding, sample_rate_hertz), sample_rate_hertz)


class Encoder:
    """Makes one container of sound that comes in chunks, giving bytes as soon as the codec does.

    Pieces are never empty and at most MAX_PIECE_BYTES long. Raises InvalidRequest if the encoding does not
    exist at ``sample_rate_hertz``.
    """

    def __init__(self, encoding: Encoding, sample_rate_hertz: int) -> None:
        self._rate = choose_rate(encoding, sample_rate_hertz, native=sample_rate_hertz)
        self._samples = self._flushed = 0
        self._resampler = Resampler(self._rate)
        codec = CODECS[encoding]
        self._container: _Plain | _Muxed
        if codec.muxer is None:
            self._container = _Plain(wav_header(self._rate) if codec.has_header else b"", codec.code)
        else:
            self._container = _Muxed(codec, codec.muxer, self._rate)

    @property
    def seconds(self) -> float:
        """The seconds of sound written so far."""
        return self._samples / self._rate

    def write(self, chunk: Audio) -> Iterator[bytes]:
        """The sound goes on with this."""
        for converted in self._resampler.write(chunk):
            yield from self._blocks(converted.samples)

    def flush(self) -> Iterator[bytes]:
        """Yields the bytes that a compressing codec has held back; a little silence pushes them out."""
        if self._samples > self._flushed:
            yield from self._blocks(np.zeros(self._container.held_back_samples, np.float32))
        self._flushed = self._samples

    def finish(self) -> Iterator[bytes]:
        """The end of the container."""
        for converted in self._resampler.finish():
            yield from self._blocks(converted.samples)
        yield from self._container.finish()

    def close(self) -> None:
        """Give up a container that is not going to be finished."""
        self._container.close()

    def _blocks(self, samples: Samples) -> Iterator[bytes]:
        for start in range(0, len(samples), _BLOCK_SAMPLES):
            block = to_pcm(samples[start : start + _BLOCK_SAMPLES])
            self._samples += len(block)
            yield from self._container.write(block)


def wav_header(sample_rate_hertz: int, sample_count: int | None = None) -> bytes:
    """The 44 bytes in front of mono 16-bit samples.

    Without ``sample_count`` both lengths are 0xFFFFFFFF, which readers take for "until the end".
    """
    return wave_header(_PCM, 16, 1, sample_rate_hertz, None if sample_count is None else 2 * sample_count)


def wave_header(
    code: int, sample_bits: int, channel_count: int, sample_rate_hertz: int, byte_count: int | None
) -> bytes:
    """The 44 bytes in front of samples of any kind; ``code`` is a WAVE_FORMAT_* of RFC 2361.

    Without ``byte_count`` the lengths are as :func:`wav_header` says.
    """
    data_bytes = _UNKNOWN_SIZE if byte_count is None else byte_count
    riff_bytes = min(data_bytes + 36, _UNKNOWN_SIZE)
    frame = channel_count * sample_bits // 8
    rates = (sample_rate_hertz, sample_rate_hertz * frame)
    form = struct.pack("<4sI4s", b"RIFF", riff_bytes, b"WAVE")
    layout = struct.pack("<4sIHHIIHH", b"fmt ", 16, code, channel_count, *rates, frame, sample_bits)
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


def _encoded(chunks: Iterable[Audio], encoder: Encoder, rate: int) -> Generator[bytes, None, None]:
    with closing(encoder), closing(resample(chunks, rate)) as resampled:
        for chunk in resampled:
            yield from encoder.write(chunk)
        yield from encoder.finish()


class _Plain:
    """Samples one after the other, after a header."""

    held_back_samples = 0

    def __init__(self, header: bytes, code: Callable[[Pcm], bytes]) -> None:
        self._header = header
        self._code = code

    def write(self, block: Pcm) -> Iterator[bytes]:
        header, self._header = self._header, b""
        yield header + self._code(block)

    def finish(self) -> Iterator[bytes]:
        if self._header:
            yield self._header

    def close(self) -> None:
        """Does nothing: there is nothing to close."""


class _Muxed:
    """Encodes samples with PyAV."""

    def __init__(self, codec: Codec, muxer: Muxer, rate: int) -> None:
        self._rate = rate
        self._sink = _Sink()
        self._stack = ExitStack()
        opened = av.open(self._sink, "w", format=muxer.container, options=dict(muxer.options))
        self._file = self._stack.enter_context(opened)
        self._stream = _add_stream(self._file, codec, muxer, rate)
        self._file.start_encoding()
        self.held_back_samples = muxer.held_back_frames * int(self._stream.frame_size)

    def write(self, block: Pcm) -> Iterator[bytes]:
        frame = av.AudioFrame.from_ndarray(block[np.newaxis], format="s16", layout="mono")
        frame.sample_rate = self._rate
        self._file.mux(self._stream.encode(frame))
        yield from self._sink.take()

    def finish(self) -> Iterator[bytes]:
        self._file.mux(self._stream.encode(None))
        self._stack.close()
        yield from self._sink.take()

    def close(self) -> None:
        self._stack.close()


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
