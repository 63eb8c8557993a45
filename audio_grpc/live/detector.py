"""Detectors that tell speech from other sound, frame by frame."""

from typing import Protocol

import numpy as np

from audio_grpc.samples import Samples

RATE_HERTZ = 16_000
FRAME_SAMPLES = 512
"""32 ms, as Silero VAD wants it: https://github.com/snakers4/silero-vad."""


class VoiceDetector(Protocol):
    """Listens to one stream; it may remember what it heard before."""

    def probabilities(self, frames: Samples) -> list[float]:
        """Returns the probability of speech in each of ``frames`` [n, FRAME_SAMPLES], the stream's next."""


class Loudness:
    """Takes whatever is loud for speech: enough to find a quiet place, where the caller ends utterances."""

    def probabilities(self, frames: Samples) -> list[float]:
        """The root mean square of each frame, 0 to 1."""
        loudness: list[float] = np.sqrt((frames**2).mean(axis=1)).clip(0.0, 1.0).tolist()
        return loudness
