"""A speaker and a listener that need no model: the example for authors of backends, and for tests.

Text is spoken as a modem would: each UTF-8 byte becomes two tones, one of sixteen pitches for each half
of its bits. The listener turns the tones back into the text, so a round trip shows whether anything was
lost, doubled or swapped on the way, whatever the encoding and the sample rate.
"""

import re
import time
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from functools import cache, cached_property
from typing import Annotated

import numpy as np
from annotated_types import Ge
from pydantic import ConfigDict

from audio_grpc.backends.base import (
    ModelBroken,
    ModelSpec,
    SynthesizerInfo,
    TranscriberInfo,
    Transcript,
    read_options,
)
from audio_grpc.backends.progress import report_progress
from audio_grpc.samples import Samples
from audio_grpc.types import (
    Audio,
    Language,
    Segment,
    Speech,
    SynthesisOptions,
    TranscriptionOptions,
    Voice,
    VoiceSample,
    Word,
)

SPEAKER_RATE, LISTENER_RATE = 24000, 16000
LOWEST_HERTZ, STEP_HERTZ = 600.0, 150.0
HALF_SECONDS = 0.05
BYTE_SECONDS = 2 * HALF_SECONDS
AMPLITUDE, AUDIBLE = 0.5, 0.1
QUIETEST, LOUDEST = 0.2, 1.0
LOAD_STEPS = 4

Weights = np.ndarray[tuple[int], np.dtype[np.uint8]]
NO_WEIGHTS: Weights = np.ones(0, np.uint8)


@dataclass(frozen=True)
class ToneOptions:
    """Options of the tone backends, with faults for tests."""

    __pydantic_config__ = ConfigDict(extra="forbid")

    delay_seconds: Annotated[float, Ge(0)] = 0.0
    """Computing time to pretend for each chunk or segment."""
    load_seconds: Annotated[float, Ge(0)] = 0.0
    """Computing time to pretend for loading, in steps that are reported."""
    weight_bytes: Annotated[int, Ge(0)] = 0
    """Memory to take."""
    fail_loading: bool = False
    """True to fail at loading."""
    fail_after: Annotated[int, Ge(0)] | None = None
    """The number of chunks or segments of a call after which it fails; None: it does not."""
    crash_on: str | None = None
    """A word that breaks the speaker for good: that call fails, and so does all that it begins later."""
    cloning: bool = False
    """True if the speaker takes samples; it uses nothing of them but their peak."""
    wants_transcript: bool = False
    """True if the speaker wants the transcript of a sample; it then says that first."""
    own_voice: bool = True
    """True if the speaker has a voice without a sample."""


def _pretend_to_load(options: ToneOptions) -> Weights:
    for step in range(LOAD_STEPS):
        report_progress(step / LOAD_STEPS, "pretending")
        time.sleep(options.load_seconds / LOAD_STEPS)
    if options.fail_loading:
        raise RuntimeError("told to fail by the option fail_loading")
    return np.ones(options.weight_bytes, np.uint8)


def _pretend_to_compute(options: ToneOptions, done: int) -> None:
    if options.delay_seconds:
        time.sleep(options.delay_seconds)
    if done == options.fail_after:
        raise RuntimeError(f"told to fail by the option fail_after = {done}")


@cache
def _tones(byte: int) -> Samples:
    """The sound of one byte at full volume, float32 [2400] at 24 kHz: its high half, then its low half."""
    seconds = np.arange(round(HALF_SECONDS * SPEAKER_RATE)) / SPEAKER_RATE
    # Each tone fades in and out over 5 ms, so that it neither clicks nor blurs into the next.
    envelope = np.minimum(1.0, np.minimum(seconds, HALF_SECONDS - seconds) / 0.005)
    halves = [
        envelope * np.sin(2 * np.pi * (LOWEST_HERTZ + STEP_HERTZ * half) * seconds)
        for half in divmod(byte, 16)
    ]
    return np.concatenate(halves).astype(np.float32)


def _volume(sample: VoiceSample | None) -> float:
    """Returns the amplitude, 0 to 1: the peak of the sample, within the listener's range."""
    if sample is None:
        return AMPLITUDE
    return min(max(float(np.max(np.abs(sample.audio.samples))), QUIETEST), LOUDEST)


class ToneSpeaker:
    """Says each byte of a text as two tones, 100 ms a byte."""

    def __init__(self, spec: ModelSpec) -> None:
        self._options = read_options(spec, ToneOptions)
        self._weights = NO_WEIGHTS
        self._broken = False

    @cached_property
    def info(self) -> SynthesizerInfo:
        """One voice, for every language, and no options."""
        voice = Voice("tone", ("und",), "Sine waves, two a byte")
        return SynthesizerInfo(
            SPEAKER_RATE,
            voices=(voice,) if self._options.own_voice else (),
            cloning=self._options.cloning,
            wants_sample_transcript=self._options.wants_transcript,
            sample_language_codes=("und",),
        )

    def load(self) -> None:
        """Loads nothing, but takes the time and memory that the options ask for."""
        self._weights = _pretend_to_load(self._options)

    def close(self) -> None:
        """Give the memory back."""
        self._weights = NO_WEIGHTS

    def unpronounceable(self, text: str) -> str:
        """Returns an empty text: every letter has bytes."""
        return ""

    def synthesize(self, text: str, options: SynthesisOptions) -> Iterator[Speech]:
        """Yields one chunk of 100 ms for each byte."""
        self._broken = self._broken or self._options.crash_on in text.split()
        if self._broken:
            raise ModelBroken(f"told to crash by the option crash_on = {self._options.crash_on!r}")
        volume = np.float32(_volume(options.sample))
        if self._options.wants_transcript and options.sample:
            text = options.sample.transcript + text
        for done, byte in enumerate(text.encode()):
            _pretend_to_compute(self._options, done)
            yield Speech(Audio(volume * _tones(byte), SPEAKER_RATE), input_tokens=1)


class ToneListener:
    """Hears what :class:`ToneSpeaker` said; one segment a sentence."""

    def __init__(self, spec: ModelSpec) -> None:
        self._options = read_options(spec, ToneOptions)
        self._weights = NO_WEIGHTS

    @cached_property
    def info(self) -> TranscriberInfo:
        """Knows no language, and can give word times."""
        return TranscriberInfo(
            language_codes=("und",),
            options=frozenset({"word_timestamps"}),
            sample_rate_hertz=LISTENER_RATE,
        )

    def load(self) -> None:
        """Loads nothing, but takes the time and memory that the options ask for."""
        self._weights = _pretend_to_load(self._options)

    def close(self) -> None:
        """Give the memory back."""
        self._weights = NO_WEIGHTS

    def transcribe(self, audio: Audio, options: TranscriptionOptions) -> Transcript:
        """The bytes that were said, as text; what is not UTF-8 becomes U+FFFD."""
        return Transcript(Language("und"), self._segments(audio.samples, options.word_timestamps))

    def _segments(self, samples: Samples, word_timestamps: bool) -> Generator[Segment, None, None]:
        heard: list[tuple[float, int]] = []
        done = 0
        for start, byte in _bytes(samples):
            if heard and _is_complete(bytes(said for _, said in heard[-8:]), byte):
                _pretend_to_compute(self._options, done)
                done += 1
                yield _segment(heard, word_timestamps)
                heard = []
            heard.append((start, byte))
        if heard:
            _pretend_to_compute(self._options, done)
            yield _segment(heard, word_timestamps)


def _bytes(samples: Samples) -> Iterator[tuple[float, int]]:
    """The start in seconds and the value of each byte; stretches of silence are skipped."""
    audible = np.flatnonzero(np.abs(samples) > AUDIBLE)
    onset = int(audible[0]) if len(audible) else len(samples)
    half, step = round(HALF_SECONDS * LISTENER_RATE), round(BYTE_SECONDS * LISTENER_RATE)
    for start in range(onset, len(samples) - half, step):
        window = samples[start : start + step]
        if np.max(np.abs(window)) > AUDIBLE:
            yield start / LISTENER_RATE, _pitch(window[:half]) * 16 + _pitch(window[half:])


def _pitch(tone: Samples) -> int:
    """Returns the number of the pitch, 0 to 15, from the strongest frequency in the middle of ``tone``."""
    edge = len(tone) // 5
    middle = tone[edge:-edge]
    # Padded to a second, so that a bin is a hertz.
    spectrum = np.abs(np.fft.rfft(middle * np.hanning(len(middle)), LISTENER_RATE))
    return min(max(round((float(np.argmax(spectrum)) - LOWEST_HERTZ) / STEP_HERTZ), 0), 15)


def _is_complete(heard: bytes, following: int) -> bool:
    """Tells if a sentence ended before the byte ``following``."""
    return re.search(rb"[.!?]\s+$", heard) is not None and not chr(following).isspace()


def _segment(heard: list[tuple[float, int]], word_timestamps: bool) -> Segment:
    said = bytes(byte for _, byte in heard)
    end = heard[-1][0] + BYTE_SECONDS
    words = tuple(
        Word(
            text=match.group().decode(errors="replace"),
            start=heard[match.start()][0],
            end=heard[match.end() - 1][0] + BYTE_SECONDS,
            probability=1.0,
        )
        for match in re.finditer(rb"\s*\S+", said)
    )
    return Segment(
        start=heard[0][0],
        end=end,
        text=said.decode(errors="replace"),
        words=words if word_timestamps else (),
        tokens=tuple(said),
    )
