"""Sound in, utterances out: keeps no more of a stream than the utterance in progress."""

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from audio_grpc.live.detector import FRAME_SAMPLES, RATE_HERTZ, VoiceDetector
from audio_grpc.live.endpointer import Boundary, Endpointer, Endpointing, SpeechOnset
from audio_grpc.samples import Samples
from audio_grpc.types import Audio, EndCause, SpeechStarted, SpeechStopped, UtteranceDiscarded

FRAME_SECONDS = FRAME_SAMPLES / RATE_HERTZ


@dataclass(frozen=True)
class UtteranceAudio:
    """The sound of an utterance, with its padding; ``start`` is in seconds of the stream."""

    utterance: int
    start: float
    audio: Audio

    @property
    def end(self) -> float:
        """The end in seconds of the stream."""
        return self.start + self.audio.seconds


Heard = SpeechStarted | SpeechStopped | UtteranceDiscarded | UtteranceAudio


class UtteranceSegmenter:
    """Listens to one stream of samples at ``RATE_HERTZ``."""

    def __init__(self, detector: VoiceDetector, asked: Endpointing) -> None:
        self._detector = detector
        self._endpointer = Endpointer(asked, FRAME_SECONDS)
        self._padding = round(asked.padding_seconds * RATE_HERTZ)
        self._kept: deque[Samples] = deque()
        self._kept_from = 0
        self._received = 0
        self._unframed = np.zeros(0, np.float32)
        self._utterance = -1
        self._starts_at = 0
        self._ended_at = 0

    @property
    def seconds(self) -> float:
        """The seconds of sound received so far."""
        return self._received / RATE_HERTZ

    @property
    def current(self) -> UtteranceAudio | None:
        """The utterance in progress, as far as it was received."""
        return self._recording(self._received) if self._endpointer.is_speaking else None

    @property
    def current_span(self) -> tuple[float, float] | None:
        """The start and end of the current utterance, in seconds of the stream; None if nobody speaks."""
        return (self._starts_at / RATE_HERTZ, self.seconds) if self._endpointer.is_speaking else None

    def hear(self, samples: Samples) -> Iterator[Heard]:
        """The stream goes on. A recording comes right after the message that its utterance is over."""
        self._kept.append(samples)
        self._received += len(samples)
        waiting = np.concatenate([self._unframed, samples])
        whole = len(waiting) // FRAME_SAMPLES * FRAME_SAMPLES
        self._unframed = waiting[whole:]
        yield from self._listen(waiting[:whole])
        self._forget()

    def end_utterance(self) -> Iterator[Heard]:
        """The caller says that the utterance is complete; nothing if there is none."""
        yield from self._report(self._endpointer.end(EndCause.CALLER))

    def discard_utterance(self) -> Iterator[Heard]:
        """The caller drops what was said since the last utterance was over."""
        was_speaking = bool(self._endpointer.end(EndCause.CALLER))
        self._ended_at = self._received
        yield UtteranceDiscarded(self._utterance if was_speaking else None, self.seconds)

    def finish(self) -> Iterator[Heard]:
        """Ends the stream; samples that fill no frame belong to the current utterance, if there is one."""
        if len(self._unframed) and self._endpointer.is_speaking:
            missing = FRAME_SAMPLES - len(self._unframed)
            yield from self._listen(np.pad(self._unframed, (0, missing)))
        yield from self._report(self._endpointer.end(EndCause.END_OF_STREAM))

    def _listen(self, samples: Samples) -> Iterator[Heard]:
        if not len(samples):
            return
        for probability in self._detector.probabilities(samples.reshape(-1, FRAME_SAMPLES)):
            yield from self._report(self._endpointer.hear(probability))

    def _report(self, boundaries: list[Boundary]) -> Iterator[Heard]:
        for boundary in boundaries:
            place = min(boundary.frame * FRAME_SAMPLES, self._received)
            if isinstance(boundary, SpeechOnset):
                self._utterance += 1
                # What belongs to the utterance before is not recognised twice.
                self._starts_at = max(place - self._padding, self._ended_at)
                yield SpeechStarted(self._utterance, max(place, self._ended_at) / RATE_HERTZ)
                continue
            if boundary.cause is EndCause.CALLER:
                place = self._received  # all that was sent before, also what fills no frame
            is_silent = boundary.cause is EndCause.SILENCE
            self._ended_at = min(place + self._padding, self._received) if is_silent else place
            yield SpeechStopped(self._utterance, place / RATE_HERTZ, boundary.cause)
            yield self._recording(self._ended_at)

    def _recording(self, end: int) -> UtteranceAudio:
        """Returns the sound from the start of the utterance to ``end``, in samples."""
        kept = np.concatenate(self._kept)
        samples = kept[self._starts_at - self._kept_from : end - self._kept_from].copy()
        return UtteranceAudio(self._utterance, self._starts_at / RATE_HERTZ, Audio(samples, RATE_HERTZ))

    def _forget(self) -> None:
        """Drops the samples that no utterance can need any more."""
        if self._endpointer.is_speaking:
            needed = self._starts_at
        else:
            needed = self._endpointer.earliest * FRAME_SAMPLES - self._padding
        while self._kept and self._kept_from + len(self._kept[0]) <= needed:
            self._kept_from += len(self._kept.popleft())
