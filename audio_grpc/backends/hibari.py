"""hibari: one American English voice of 8 MB, far faster than real time on one CPU core.

https://github.com/MMWilliams/hibari (Apache-2.0). It speaks a whole piece of text at once, so a chunk is
a piece. Further voices of its own are downloaded by the package if the option ``voices`` names them.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from pydantic import ConfigDict

from audio_grpc.backends.base import ModelSpec, SynthesizerInfo, Traits, read_options
from audio_grpc.backends.english import EnglishReader, parts
from audio_grpc.errors import ConfigurationError, quoted
from audio_grpc.extras import needs
from audio_grpc.types import Audio, Speech, SynthesisOptions, Voice

if TYPE_CHECKING:
    from hibari import Hibari as Engine

SAMPLE_RATE = 24000
SPEED = 100.0
"""Measured: seconds of sound in a second on one core, of a call with all that belongs to it."""
CALL_BYTES = 2 << 20
"""Measured: what a call takes whose listener is slow, with the encoder that takes the most (MP3)."""
NO_SOUND = 2
"""Numbers of phonemes: those around every sentence, and none between."""
MOST_PHONEMES = 400
"""The most phonemes at a time: time and memory grow with their square, to gigabytes for some thousands."""
UNKNOWN_WORD = "brimblewax"
VOICES = {
    "heart": Voice("heart", ("en-US",), "American English, female"),
    "fenrir": Voice("fenrir", ("en-US",), "American English, male"),
    "emma": Voice("emma", ("en-GB",), "British English, female"),
    "fable": Voice("fable", ("en-GB",), "British English, male"),
    "kore": Voice("kore", ("en-US",), "American English, female"),
}


@dataclass(frozen=True)
class HibariOptions:
    """Options beside the fields that every model has."""

    __pydantic_config__ = ConfigDict(extra="forbid")

    voices: tuple[str, ...] = ("heart",)
    """heart comes with the package; fenrir, emma, fable and kore are downloaded when first loaded."""


class Hibari:
    """One engine per voice, each with its own 8 MB model."""

    traits = Traits(
        worker_cores=1,
        why_worker_cores="one for each: a sentence is computed on one core",
        in_real_time=True,
        speed=SPEED,
        call_bytes=CALL_BYTES,
    )

    def __init__(self, spec: ModelSpec) -> None:
        if spec.device not in ("auto", "cpu"):
            raise ConfigurationError(f"hibari runs on the CPU only, not on {spec.device!r}")
        voices = read_options(spec, HibariOptions).voices
        if unknown := [name for name in voices if name not in VOICES]:
            raise ConfigurationError(f"hibari has no voice {unknown[0]!r}; it has: {', '.join(VOICES)}")
        self._voices = tuple(VOICES[name] for name in voices)
        self._path = spec.path
        self._engines: dict[str, Engine] = {}
        self._readers: dict[str, EnglishReader] = {}

    @cached_property
    def info(self) -> SynthesizerInfo:
        """Known without loading."""
        return SynthesizerInfo(SAMPLE_RATE, self._voices, options=frozenset({"speed", "seed"}))

    def load(self) -> None:
        """Half a second and about 150 MB for each voice."""
        with needs("embedded"):
            from hibari import Hibari as Engine
        for voice in self._voices:
            engine = self._made(Engine, voice.name)
            # Its lexicon, its model of words that are not in there, and its optimised graph are made by
            # the first use.
            engine(f"Warm up {UNKNOWN_WORD}.")
            self._engines[voice.name] = engine
            self._readers[voice.name] = EnglishReader(engine.phonemize)

    def _made(self, engine: "type[Engine]", voice: str) -> "Engine":
        try:
            return engine(voice=voice, model=self._path)
        except Exception as error:  # onnxruntime has a class for each kind of failure, and no other root
            if self._path is None:
                raise
            raise ConfigurationError(
                f"{quoted(self._path)} is no model of hibari's ({error}); path is an ONNX file of its own, "
                "and may be left out for the embedded one"
            ) from error

    def close(self) -> None:
        """Drop the engines."""
        self._engines.clear()
        self._readers.clear()

    def unpronounceable(self, text: str) -> str:
        """Letters of scripts that its phonemizer has no reading for, such as Chinese."""
        return next(iter(self._readers.values())).unreadable(text)

    def synthesize(self, text: str, options: SynthesisOptions) -> Iterator[Speech]:
        """One chunk for each sentence that hibari sees in the text; more for one of over 400 phonemes."""
        engine = self._engines[options.voice]
        noise = np.random.default_rng(options.seed)
        for sentence in self._readers[options.voice].phonemes(text):
            for phonemes in parts(sentence, MOST_PHONEMES):
                ids = engine.ids(phonemes)
                if len(ids) == NO_SOUND:
                    continue
                samples = engine.from_ids(ids, options.speed or 1.0, noise)
                yield Speech(Audio(samples, SAMPLE_RATE), input_tokens=len(ids))
