"""CosyVoice at full size, through the service's own adapter, with one to sixteen callers at once."""

import json
import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from audio_grpc.backends.base import ModelSpec
from audio_grpc.backends.cosyvoice import CosyVoice
from audio_grpc.backends.cosyvoice.requirements import require
from audio_grpc.backends.cosyvoice.versions import version_of
from audio_grpc.types import SynthesisOptions, VoiceSample
from benchmarks.gpu_callers import Budget, keep_busy
from benchmarks.gpu_device import NO_GPU, PeakMemory, torch_sees_gpu
from benchmarks.gpu_stand_ins import can_clone

CALLERS = (1, 4, 8, 16)
SIZES = Path(__file__).with_name("gpu-cosyvoice.yaml")
VOICE = "recorded"
"""Of random weights: one with features and tokens of two seconds of sound, as zero-shot voices have."""
NOISE = "Every word of this is only noise."
TOKEN_RATIO = {1: 64, 2: 8, 3: 8}
"""The ratio at which random weights, which never end by themselves, speak NOISE for about ten seconds."""
Figures = dict[str, Any]
Say = Callable[[str], None]


@dataclass(frozen=True)
class Model:
    """The model to measure; without a directory, one with random weights."""

    device: str
    directory: Path | None
    version: int
    """The version of the random one; a directory has its own."""
    checkout: Path | None
    """CosyVoice's code; None: the copy in xinference."""
    tiny: bool
    compute_type: str


@dataclass(frozen=True)
class Spoken:
    """One call: seconds to its first chunk, and seconds of sound."""

    first: float
    audio: float


def check(model: Model) -> None:
    """Raises RuntimeError, with the remedy, if anything is missing."""
    require(model.checkout)
    if model.device == "cuda" and not torch_sees_gpu():
        raise RuntimeError(
            f"torch sees no CUDA GPU; install NVIDIA's driver, and a build of torch for CUDA{NO_GPU}"
        )
    if model.directory is not None and version_of(model.directory) is None:
        raise RuntimeError(f"{model.directory} is no CosyVoice model: it has no cosyvoice*.yaml")
    if model.directory is None and model.version == 3 and model.checkout is None:
        raise RuntimeError(
            "version 3 is in the official code only; name a checkout of "
            "https://github.com/FunAudioLLM/CosyVoice with --cosyvoice-path"
        )


def measure(model: Model, folder: Path, budget: Budget, say: Say) -> Iterator[Figures]:
    """The figures of each number of callers; random weights are written to ``folder``."""
    directory = model.directory or _random(model, folder, say)
    version = version_of(directory)
    assert version is not None, "check() comes first"
    random = model.directory is None
    say("cosyvoice: loading")
    speaker = _load(model, directory, version.number if random else None)
    speak = _speaking(speaker, random)
    speak(0.0)  # the first call listens to the sample, too
    for index, callers in enumerate(CALLERS):
        if index and not budget.left:
            say(f"{callers} callers and more are left out: the time is over")
            break
        seconds = budget.left / (len(CALLERS) - index)
        say(f"cosyvoice: {callers} callers, {seconds:.0f} s")
        with PeakMemory(model.device) as memory:
            calls, elapsed = keep_busy(callers, seconds, speak)
        yield {
            "model": _name(model, version.number),
            "weights": "random" if random else "real",
            "compute_type": model.compute_type,
            "callers": callers,
            "calls": len(calls),
            "first_ms": statistics.median(call.first for call in calls) * 1000,
            "first_worst_ms": max(call.first for call in calls) * 1000,
            "audio_seconds_a_second": sum(call.audio for call in calls) / elapsed,
            "measured_seconds": elapsed,
            "peak_memory_megabytes": memory.megabytes,
        }
    speaker.close()


def _random(model: Model, folder: Path, say: Say) -> Path:
    import yaml

    from tests.cosyvoice import miniature

    say(f"cosyvoice {model.version}: writing random weights")
    sizes = None if model.tiny else yaml.safe_load(SIZES.read_text())[model.version]
    directory = folder / f"cosyvoice{model.version}"
    return miniature.write(directory, model.version, model.checkout, sizes, can_clone())


def _name(model: Model, version: int) -> str:
    if model.directory is not None:
        return model.directory.resolve().name
    return f"CosyVoice {version}" + (", tiny" if model.tiny else "")


def _load(model: Model, directory: Path, random_version: int | None) -> CosyVoice:
    options: dict[str, Any] = {}
    if model.checkout is not None:
        options["cosyvoice_path"] = str(model.checkout)
    if random_version is not None:
        options |= {"max_token_ratio": TOKEN_RATIO[random_version], "text_normalization": False}
    spec = ModelSpec(
        "cosyvoice",
        path=str(directory),
        device=model.device,
        compute_type=model.compute_type,
        threads=max(CALLERS),
        options=options,
    )
    speaker = CosyVoice(spec)
    speaker.load()
    return speaker


def _speaking(speaker: CosyVoice, random: bool) -> Callable[[float], Spoken]:
    """A call that speaks until it is told to end, but has its first chunk at least."""
    pieces, options = ([NOISE], SynthesisOptions(VOICE)) if random else _real_workload(speaker)

    def speak(ends: float) -> Spoken:
        began = time.perf_counter()
        first = seconds = 0.0
        for piece in pieces:
            chunks: Any = speaker.synthesize(piece, options)
            with closing(chunks):
                for speech in chunks:
                    first = first or time.perf_counter() - began
                    seconds += speech.audio.seconds
                    if 0.0 < ends < time.perf_counter():
                        return Spoken(first, seconds)
        return Spoken(first, seconds)

    return speak


def _real_workload(speaker: CosyVoice) -> tuple[list[str], SynthesisOptions]:
    """Pieces of a text, and the voice of a recording, which is listened to only once."""
    from audio_grpc.audio import decode
    from audio_grpc.text import split
    from benchmarks.workload import CLIPS, TEXT

    clip = CLIPS[0]
    transcript = json.loads(clip.with_name("transcripts.json").read_text())[clip.name]
    sample = VoiceSample("benchmark", decode(clip.read_bytes(), max_seconds=30), transcript)
    pieces = list(split(TEXT, max_size=speaker.info.max_piece_size))
    return pieces, SynthesisOptions("benchmark", sample=sample)
