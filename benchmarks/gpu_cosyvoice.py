"""CosyVoice at full size, through the service's own adapter, with one to eight streams at once."""

import json
import statistics
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from audio_grpc.audio import decode
from audio_grpc.backends.base import ModelSpec
from audio_grpc.backends.cosyvoice import CosyVoice
from audio_grpc.backends.cosyvoice.requirements import require
from audio_grpc.backends.cosyvoice.versions import version_of
from audio_grpc.text import split
from audio_grpc.types import SynthesisOptions, VoiceSample
from benchmarks.gpu_device import NO_GPU, PeakMemory, torch_sees_gpu
from benchmarks.workload import CLIPS, TEXT, Run, summary

STREAMS = (1, 2, 4, 8)
SIZES = Path(__file__).with_name("gpu-cosyvoice.yaml")
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


def check(model: Model) -> None:
    """Raises RuntimeError, with the remedy, if anything is missing."""
    require(model.checkout)
    if model.device == "cuda" and not torch_sees_gpu():
        raise RuntimeError(
            f"torch sees no CUDA GPU; install NVIDIA's driver, and a build of torch for CUDA{NO_GPU}"
        )
    if model.directory is not None and version_of(model.directory) is None:
        raise RuntimeError(f"{model.directory} is no CosyVoice model: it has no cosyvoice*.yaml")
    if model.directory is None and find_spec("onnx") is None:
        raise RuntimeError("random weights need onnx; install it with: pip install onnx")
    if model.directory is None and model.version == 3 and model.checkout is None:
        raise RuntimeError(
            "version 3 is in the official code only; name a checkout of "
            "https://github.com/FunAudioLLM/CosyVoice with --cosyvoice-path"
        )


def measure(model: Model, folder: Path, say: Say) -> Iterator[Figures]:
    """The figures of each number of streams; random weights are written to ``folder``."""
    directory = model.directory or _random(model, folder, say)
    version = version_of(directory)
    assert version is not None, "check() comes first"
    random = model.directory is None
    say("cosyvoice: loading")
    speaker = _load(model, directory, version.number if random else None)
    text = NOISE if random else TEXT
    speak = _speaking(speaker, text)
    speak(time.perf_counter())  # the first call listens to the sample, too
    for streams in STREAMS:
        say(f"cosyvoice: {streams} streams")
        yield {
            "model": _name(model, version.number),
            "weights": "random" if random else "real",
            "code": "a checkout" if model.checkout else "xinference",
            "compute_type": _compute_type(model),
            "streams": streams,
            **_measure_streams(speak, streams, 1 if model.tiny else 3, model.device),
        }
    speaker.close()


def _random(model: Model, folder: Path, say: Say) -> Path:
    import yaml

    from tests.cosyvoice import miniature

    say(f"cosyvoice {model.version}: writing random weights")
    sizes = None if model.tiny else yaml.safe_load(SIZES.read_text())[model.version]
    return miniature.write(folder / f"cosyvoice{model.version}", model.version, model.checkout, sizes)


def _name(model: Model, version: int) -> str:
    if model.directory is not None:
        return model.directory.resolve().name
    return f"CosyVoice {version}" + (", tiny" if model.tiny else "")


def _compute_type(model: Model) -> str:
    return "float16" if model.device == "cuda" else "float32"


def _load(model: Model, directory: Path, random_version: int | None) -> CosyVoice:
    options: dict[str, Any] = {}
    if model.checkout is not None:
        options["cosyvoice_path"] = str(model.checkout)
    if random_version is not None:
        options["max_token_ratio"] = TOKEN_RATIO[random_version]
    spec = ModelSpec(
        "cosyvoice",
        path=str(directory),
        device=model.device,
        compute_type=_compute_type(model),
        threads=max(STREAMS),
        options=options,
    )
    speaker = CosyVoice(spec)
    speaker.load()
    return speaker


def _speaking(speaker: CosyVoice, text: str) -> Callable[[float], Run]:
    """A call that speaks the text with the voice of a recording, which is listened to only once."""
    clip = CLIPS[0]
    transcript = json.loads(clip.with_name("transcripts.json").read_text())[clip.name]
    sample = VoiceSample("benchmark", decode(clip.read_bytes(), max_seconds=30), transcript)
    options = SynthesisOptions("benchmark", sample=sample)

    def speak(began: float) -> Run:
        first = seconds = 0.0
        for piece in split(text, max_size=speaker.info.max_piece_size):
            for speech in speaker.synthesize(piece, options):
                first = first or time.perf_counter() - began
                seconds += speech.audio.seconds
        return Run(first, time.perf_counter() - began, seconds)

    return speak


def _measure_streams(speak: Callable[[float], Run], streams: int, rounds: int, device: str) -> Figures:
    with ThreadPoolExecutor(streams) as pool, PeakMemory(device) as memory:
        measured = [list(pool.map(speak, [time.perf_counter()] * streams)) for _ in range(rounds)]
    runs = [run for one in measured for run in one]
    return {
        **summary(measured),
        "stream_real_time_factor": statistics.median(run.total / run.audio for run in runs),
        "speech_seconds": statistics.median(run.audio for run in runs),
        "peak_memory_megabytes": memory.megabytes,
    }
