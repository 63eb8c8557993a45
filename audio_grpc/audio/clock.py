"""Times of a recording's frames, by the clock of its container."""

import math
from collections.abc import Iterable, Iterator

import av

PAUSE_SECONDS = 0.1
"""The least by which the clock must be ahead of the sound: recorders note when packets came only roughly."""
_RESTART_SECONDS = 0.5
"""A clock that is so far behind has begun anew, as that of a file which was appended to another."""


class Clock:
    """Puts each frame where the container says that it sounds.

    Where the container's clock is ahead of what has sounded, there is a pause of that length: packets that
    were not recorded, or sound that begins later than the picture. It is believed once the next frame agrees.
    Sound is never dropped: where the clock falls behind, what overlaps is heard in its order.
    """

    def __init__(self, origin: float | None) -> None:
        """``origin`` is what the clock shows at the beginning of the recording; None: at its first frame."""
        self._origin = origin
        self.seconds = 0.0
        """The length of what was placed, with pauses."""

    def placed(self, frames: Iterable[av.AudioFrame]) -> Iterator[tuple[float, av.AudioFrame]]:
        """Yield the seconds of silence before each frame, and the frame."""
        doubted: tuple[float, av.AudioFrame] | None = None
        for frame in frames:
            if doubted is not None:
                pause, late = doubted
                agreed = self._ahead(frame, self.seconds + _seconds(late))
                yield self._place(pause if agreed is None else min(pause, agreed), late)
                doubted = None
            ahead = self._ahead(frame, self.seconds)
            if ahead is not None and ahead > PAUSE_SECONDS:
                doubted = ahead, frame
            else:
                yield self._place(0.0, frame)
        if doubted is not None:
            yield self._place(*doubted)

    def _place(self, pause: float, frame: av.AudioFrame) -> tuple[float, av.AudioFrame]:
        pause = pause if pause > PAUSE_SECONDS else 0.0
        self.seconds += pause + _seconds(frame)
        return pause, frame

    def _ahead(self, frame: av.AudioFrame, seconds: float) -> float | None:
        """Returns the seconds by which the frame is later than that; None if it has no time."""
        time = frame.time if frame.pts is not None and frame.time_base else None
        if time is None or not math.isfinite(time):
            return None
        if self._origin is None or time - self._origin < seconds - _RESTART_SECONDS:
            self._origin = time - seconds
        return time - self._origin - seconds


def _seconds(frame: av.AudioFrame) -> float:
    return frame.samples / frame.sample_rate
