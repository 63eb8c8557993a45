"""Kokoro-82M: 28 English voices at 24 kHz, faster than real time on a CPU.

https://huggingface.co/hexgrad/Kokoro-82M (Apache-2.0), run by onnxruntime. ``path`` is a folder with
``model.onnx`` and ``voices/*.bin`` (float32 [510, 256]); without one it is the int8 model of
``embedded_kokoro``. hibari's G2P turns text into phonemes, so espeak (GPL) is not needed. It reads American
and British English; Kokoro's 26 voices for seven other languages would need a G2P of theirs, and are not
offered.
"""

import json
import re
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from pydantic import ConfigDict

from audio_grpc.backends.base import AtLeastOne, ModelSpec, SynthesizerInfo, Traits, read_options
from audio_grpc.backends.embedded_kokoro import embedded_model, embedded_voices
from audio_grpc.backends.english import EnglishReader, parts
from audio_grpc.backends.kokoro_pieces import Pace, conjunctions, piece_end
from audio_grpc.errors import ConfigurationError
from audio_grpc.extras import needs
from audio_grpc.machine import cpus
from audio_grpc.samples import Samples
from audio_grpc.types import Audio, Speech, SynthesisOptions, Voice

if TYPE_CHECKING:
    from onnxruntime import InferenceSession

SAMPLE_RATE = 24000
SPEED = 1.6
"""Measured: seconds of sound in a second, for each of two cores."""
OWN_SPEED_WEIGHT = 0.2
"""The weight of each sentence in the speed that is measured while it is used."""
PAUSE_SECONDS = 0.1
"""So much silence stays on each side where a sentence is spoken in pieces."""
FADE_SECONDS = 0.005
QUIET = 0.02
"""Of the loudest sample: what is below is silence."""
MOST_TOKENS = 510
"""Phonemes that the model takes at once; a voice has a style of 256 numbers for each count of them."""
STYLE_SIZE = 256
CUDA = "CUDAExecutionProvider"
# The best one first: it is the default.
EMBEDDED_VOICES = (
    *("af_heart", "af_alloy", "af_aoede", "af_bella", "af_jessica", "af_kore", "af_nicole", "af_nova"),
    *("af_river", "af_sarah", "af_sky", "am_adam", "am_echo", "am_eric", "am_fenrir", "am_liam"),
    *("am_michael", "am_onyx", "am_puck", "am_santa", "bf_alice", "bf_emma", "bf_isabella", "bf_lily"),
    *("bm_daniel", "bm_fable", "bm_george", "bm_lewis"),
)
# A voice's name begins with its accent and its gender.
VOICE_NAME = re.compile(r"[ab][fm]_\w+")
ACCENTS = {"a": ("en-US", "American English"), "b": ("en-GB", "British English")}
GENDERS = {"f": "female", "m": "male"}
# Of the same name where Kokoro has one, else of the same kind and of the better ones.
OPENAI_VOICES = {
    "alloy": "af_alloy",
    "ash": "am_michael",
    "ballad": "bm_george",
    "cedar": "am_puck",
    "coral": "af_aoede",
    "echo": "am_echo",
    "fable": "bm_fable",
    "marin": "af_heart",
    "nova": "af_nova",
    "onyx": "am_onyx",
    "sage": "af_sarah",
    "shimmer": "af_bella",
    "verse": "am_fenrir",
    # And GateFlow's personas.
    "professional": "af_sarah",
    "friendly": "af_heart",
    "calm": "bf_emma",
    "energetic": "am_puck",
}


@dataclass(frozen=True)
class KokoroOptions:
    """Options beside the fields that every model has."""

    __pydantic_config__ = ConfigDict(extra="forbid")

    cpu_threads: AtLeastOne | None = None
    """CPU threads for each of the model's threads; None: chosen (``choosing.py``)."""
    cache_path: Path | None = None
    """The folder of the embedded model and the archive of its voices; None: the user's cache folder."""


def _unfit_for_gpu() -> str:
    try:
        import onnxruntime
    except ImportError:
        return ""  # loading says what is missing
    there = CUDA in onnxruntime.get_available_providers()
    return "" if there else "onnxruntime cannot use it; onnxruntime-gpu in its place can"


class Kokoro:
    """One model, which all voices and threads share."""

    traits = Traits(
        unfit_for_gpu=_unfit_for_gpu,
        options=frozenset({"cpu_threads"}),
        worker_cores=2,
        why_worker_cores="two for each: the sound of one call comes earlier so",
        in_real_time=True,
        speed=SPEED,
    )

    def __init__(self, spec: ModelSpec) -> None:
        if not re.fullmatch(r"auto|cpu|cuda(:\d+)?", spec.device):
            raise ConfigurationError(f"kokoro runs on auto, cpu, cuda or cuda:N, not on {spec.device!r}")
        self._spec = spec
        self._options = read_options(spec, KokoroOptions)
        self._folder = Path(spec.path) if spec.path else None
        names = _voices_in(self._folder) if self._folder else EMBEDDED_VOICES
        self._voices = tuple(_voice(name) for name in names)
        self._engine: _Engine | None = None

    @cached_property
    def info(self) -> SynthesizerInfo:
        """Known without loading."""
        return SynthesizerInfo(
            SAMPLE_RATE, self._voices, options=frozenset({"speed"}), openai_voices=OPENAI_VOICES
        )

    def load(self) -> None:
        """A few seconds, and about 400 MB; more for long sentences."""
        with needs("kokoro"):
            import hibari.g2p  # noqa: F401
        names = [voice.name for voice in self._voices]
        if self._folder:
            voices = {name: (self._folder / "voices" / f"{name}.bin").read_bytes() for name in names}
            model: Path | bytes = self._folder / "model.onnx"
        else:
            cache = self._options.cache_path
            voices, model = embedded_voices(names, cache), embedded_model(cache)
        styles = {name: _style(name, voices[name]) for name in names}
        reading = {accent: _phonemize(accent) for accent in {name[0] for name in names}}
        threads = self._options.cpu_threads or cpus() // self._spec.sizes.threads or 1
        self._engine = _Engine(
            session=_session(model, self._spec.device, threads),
            factor=1 / (SPEED * min(threads, 2)),
            styles=styles,
            readers={accent: EnglishReader(phonemize) for accent, phonemize in reading.items()},
            joining={accent: conjunctions(phonemize) for accent, phonemize in reading.items()},
            # hibari was made to sound like Kokoro, and writes phonemes as it does.
            alphabet=json.loads((files("hibari") / "assets" / "vocab.json").read_text(encoding="utf-8")),
        )
        for _ in self.synthesize("Warm up.", SynthesisOptions(voice=names[0])):
            pass

    def close(self) -> None:
        """Drop the model."""
        self._engine = None

    def unpronounceable(self, text: str) -> str:
        """Letters of scripts that the G2P has no reading for, such as Chinese."""
        return self._loaded.readers[self._voices[0].name[0]].unreadable(text)

    def synthesize(self, text: str, options: SynthesisOptions) -> Iterator[Speech]:
        """One chunk for each sentence; more for one of over 510 phonemes, or where a listener waits."""
        engine = self._loaded
        for phonemes in engine.phonemes(text, options.voice):
            yield from engine.say(phonemes, options)

    @property
    def _loaded(self) -> "_Engine":
        assert self._engine is not None, "load() comes first"
        return self._engine


@dataclass
class _Engine:
    """The model in memory, its voices, and what reads text for them."""

    session: "InferenceSession"
    factor: float
    """Seconds that a second of sound takes, lately."""
    styles: Mapping[str, Samples]
    readers: Mapping[str, EnglishReader]
    """Readers by accent."""
    joining: Mapping[str, frozenset[str]]
    """Phonemes of conjunctions, by accent."""
    alphabet: Mapping[str, int]
    """The number of each phoneme."""

    def phonemes(self, text: str, voice: str) -> Iterator[str]:
        """Yields the phonemes, sentence by sentence, at most 510 in each; none for one without sound."""
        for sentence in self.readers[voice[0]].phonemes(text):
            known = "".join(phoneme for phoneme in sentence if phoneme in self.alphabet)
            yield from (part for part in parts(known, MOST_TOKENS) if any(map(str.isalpha, part)))

    def say(self, phonemes: str, options: SynthesisOptions) -> Iterator[Speech]:
        """Yields the sound of a sentence; in pieces if its listener would have to wait for all of it."""
        speed, begin = options.speed or 1.0, 0
        while rest := phonemes[begin:]:
            end = len(rest)
            if options.in_hand is not None:
                pace = Pace(self.factor, speed)
                end = piece_end(rest, options.in_hand(), pace, self.joining[options.voice[0]])
            # A sentence stands between two zeros. Without the last one, a piece sounds as if it went on.
            goes_on = end < len(rest)
            tokens = [0, *(self.alphabet[phoneme] for phoneme in rest[:end]), *[0] * (not goes_on)]
            samples = self._run(tokens, self.styles[options.voice][end - 1], speed)
            yield Speech(Audio(_joinable(samples, begin > 0, goes_on), SAMPLE_RATE), len(tokens))
            begin += end

    def _run(self, tokens: list[int], style: Samples, speed: float) -> Samples:
        """Returns the sound of a piece, float32 [n] at 24 kHz."""
        given = {
            self.session.get_inputs()[0].name: np.array([tokens], np.int64),
            "style": style[np.newaxis],
            "speed": np.array([speed], np.float32),
        }
        began = time.perf_counter()
        audio: Samples = np.asarray(self.session.run(None, given)[0], np.float32).reshape(-1)
        took = (time.perf_counter() - began) * SAMPLE_RATE / max(len(audio), 1)
        self.factor += OWN_SPEED_WEIGHT * (took - self.factor)
        return audio


def _joinable(samples: Samples, follows: bool, goes_on: bool) -> Samples:
    """Returns a piece without what is too much of the silence where it meets others of its sentence."""
    loud = np.flatnonzero(np.abs(samples) > QUIET * np.abs(samples).max(initial=0.0))
    if not len(loud) or not (follows or goes_on):
        return samples
    pause, fade = round(PAUSE_SECONDS * SAMPLE_RATE), round(FADE_SECONDS * SAMPLE_RATE)
    begin = max(loud[0] - pause, 0) if follows else 0
    end = min(loud[-1] + pause, len(samples)) if goes_on else len(samples)
    samples = samples[begin:end].copy()
    ramp = np.linspace(0, 1, min(fade, len(samples)), dtype=np.float32)
    if follows:
        samples[: len(ramp)] *= ramp
    if goes_on:
        samples[len(samples) - len(ramp) :] *= ramp[::-1]
    return samples


def _phonemize(accent: str) -> Callable[[str], list[str]]:
    """The phonemes of a text, sentence by sentence."""
    from hibari import Hibari
    from hibari.g2p import G2P

    read = G2P(british=accent == "b")
    return lambda text: [read(sentence) for sentence in Hibari.split_sentences(text)]


def _voices_in(folder: Path) -> list[str]:
    """The voices there that can be offered. Raises ConfigurationError if it is no folder of a model."""
    if not (folder / "model.onnx").is_file():
        raise ConfigurationError(f"{folder} has no model.onnx; path is a folder with that and voices/*.bin")
    names = {file.stem for file in (folder / "voices").glob("*.bin") if VOICE_NAME.fullmatch(file.stem)}
    if not names:
        raise ConfigurationError(
            f"{folder / 'voices'} has no English voice: no file such as af_heart.bin or bm_george.bin"
        )
    return [name for name in EMBEDDED_VOICES if name in names] + sorted(names.difference(EMBEDDED_VOICES))


def _voice(name: str) -> Voice:
    code, accent = ACCENTS[name[0]]
    return Voice(name, (code,), f"{accent}, {GENDERS[name[1]]}")


def _style(name: str, content: bytes) -> Samples:
    if len(content) != 4 * MOST_TOKENS * STYLE_SIZE:
        raise RuntimeError(f"the voice {name} has {len(content)} bytes, not {4 * MOST_TOKENS * STYLE_SIZE}")
    return np.frombuffer(content, "<f4").reshape(MOST_TOKENS, STYLE_SIZE)


def _session(model: Path | bytes, device: str, threads: int) -> "InferenceSession":
    """Opens the model. Raises RuntimeError if the file is no Kokoro model, or if the device is not there."""
    import onnxruntime

    kind, _, index = device.partition(":")
    providers: list[Any] = ["CPUExecutionProvider"]
    if kind != "cpu" and CUDA in onnxruntime.get_available_providers():
        providers.insert(0, (CUDA, {"device_id": int(index or 0)}))
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    options.enable_mem_pattern = False  # no sentence is as long as the last one: plans would only pile up
    # Idle threads would burn a third more of the processor in waiting for work, at the cost of other calls.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.log_severity_level = 3
    try:
        session = onnxruntime.InferenceSession(model, options, providers=providers)
    except Exception as error:  # its classes have no public name
        raise RuntimeError(f"onnxruntime cannot load the model: {error}") from error
    inputs = [one.name for one in session.get_inputs()]
    if sorted(inputs[1:]) != ["speed", "style"]:
        raise RuntimeError(f"the model takes {', '.join(inputs)}; Kokoro takes tokens, style and speed")
    if kind == "cuda" and CUDA not in session.get_providers():
        raise RuntimeError(
            "onnxruntime finds no CUDA; install onnxruntime-gpu in place of onnxruntime, or set device to cpu"
        )
    return session
