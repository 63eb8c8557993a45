"""Changing the speed of a stream of speech, and not its pitch."""

import math
from collections.abc import Generator, Iterable, Iterator
from contextlib import suppress
from fractions import Fraction
from itertools import chain

import av
import numpy as np

from audio_grpc.audio.resample import frame_of
from audio_grpc.samples import Samples
from audio_grpc.types import Audio

_STEP_SECONDS = 0.02
"""The filter gives its output in frames that last as long as those that it takes: small ones do not wait."""
_PADDING_SECONDS = 0.25
"""The filter keeps its last window, up to 60 ms of sound, to itself: silence pushes it out."""


def stretch(chunks: Iterable[Audio], speed: float) -> Generator[Audio, None, None]:
    """Yield the same speech ``speed`` times as fast (0.25 to 4), a chunk as soon as the filter gives it.

    All chunks have one rate. The result lasts as long as all chunks divided by ``speed``, to the sample.
    Speed 1 passes the chunks on untouched. Closing the generator closes ``chunks``.

    The filter is FFmpeg's atempo: https://ffmpeg.org/ffmpeg-filters.html#atempo
    """
    try:
        if speed == 1:
            yield from chunks
        else:
            yield from _stretched(iter(chunks), speed)
    finally:
        if hasattr(chunks, "close"):
            chunks.close()


def _stretched(chunks: Iterator[Audio], speed: float) -> Iterator[Audio]:
    first = next(chunks, None)
    if first is None:
        return
    rate = first.sample_rate_hertz
    tempo = _Tempo(rate, speed)
    taken = given = 0
    for chunk in chain([first], chunks):
        taken += len(chunk.samples)
        samples = tempo.convert(chunk)
        given += len(samples)
        if len(samples):
            yield Audio(samples, rate)
    rest = np.concatenate([tempo.convert(_silence(rate)), tempo.end()])
    if left := round(taken / speed) - given:
        yield Audio(rest[:left], rate)


def _silence(rate: int) -> Audio:
    return Audio(np.zeros(round(_PADDING_SECONDS * rate), np.float32), rate)


class _Tempo:
    """A chain of atempo filters that runs on across chunks."""

    def __init__(self, rate: int, speed: float) -> None:
        # One instance skips samples above 2 and refuses less than 0.5, so several share the work.
        steps = max(1, math.ceil(abs(math.log2(speed))))
        self._graph = av.filter.Graph()
        self._time_base = Fraction(1, rate)
        self._position = 0
        source = self._graph.add_abuffer(
            format="flt", layout="mono", sample_rate=rate, time_base=self._time_base
        )
        tempos = [self._graph.add("atempo", f"{speed ** (1 / steps):.9f}") for _ in range(steps)]
        self._graph.link_nodes(source, *tempos, self._graph.add("abuffersink")).configure()

    def convert(self, chunk: Audio) -> Samples:
        """Takes in ``chunk`` and returns the samples that are ready."""
        step = round(_STEP_SECONDS * chunk.sample_rate_hertz)
        for start in range(0, len(chunk.samples), step):
            self._push(Audio(chunk.samples[start : start + step], chunk.sample_rate_hertz))
        return self._ready()

    def end(self) -> Samples:
        """Ends the input and returns the remaining samples."""
        self._graph.push(None)
        return self._ready()

    def _push(self, part: Audio) -> None:
        frame = frame_of(part)
        frame.pts, frame.time_base = self._position, self._time_base
        self._position += len(part.samples)
        self._graph.push(frame)

    def _ready(self) -> Samples:
        blocks = [np.zeros(0, np.float32)]
        with suppress(av.BlockingIOError, av.EOFError):
            while isinstance(frame := self._graph.pull(), av.AudioFrame):
                blocks.append(frame.to_ndarray()[0])
        return np.concatenate(blocks)
