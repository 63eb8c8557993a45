"""The part of a recording that Whisper is given, the speech in it, and when that is on the recording's clock.

A filter leaves out what nobody says anything in, so the model's clock is not the recording's. Speech is
looked for once more, more closely, in what is left: Whisper's own times are rough beside a pause.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from audio_grpc.backends.silero import voice_detector
from audio_grpc.backends.whisper_arguments import voice_activity
from audio_grpc.samples import Samples
from audio_grpc.types import TimeRange, TranscriptionOptions

RATE_HERTZ = 16_000
WINDOW_SECONDS = 30.0
"""The length of what Whisper hears at once."""
BATCHED_MIN_SILENCE_MS = 160
"""faster-whisper's own, for windows that are recognised several at once."""
CLOSELY: dict[str, Any] = {
    "threshold": 0.3,
    "neg_threshold": 0.15,
    "min_silence_duration_ms": 300,
    "speech_pad_ms": 100,
}
"""Earlier and later than the filter would have it, since an end of a word lost is worse than silence kept."""
PAUSE_SECONDS = 1.0
"""The length of a pause, in seconds, from which on Whisper's own times of segments are not trusted."""
ENOUGH_SECONDS = 0.1
"""The length of a word or segment that has to be in a stretch of speech for it to belong to it."""


@dataclass(frozen=True)
class Span:
    """A stretch of time, in seconds."""

    start: float
    end: float

    def overlap(self, start: float, end: float) -> float:
        """Returns how many seconds both have in common; negative for the distance between them."""
        return min(end, self.end) - max(start, self.start)


@dataclass(frozen=True)
class Source:
    """The samples that the model is given. Times are seconds from their start, unless it says otherwise."""

    samples: Samples
    kept: tuple[Span, ...]
    """The stretches of the recording that they are, on the recording's clock."""
    at: tuple[float, ...]
    """The time at which each of these begins."""
    speech: tuple[Span, ...]
    """The stretches in which people speak."""
    is_filtered: bool
    """True if long silence was left out."""

    @property
    def seconds(self) -> float:
        """The length of the samples in seconds."""
        return len(self.samples) / RATE_HERTZ

    @property
    def has_pauses(self) -> bool:
        """True if there are long pauses, or some were left out: only words tell which side is meant."""
        if not self.speech:
            return False
        edges = [0.0, *(edge for span in self.speech for edge in (span.start, span.end)), self.seconds]
        gaps = zip(edges[::2], edges[1::2], strict=True)
        return len(self.kept) > 1 or any(end - start >= PAUSE_SECONDS for start, end in gaps)

    def windows(self, seconds: float = WINDOW_SECONDS) -> list[dict[str, float]]:
        """Neighbouring stretches joined as far as they fit into a window, as faster-whisper wants them."""
        windows: list[dict[str, float]] = []
        for span, start in zip(self.kept, self.at, strict=True):
            end = start + span.end - span.start
            if windows and end - windows[-1]["start"] <= seconds:
                windows[-1]["end"] = end
            else:
                windows.append({"start": start, "end": end})
        return windows

    def spans_of(self, start: float, end: float) -> list[Span]:
        """The stretches of speech that something from ``start`` to ``end`` belongs to."""
        enough = min(ENOUGH_SECONDS, (end - start) / 2)
        return [span for span in self.speech if span.overlap(start, end) >= enough]

    def recorded(self, start: float, end: float) -> tuple[float, float]:
        """Returns both times on the recording's clock, and in what was kept of it."""
        first = self._recorded(start, bisect_right(self.at, start) - 1)
        return first, max(first, self._recorded(end, bisect_left(self.at, end) - 1))

    def _recorded(self, time: float, place: int) -> float:
        if not self.kept:
            return 0.0
        span, start = self.kept[max(place, 0)], self.at[max(place, 0)]
        return min(span.start + max(time - start, 0.0), span.end)


def source(samples: Samples, options: TranscriptionOptions) -> Source:
    """Returns what is to be heard of the recording, with the filter and the clips that were asked for."""
    seconds = len(samples) / RATE_HERTZ
    is_filtered = not options.clip_timestamps and options.voice_activity_detection is not False
    if options.clip_timestamps:
        # The model is given all of it, and told where to listen.
        kept = _clipped(options.clip_timestamps, seconds)
        at = tuple(span.start for span in kept)
    elif not is_filtered:
        kept, at = (Span(0.0, seconds),), (0.0,)
    else:
        chunks = _chunks(samples, _filter(options))
        lengths = [end - start for start, end in chunks]
        at = tuple(length / RATE_HERTZ for length in np.cumsum([0, *lengths])[:-1].tolist())
        kept = tuple(Span(start / RATE_HERTZ, end / RATE_HERTZ) for start, end in chunks)
        parts = [samples[start:end] for start, end in chunks]
        samples = np.concatenate([*parts, np.zeros(0, np.float32)])
    speech = tuple(Span(start / RATE_HERTZ, end / RATE_HERTZ) for start, end in _chunks(samples, CLOSELY))
    return Source(samples, kept, at, speech, is_filtered)


def _clipped(clips: Sequence[TimeRange], seconds: float) -> tuple[Span, ...]:
    ends = [seconds if clip.end is None else min(clip.end, seconds) for clip in clips]
    return tuple(
        Span(clip.start, end) for clip, end in zip(clips, ends, strict=True) if clip.start < end
    ) or (Span(seconds, seconds),)


def _filter(options: TranscriptionOptions) -> dict[str, Any]:
    asked = voice_activity(options.voice_activity_parameters)
    if options.batched:
        usual = {"min_silence_duration_ms": BATCHED_MIN_SILENCE_MS} if not asked else {}
        return {**usual, **asked, "max_speech_duration_s": WINDOW_SECONDS}
    return asked


def _chunks(samples: Samples, parameters: dict[str, Any]) -> list[tuple[int, int]]:
    from faster_whisper.vad import VadOptions, get_speech_timestamps

    voice_detector()
    found = get_speech_timestamps(samples, VadOptions(**parameters)) if len(samples) else []
    return [(int(chunk["start"]), int(chunk["end"])) for chunk in found]
