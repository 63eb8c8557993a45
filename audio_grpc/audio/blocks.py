"""A long recording as a stream of blocks, so that hours of it need no more memory than minutes."""

from collections.abc import Generator, Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass

import numpy as np

from audio_grpc.audio.container import container_seconds
from audio_grpc.audio.decode import decode_stream, too_long
from audio_grpc.audio.raw import RawFormat
from audio_grpc.giving_way import give_way
from audio_grpc.samples import Samples
from audio_grpc.types import Audio

BLOCK_SECONDS = 300.0
_SEARCHED_SECONDS = 30.0
"""The longest time before its end, in seconds, at which a block may be cut."""
_STEP_SECONDS = 10.0
"""The seconds of sound after which other calls have their turn."""
_SLACK_SECONDS = 1.0
"""Files count the padding of their encoder, which is not decoded."""
_PAUSE_FRAMES = 20
_FRAME_SECONDS = 0.02


@dataclass(frozen=True, slots=True)
class Block:
    """A stretch of a recording that starts at ``start`` seconds of it."""

    audio: Audio
    start: float
    is_last: bool
    recording_seconds: float | None
    """The seconds of the whole recording: exact in the last block, before it as the file announces them."""

    @property
    def is_whole(self) -> bool:
        """Tells if the block is the whole recording."""
        return self.is_last and not self.start

    @property
    def end(self) -> float:
        """Seconds from the start of the recording."""
        return self.start + self.audio.seconds


def decode_blocks(
    data: bytes, *, sample_rate_hertz: int = 16_000, max_seconds: float, raw: RawFormat | None = None
) -> Generator[Block, None, None]:
    """Yield the sound of ``data`` in blocks of at most ``BLOCK_SECONDS``, cut where it is quiet.

    Raises what :func:`audio_grpc.audio.decode` does. What is wrong with a later part of a longer recording
    comes after the blocks before it, save for a length beyond ``max_seconds`` that the file announces.
    """
    stream = decode_stream(data, sample_rate_hertz=sample_rate_hertz, max_seconds=max_seconds, raw=raw)
    announced: float | None = None
    start = 0.0
    with closing(stream):
        for audio, is_last in _cut(stream, sample_rate_hertz):
            if not start and not is_last:
                announced = container_seconds(data) if raw is None else raw.seconds(len(data))
                if announced is not None and announced > max_seconds + _SLACK_SECONDS:
                    raise too_long(max_seconds)
            total = start + audio.seconds if is_last else announced
            yield Block(audio, start, is_last, total)
            start += audio.seconds


def _cut(chunks: Iterable[Audio], rate: int) -> Iterator[tuple[Audio, bool]]:
    """Blocks, and whether they are the last."""
    longest = round(BLOCK_SECONDS * rate)
    waiting: list[Samples] = []
    count = 0
    step = 0.0
    for chunk in chunks:
        step += chunk.seconds
        if step > _STEP_SECONDS:
            step = 0.0
            give_way()
        waiting.append(chunk.samples)
        count += len(chunk.samples)
        while count > longest:
            samples = np.concatenate(waiting)
            cut = _quiet_place(samples[:longest], rate)
            waiting, count = [samples[cut:].copy()], len(samples) - cut
            yield Audio(samples[:cut], rate), False
            del samples  # whoever has the block keeps it as long as need be
    yield Audio(np.concatenate(waiting), rate), True


def _quiet_place(samples: Samples, rate: int) -> int:
    """The middle of the quietest pause near the end, of several the last."""
    frame = round(_FRAME_SECONDS * rate)
    searched = samples[-round(_SEARCHED_SECONDS * rate) :]
    frames = searched[: len(searched) // frame * frame].reshape(-1, frame)
    power = np.convolve((frames**2).mean(axis=1), np.ones(_PAUSE_FRAMES), "valid")
    middle = int(np.flatnonzero(power == power.min())[-1]) + _PAUSE_FRAMES // 2
    return len(samples) - len(searched) + middle * frame
