"""Silero VAD v6, which comes with faster-whisper: tells speech from other sound on one CPU core.

https://github.com/snakers4/silero-vad (MIT). About 1 ms for 100 ms of sound.
"""

from functools import cache
from typing import Any

import numpy as np

from audio_grpc.errors import ModelLoadFailed
from audio_grpc.extras import install
from audio_grpc.live import FRAME_SAMPLES
from audio_grpc.samples import Samples

CONTEXT_SAMPLES = 64
"""The samples of the preceding frame that the model needs with each frame."""
STATE_SHAPE = (1, 1, 128)
PART_FRAMES = 500
"""Given to the model at once: more is no faster, and 75 MB more for five minutes."""


@cache
def voice_detector() -> Any:
    """faster-whisper's one instance of the model, which its functions use; ImportError without the package.

    Its session takes long recordings in parts.
    """
    from faster_whisper.vad import get_vad_model

    model = get_vad_model()
    model.session = SessionInParts(model.session)
    return model


class SessionInParts:
    """An ``onnxruntime.InferenceSession`` that is run with a part of the frames at a time."""

    def __init__(self, session: Any) -> None:
        self._session = session

    def run(self, names: None, inputs: dict[str, Any]) -> tuple[Any, Any, Any]:
        """Returns the probabilities, and the state that the next frames are to be given."""
        hidden, cell = inputs["h"], inputs["c"]
        heard = []
        for start in range(0, len(inputs["input"]), PART_FRAMES):
            part = inputs["input"][start : start + PART_FRAMES]
            probabilities, hidden, cell = self._session.run(names, {"input": part, "h": hidden, "c": cell})
            heard.append(probabilities)
        return np.concatenate(heard), hidden, cell


class Silero:
    """Makes detectors, one for each stream; the weights are loaded for the first, and shared."""

    def detector(self) -> "SileroDetector":
        """Returns a detector for one stream. Raises ModelLoadFailed if the packages are missing."""
        try:
            session = voice_detector().session
        except ImportError as error:
            raise ModelLoadFailed(
                f"the voice detector could not be loaded: {error}; install it with: "
                f"{install('embedded')}, or set endpointing.manual",
                field="endpointing.manual",
            ) from error
        return SileroDetector(session)


class SileroDetector:
    """Listens to one stream at 16 kHz."""

    def __init__(self, session: Any) -> None:
        self._session = session
        self._hidden = np.zeros(STATE_SHAPE, np.float32)
        self._cell = np.zeros(STATE_SHAPE, np.float32)
        self._context = np.zeros(CONTEXT_SAMPLES, np.float32)

    def probabilities(self, frames: Samples) -> list[float]:
        """Returns the probability of speech, 0 to 1, in each of ``frames`` [n, FRAME_SAMPLES]."""
        contexts = np.vstack([self._context, frames[:-1, FRAME_SAMPLES - CONTEXT_SAMPLES :]])
        self._context = frames[-1, FRAME_SAMPLES - CONTEXT_SAMPLES :].copy()
        heard, self._hidden, self._cell = self._session.run(
            None, {"input": np.hstack([contexts, frames]), "h": self._hidden, "c": self._cell}
        )
        probabilities: list[float] = heard.ravel().tolist()
        return probabilities
