"""Uploads in: a file, or bare samples, becomes one stretch of mono sound."""

from collections.abc import Generator, Iterable, Iterator
from contextlib import closing, contextmanager

import numpy as np

from audio_grpc.audio.container import container_chunks
from audio_grpc.audio.mix import Mixer
from audio_grpc.audio.raw import RawFormat, raw_audio
from audio_grpc.audio.resample import resample
from audio_grpc.errors import AudioEmpty, AudioTooLong, AudioUndecodable, SpeechError
from audio_grpc.types import Audio

_MOST_SECONDS = 30
"""The longest chunk, in seconds, however long a pause is."""


def decode(
    data: bytes, *, sample_rate_hertz: int = 16_000, max_seconds: float, raw: RawFormat | None = None
) -> Audio:
    """The sound of ``data`` on its own clock, mixed by :class:`Mixer`, at ``sample_rate_hertz``.

    ``raw`` says that there is no container but bare samples. Raises AudioEmpty, AudioUndecodable,
    AudioTruncated, and AudioTooLong as soon as more than ``max_seconds`` were decoded; the memory in
    use stays about twice that of the result.
    """
    stream = decode_stream(data, sample_rate_hertz=sample_rate_hertz, max_seconds=max_seconds, raw=raw)
    with closing(stream):
        return Audio(np.concatenate([chunk.samples for chunk in stream]), sample_rate_hertz)


def decode_stream(
    data: bytes, *, sample_rate_hertz: int, max_seconds: float, raw: RawFormat | None
) -> Generator[Audio, None, None]:
    """Yield the same in chunks, as they are decoded; at least one. What is wrong is raised when it is met."""
    if not data:
        raise AudioEmpty("there is no audio in the request; send a file", field="audio")
    source = container_chunks(data) if raw is None else _raw_chunks(data, raw)
    sounded = False
    with closing(source), _blamed_on_audio():
        for chunk in resample(_limited(source, max_seconds), sample_rate_hertz):
            if not np.isfinite(chunk.samples).all():
                raise AudioUndecodable(
                    "the file has samples that are not finite numbers; send an intact file", field="audio"
                )
            sounded = sounded or len(chunk.samples) > 0
            yield Audio(chunk.samples.clip(-1.0, 1.0), sample_rate_hertz)
    if not sounded:
        raise AudioEmpty("the file has no sound in it; send another", field="audio")


@contextmanager
def _blamed_on_audio() -> Iterator[None]:
    """Raises AudioUndecodable for any error of a decoder or a filter."""
    try:
        yield
    except (SpeechError, MemoryError):
        raise
    except Exception as error:
        raise AudioUndecodable(
            "the audio cannot be decoded; send it converted to WAV or FLAC at 16000 Hz", field="audio"
        ) from error


def _limited(chunks: Iterable[Audio], max_seconds: float) -> Iterator[Audio]:
    """A few bytes can stand for days of silence, and a chunk at a few hertz resample to gigabytes."""
    seconds = 0.0
    for chunk in chunks:
        seconds += chunk.seconds
        if seconds > max_seconds + 1e-6:  # the sum of many roundings
            raise too_long(max_seconds)
        rate = chunk.sample_rate_hertz
        for start in range(0, len(chunk.samples), _MOST_SECONDS * rate):
            yield Audio(chunk.samples[start : start + _MOST_SECONDS * rate], rate)


def too_long(max_seconds: float) -> AudioTooLong:
    """The error for more sound than one request may have."""
    return AudioTooLong(
        f"the audio lasts longer than {max_seconds:g} seconds; send it in shorter parts", field="audio"
    )


def _raw_chunks(data: bytes, raw: RawFormat) -> Generator[Audio, None, None]:
    """A second each."""
    raw.check(len(data))
    second = raw.frame_bytes * raw.sample_rate_hertz
    view = memoryview(data)
    mixer = Mixer(raw.sample_rate_hertz)
    for start in range(0, len(data), second):
        yield raw_audio(view[start : start + second], raw, mixer)
