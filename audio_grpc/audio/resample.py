"""Changing the sample rate of a stream of audio."""

from collections.abc import Generator, Iterable, Iterator
from itertools import chain, groupby
from operator import attrgetter
from typing import Protocol, runtime_checkable

import av
import numpy as np

from audio_grpc.types import Audio


def resample(chunks: Iterable[Audio], sample_rate_hertz: int) -> Generator[Audio, None, None]:
    """Yield the same sound at ``sample_rate_hertz``; chunks that have this rate pass untouched.

    The filter runs on across chunks of one rate, and is flushed where the rate changes or the stream
    ends. Closing the generator closes ``chunks``.
    """
    try:
        for native, run in groupby(chunks, key=attrgetter("sample_rate_hertz")):
            if native == sample_rate_hertz:
                yield from run
            else:
                yield from _converted(run, sample_rate_hertz)
    finally:
        if isinstance(chunks, Closable):
            chunks.close()


@runtime_checkable
class Closable(Protocol):
    """A generator, or whatever else holds something open."""

    def close(self) -> None:
        """Let go of it."""


def _converted(chunks: Iterable[Audio], sample_rate_hertz: int) -> Iterator[Audio]:
    resampler = av.AudioResampler(format="flt", layout="mono", rate=sample_rate_hertz)
    frames = (frame_of(chunk) for chunk in chunks if len(chunk.samples))
    for frame in chain(frames, [None]):  # None flushes the filter
        for converted in resampler.resample(frame):
            yield Audio(np.asarray(converted.to_ndarray()[0], np.float32), sample_rate_hertz)


def frame_of(chunk: Audio) -> av.AudioFrame:
    """The chunk as FFmpeg takes it: mono float32."""
    samples = np.ascontiguousarray(chunk.samples, np.float32)
    frame = av.AudioFrame.from_ndarray(samples[np.newaxis], format="flt", layout="mono")
    frame.sample_rate = chunk.sample_rate_hertz
    return frame
