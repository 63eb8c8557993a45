"""English utterances whose words are known, from 0.3 to 20 seconds, as people and as callers send them.

People: the prompts that Allison Smith recorded for Asterisk (CC-BY-SA-3.0, in Debian's packages of them,
which ``apt-get`` fetches), alone and several in a row, and LibriVox's sentences in ``tests/data``.
Synthesised: hibari. Each comes clean, and once more as a worse line or room would have it.
"""

import gzip
import hashlib
import json
import re
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import av
import numpy as np
from platformdirs import user_cache_path

from audio_grpc.audio import decode, resample
from audio_grpc.backends.base import ModelSpec
from audio_grpc.backends.hibari import Hibari
from audio_grpc.samples import Samples
from audio_grpc.types import SynthesisOptions
from benchmarks.workload import CLIPS

RATE_HERTZ = 16_000
PACKAGES = {
    "asterisk-core-sounds-en-g722": "38c5261820b406dcb0ecb37675720da2b0864850690690352ca52707eb623806",
    "asterisk-core-sounds-en": "973e797d28e37fa6ca3c0a9d6fa717e77cf1268ae916bf09fd3503113cdffa50",
}
"""The packages, with the SHA-256 of the version that the figures are of."""
VERSION = "1.6.1-1"
ALONE = {(0.3, 1.2): 80, (1.2, 4.0): 90, (4.0, 20.0): 60}
"""The number of prompts by their range of seconds."""
JOINED = 24
JOINED_SECONDS = (10.0, 20.0)
PAUSE_SECONDS = 0.4
SPOKEN = (
    "Yes.",
    "No.",
    "Yes, please.",
    "No, thank you.",
    "Stop.",
    "Okay.",
    "Maybe later.",
    "I don't know.",
    "Tomorrow at nine.",
    "Seventeen.",
    "Four hundred and twelve.",
    "Call Margaret.",
    "It is Saturday.",
    "My name is Jonathan Baker.",
    "Please send it to Caroline Fletcher in Birmingham.",
    "The meeting is on the fourteenth of March at half past three.",
    "My number is five five five, zero one nine two.",
    "We sold three thousand two hundred tickets in nineteen eighty seven.",
    "Doctor Williams will see you in room twenty six.",
    "Turn the lights off in the kitchen and close the garage door.",
    "The flight from Amsterdam to Chicago leaves at a quarter to seven.",
    "Is there anything else that I can do for you today?",
    "The quick brown fox jumps over the lazy dog.",
    "The neighbours on the corner painted their front door green, and then, a week later, blue again.",
    "The birch canoe slid on the smooth planks. Glue the sheet to the dark blue background.",
    "It is easy to tell the depth of a well. These days a chicken leg is a rare dish.",
    "Rice is often served in round bowls. The juice of lemons makes fine punch.",
    "The box was thrown beside the parked truck. The hogs were fed chopped corn and garbage.",
    "Four hours of steady work faced us. A large size in stockings is hard to sell.",
    "If the package has not arrived by Wednesday, write to Benjamin Carter, and we will send you another.",
)
Change = Callable[[Samples, np.random.Generator], Samples]


@dataclass(frozen=True)
class Utterance:
    """Samples (16 kHz, mono), the words in them, who speaks, and in which condition they arrive."""

    samples: Samples
    words: str
    speaker: str
    condition: str = "clean"

    @property
    def seconds(self) -> float:
        """The length of it."""
        return len(self.samples) / RATE_HERTZ


def utterances() -> list[Utterance]:
    """All of them; the same each time."""
    clean = [*_alone(), *_joined(), *_read(), *_synthesised()]
    babble = np.concatenate([one.samples for one in clean if one.speaker == "prompts"])
    changes = _conditions(babble)
    worse = [
        _changed(one, name, changes[name], number)
        for number, (one, name) in enumerate(zip(clean, _cycle(list(changes)), strict=False))
    ]
    return [*clean, *worse]


def _changed(one: Utterance, condition: str, change: Change, seed: int) -> Utterance:
    samples = change(one.samples, np.random.default_rng(seed))
    return Utterance(samples, one.words, one.speaker, condition)


def _cycle(names: list[str]) -> Iterator[str]:
    while True:
        yield from names


def _conditions(babble: Samples) -> dict[str, Change]:
    def noisy(noise: Change, decibels: float) -> Change:
        return lambda samples, random: _mixed(samples, noise(samples, random), decibels)

    def chatter(samples: Samples, random: np.random.Generator) -> Samples:
        starts = random.integers(0, len(babble) - len(samples), 6)
        voices = np.stack([babble[start : start + len(samples)] for start in starts])
        return np.asarray(voices.sum(axis=0), np.float32)

    return {
        "silence around": lambda samples, _: np.pad(samples, (2 * RATE_HERTZ, 3 * RATE_HERTZ)),
        "telephone": _telephone,
        "pink noise, 20 dB": noisy(_pink, 20),
        "pink noise, 10 dB": noisy(_pink, 10),
        "pink noise, 0 dB": noisy(_pink, 0),
        "babble, 15 dB": noisy(chatter, 15),
        "babble, 5 dB": noisy(chatter, 5),
        "noise around, 10 dB": lambda samples, random: noisy(_pink, 10)(np.pad(samples, RATE_HERTZ), random),
    }


def _mixed(samples: Samples, noise: Samples, decibels: float) -> Samples:
    loudness = float(np.sqrt(np.mean(samples[samples != 0] ** 2)))
    wanted = loudness / 10 ** (decibels / 20)
    mixed = samples + noise * (wanted / max(float(np.sqrt(np.mean(noise**2))), 1e-9))
    return np.asarray(mixed / max(1.0, float(np.abs(mixed).max())), np.float32)


def _pink(samples: Samples, random: np.random.Generator) -> Samples:
    spectrum = np.fft.rfft(random.standard_normal(len(samples)))
    spectrum /= np.sqrt(np.maximum(np.arange(len(spectrum)), 1))
    return np.asarray(np.fft.irfft(spectrum, len(samples)), np.float32)


def _telephone(samples: Samples, _: np.random.Generator) -> Samples:
    """300 to 3400 Hz, in the 256 steps of mu-law (ITU-T G.711)."""
    spectrum = np.fft.rfft(samples)
    frequencies = np.fft.rfftfreq(len(samples), 1 / RATE_HERTZ)
    spectrum[(frequencies < 300) | (frequencies > 3400)] = 0
    band = np.clip(np.fft.irfft(spectrum, len(samples)), -1, 1)
    steps = np.round(np.sign(band) * np.log1p(255 * np.abs(band)) / np.log(256) * 127) / 127
    return np.asarray(np.sign(steps) * np.expm1(np.abs(steps) * np.log(256)) / 255, np.float32)


def _alone() -> list[Utterance]:
    found = _prompts()
    chosen: list[Utterance] = []
    for (shortest, longest), count in ALONE.items():
        chosen += [one for one in found if shortest <= one.seconds < longest][:count]
    return chosen


def _joined() -> list[Utterance]:
    """Several prompts in a row, with pauses in between."""
    rest = iter([one for one in _prompts()[::-1] if 1.0 <= one.seconds < 6.0])
    shortest, longest = JOINED_SECONDS
    pause = np.zeros(round(PAUSE_SECONDS * RATE_HERTZ), np.float32)
    joined: list[Utterance] = []
    for number in range(JOINED):
        wanted = shortest + (longest - shortest) * number / JOINED
        parts = [next(rest)]
        while sum(part.seconds for part in parts) < wanted:
            parts.append(next(rest))
        sound = np.concatenate([piece for part in parts for piece in (part.samples, pause)])
        joined.append(Utterance(sound, " ".join(part.words for part in parts), "prompts"))
    return joined


def _prompts() -> list[Utterance]:
    """Asterisk's, in an order that has nothing to do with what they say."""
    folder = _unpacked()
    listed = gzip.decompress(next(folder.rglob("core-sounds-en.txt.gz")).read_bytes()).decode()
    sounds = next(folder.rglob("activated.g722")).parent
    texts = dict(re.findall(r"^([\w/-]+): (.*)$", listed, re.MULTILINE))
    found = [
        Utterance(_prompt(sounds / f"{name}.g722"), text.strip(), "prompts")
        for name, text in sorted(texts.items(), key=lambda one: hashlib.sha256(one[0].encode()).digest())
        # Tones, and letters that nobody can tell from words.
        if "[" not in text and not name.startswith("letters/") and (sounds / f"{name}.g722").exists()
    ]
    assert len(found) > sum(ALONE.values()), "the packages of prompts are not those that are expected"
    return found


def _unpacked() -> Path:
    """Debian's packages of the prompts, fetched once."""
    folder = user_cache_path("audio-grpc") / f"asterisk-core-sounds-en-{VERSION}"
    if folder.exists():
        return folder
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent) as name:
        work = Path(name)
        (work / "unpacked").mkdir()
        for package, expected in PACKAGES.items():
            subprocess.run(["apt-get", "download", "-qq", f"{package}={VERSION}"], cwd=work, check=True)
            (file,) = work.glob(f"{package}_*.deb")
            if hashlib.sha256(file.read_bytes()).hexdigest() != expected:
                raise SystemExit(f"{package} {VERSION} is not the package that the figures are of")
            subprocess.run(["dpkg-deb", "--extract", file, work / "unpacked"], check=True)
        (work / "unpacked").rename(folder)
    return folder


def _prompt(path: Path) -> Samples:
    """G.722 (ITU-T), which has no header that would tell what it is."""
    with av.open(path, format="g722") as container:
        sound = np.concatenate([frame.to_ndarray()[0] for frame in container.decode(audio=0)])
    return np.asarray(sound / (1 << 15), np.float32)


def _read() -> list[Utterance]:
    spoken: dict[str, str] = json.loads((CLIPS[0].parent / "transcripts.json").read_text())
    return [
        Utterance(decode(path.read_bytes(), max_seconds=60).samples, spoken[path.name], "LibriVox")
        for path in CLIPS
    ]


def _synthesised() -> list[Utterance]:
    model = Hibari(ModelSpec("hibari"))
    model.load()
    options = SynthesisOptions(voice=model.info.voices[0].name)
    made = []
    for text in SPOKEN:
        spoken = (speech.audio for speech in model.synthesize(text, options))
        samples = np.concatenate([audio.samples for audio in resample(spoken, RATE_HERTZ)])
        made.append(Utterance(samples, text, "hibari"))
    return made
