"""Bounds and errors that the walks through all formats share."""

from collections.abc import Iterable
from itertools import pairwise

from audio_grpc.errors import AudioTruncated, AudioUndecodable

MAX_STEPS = 1_000_000

MAX_PARTS = 1_000
"""Files joined to one: each is opened by itself."""


def truncated(announced: str, present: str) -> AudioTruncated:
    """The error for a file that says how much it has, and has less."""
    return AudioTruncated(
        f"the file announces {announced} and has {present}: it was cut off or damaged; send all of it",
        field="audio",
    )


def cut(data: bytes, starts: Iterable[int]) -> list[bytes]:
    """The parts that begin at those places, the first at the start. Raises AudioUndecodable for too many."""
    places = [*starts, len(data)]
    if len(places) > MAX_PARTS + 1:
        raise AudioUndecodable(
            f"the file is joined of more than {MAX_PARTS} files; send it converted", field="audio"
        )
    if len(places) <= 2:
        return [data]
    return [data[start:end] for start, end in pairwise(places)]
