"""The speed of a model here and now."""

import threading

MEMORY_SECONDS = 30.0
"""The work of so long weighs as much as all that was known before."""


def blended(speed: float, sound_seconds: float, busy_seconds: float) -> float:
    """Returns the speed after so much sound was made in so much time."""
    return (speed * MEMORY_SECONDS + sound_seconds) / (MEMORY_SECONDS + busy_seconds)


class Speed:
    """Seconds of sound that one thread of a model makes in a second: as expected, and then as measured."""

    def __init__(self, expected: float = 0.0) -> None:
        self.value = expected
        self._lock = threading.Lock()

    def count(self, sound_seconds: float, busy_seconds: float) -> None:
        """Counts what a thread made, and in what time."""
        with self._lock:
            self.value = blended(self.value, sound_seconds, busy_seconds)
