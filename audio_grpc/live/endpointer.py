"""Finds the starts and ends of utterances: a state machine over the probabilities of a voice detector.

Start and stop have thresholds of their own (hysteresis), as in Silero VAD's own iterator:
https://github.com/snakers4/silero-vad.
"""

import math
from collections import deque
from dataclasses import dataclass

from audio_grpc.types import EndCause

HYSTERESIS = 0.15
"""Speech is over below the threshold of its start minus this probability."""
SEARCHED_SECONDS = 3.0
"""The seconds before its longest allowed end within which an utterance may be cut."""


@dataclass(frozen=True)
class Endpointing:
    """Settings that define an utterance. Lengths are in seconds, the threshold is a probability."""

    threshold: float = 0.5
    silence_seconds: float = 0.5
    min_speech_seconds: float = 0.1
    padding_seconds: float = 0.3
    max_utterance_seconds: float = 20.0

    @classmethod
    def manual(cls, max_utterance_seconds: float) -> "Endpointing":
        """Returns settings under which all sound is speech; the caller ends utterances, or their length."""
        return cls(
            threshold=0.0,
            min_speech_seconds=0.0,
            padding_seconds=0.0,
            max_utterance_seconds=max_utterance_seconds,
        )


@dataclass(frozen=True)
class SpeechOnset:
    """Speech began with this frame."""

    frame: int


@dataclass(frozen=True)
class SpeechOffset:
    """The end of an utterance: speech was over before this frame."""

    frame: int
    cause: EndCause


Boundary = SpeechOnset | SpeechOffset


class Endpointer:
    """Hears one probability for each frame of a stream. Onsets and offsets take turns, in order."""

    def __init__(self, asked: Endpointing, frame_seconds: float) -> None:
        def frames(seconds: float) -> int:
            return max(1, math.ceil(seconds / frame_seconds - 1e-9))

        self.heard = 0
        """The number of frames heard."""
        self._threshold = asked.threshold
        self._neg_threshold = asked.threshold - HYSTERESIS
        self._silence = frames(asked.silence_seconds)
        self._min_speech = frames(asked.min_speech_seconds)
        self._longest = frames(asked.max_utterance_seconds)
        self._onset: int | None = None
        self._candidate: int | None = None
        self._quiet_since: int | None = None
        self._recent: deque[float] = deque(maxlen=frames(SEARCHED_SECONDS))

    @property
    def is_speaking(self) -> bool:
        """True while an utterance has begun and is not over."""
        return self._onset is not None

    @property
    def earliest(self) -> int:
        """The first frame that a coming utterance, or the one in progress, may have."""
        if self._onset is not None:
            return self._onset
        return self.heard if self._candidate is None else self._candidate

    def hear(self, probability: float) -> list[Boundary]:
        """The next frame; what it settles, of which there may be an offset and an onset at a cut."""
        frame, self.heard = self.heard, self.heard + 1
        if self._onset is None:
            return self._wait(frame, probability)
        return self._follow(frame, probability)

    def end(self, cause: EndCause) -> list[Boundary]:
        """The utterance ends after the last frame, if there is one."""
        self._candidate = None
        return [] if self._onset is None else [self._stop(self.heard, cause)]

    def _wait(self, frame: int, probability: float) -> list[Boundary]:
        if self._candidate is None and probability >= self._threshold:
            self._candidate = frame
        elif probability < self._neg_threshold:
            self._candidate = None
        if self._candidate is None or self.heard - self._candidate < self._min_speech:
            return []
        self._onset, self._candidate = self._candidate, None
        return [SpeechOnset(self._onset)]

    def _follow(self, frame: int, probability: float) -> list[Boundary]:
        assert self._onset is not None, "an utterance has begun"
        self._recent.append(probability)
        if probability >= self._threshold:
            self._quiet_since = None
        elif probability < self._neg_threshold and self._quiet_since is None:
            self._quiet_since = frame
        if self._quiet_since is not None and self.heard - self._quiet_since >= self._silence:
            return [self._stop(self._quiet_since, EndCause.SILENCE)]
        if self.heard - self._onset >= self._longest:
            return self._cut()
        return []

    def _cut(self) -> list[Boundary]:
        """Cuts in a silence that has begun, else at the quietest recent frame, where the next one starts."""
        if self._quiet_since is not None:
            return [self._stop(self._quiet_since, EndCause.MAX_UTTERANCE)]
        recent = list(self._recent)
        quietest = max(range(len(recent)), key=lambda place: (-recent[place], place))
        cut = self.heard - len(recent) + quietest
        offset = self._stop(cut, EndCause.MAX_UTTERANCE)
        self._onset = cut
        self._recent.extend(recent[quietest:])
        return [offset, SpeechOnset(cut)]

    def _stop(self, frame: int, cause: EndCause) -> SpeechOffset:
        self._onset = self._quiet_since = None
        self._recent.clear()
        return SpeechOffset(frame, cause)
