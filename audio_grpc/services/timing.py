"""When things happened to a call."""

import time
from dataclasses import dataclass, field

from audio_grpc.convert import from_seconds
from audio_grpc.v1.timing_pb2 import Timing


@dataclass
class Stopwatch:
    """Moments on the monotonic clock; None: not yet."""

    arrived: float = field(default_factory=time.perf_counter)
    began: float | None = None
    first_result: float | None = None

    def begin(self) -> None:
        """The model has a place for the call."""
        self.began = time.perf_counter()

    def result(self) -> None:
        """A result is ready; only the first counts."""
        if self.first_result is None:
            self.first_result = time.perf_counter()

    def timing(self) -> Timing:
        """How long each took from the arrival, if the call ended now."""
        now = time.perf_counter()
        first = self.first_result
        return Timing(
            queued=from_seconds((self.began or now) - self.arrived),
            first_result=None if first is None else from_seconds(first - self.arrived),
            total=from_seconds(now - self.arrived),
        )
