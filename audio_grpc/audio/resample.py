"""Changing the sample rate of a stream of audio."""

from collections.abc import Generator, Iterable, Iterator

import av
import numpy as np

from audio_grpc.types import Audio


def resample(chunks: Iterable[Audio], sample_rate_hertz: int) -> Generator[Audio, None, None]:
    """Yield the same sound at ``sample_rate_hertz``, see :class:`Resampler`. Closing it closes ``chunks``."""
    resampler = Resampler(sample_rate_hertz)
    try:
        for chunk in chunks:
            yield from resampler.write(chunk)
        yield from resampler.finish()
    finally:
        if hasattr(chunks, "close"):
            chunks.close()


class Resampler:
    """Gives sound that comes in chunks one sample rate; chunks that have it pass untouched.

    The filter runs on across chunks of one rate, and is flushed where the rate changes or the stream ends.
    """

    def __init__(self, sample_rate_hertz: int) -> None:
        self._rate = sample_rate_hertz
        self._native = sample_rate_hertz
        self._filter: av.AudioResampler | None = None

    def write(self, chunk: Audio) -> Iterator[Audio]:
        """The sound goes on with this."""
        if chunk.sample_rate_hertz != self._native:
            yield from self.finish()
            if chunk.sample_rate_hertz != self._rate:
                self._native = chunk.sample_rate_hertz
                self._filter = av.AudioResampler(format="flt", layout="mono", rate=self._rate)
        if self._filter is None:
            yield chunk
        elif len(chunk.samples):
            yield from self._converted(self._filter, frame_of(chunk))

    def finish(self) -> Iterator[Audio]:
        """The end of the sound."""
        if self._filter is not None:
            yield from self._converted(self._filter, None)  # None flushes it
        self._filter, self._native = None, self._rate

    def _converted(self, resampler: av.AudioResampler, frame: av.AudioFrame | None) -> Iterator[Audio]:
        for converted in resampler.resample(frame):
            yield Audio(np.asarray(converted.to_ndarray()[0], np.float32), self._rate)


def frame_of(chunk: Audio) -> av.AudioFrame:
    """Returns the chunk in FFmpeg's form: mono float32."""
    samples = np.ascontiguousarray(chunk.samples, np.float32)
    frame = av.AudioFrame.from_ndarray(samples[np.newaxis], format="flt", layout="mono")
    frame.sample_rate = chunk.sample_rate_hertz
    return frame
