"""Whisper on CTranslate2, which faster-whisper runs on: whole batches of 30-second windows."""

import statistics
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import gpu_random_whisper
from benchmarks.gpu_device import NO_GPU, PeakMemory

BATCHES = (1, 8, 32)
WINDOW_SECONDS, WINDOW_FRAMES = 30, 3000
TOKENS, ROUNDS = 128, 3
"""Tokens for each window; half a minute of speech has about as many."""
TINY_TOKENS, TINY_ROUNDS = 8, 1
BEAMS = 5
"""The service's default."""
END_OF_TEXT = {True: 50257, False: 50256}
"""The token by whether the model knows more than English."""
PROMPT = ("<|startoftranscript|>", "<|en|>", "<|transcribe|>", "<|notimestamps|>")
Figures = dict[str, Any]
Say = Callable[[str], None]


def check(device: str) -> None:
    """Raises RuntimeError, with the remedy, if anything is missing."""
    if find_spec("ctranslate2") is None:
        raise RuntimeError(
            "CTranslate2 is not installed; install it with: pip install ctranslate2, "
            "or leave it out with: --only cosyvoice"
        )
    import ctranslate2

    if device == "cuda" and not ctranslate2.get_cuda_device_count():
        raise RuntimeError(f"CTranslate2 sees no CUDA GPU; install NVIDIA's driver{NO_GPU}")


@dataclass(frozen=True)
class Workload:
    """The device of a model, and the amount of work for it."""

    device: str
    tiny: bool

    @property
    def tokens(self) -> int:
        return TINY_TOKENS if self.tiny else TOKENS

    @property
    def rounds(self) -> int:
        return TINY_ROUNDS if self.tiny else ROUNDS


def measure(path: Path | None, workload: Workload, folder: Path, say: Say) -> Iterator[Figures]:
    """The figures of each batch of the model at ``path``, or of random ones, written to ``folder``."""
    if path is not None:
        yield from _batches(path.resolve().name, path, "real", workload, say)
        return
    shapes = {"tiny": gpu_random_whisper.TINY} if workload.tiny else gpu_random_whisper.SHAPES
    for name, shape in shapes.items():
        say(f"whisper {name}: writing random weights")
        directory = gpu_random_whisper.write(folder / name, shape)
        yield from _batches(name, directory, "random", workload, say)


def _batches(name: str, directory: Path, weights: str, workload: Workload, say: Say) -> Iterator[Figures]:
    say(f"whisper {name}: loading")
    compute_type = "float16" if workload.device == "cuda" else "float32"
    model = _loaded(directory, workload.device, compute_type)
    for size in BATCHES:
        say(f"whisper {name}: batches of {size}")
        _once(model, size, workload.tokens)
        with PeakMemory(workload.device) as memory:
            measured = [_once(model, size, workload.tokens) for _ in range(workload.rounds)]
        encode, generate = (statistics.median(both) for both in zip(*measured, strict=True))
        yield {
            **{"model": name, "weights": weights, "compute_type": compute_type, "batch": size},
            **{"tokens": workload.tokens, "beams": BEAMS},
            **{"encode_seconds": encode, "generate_seconds": generate},
            "audio_seconds_a_second": size * WINDOW_SECONDS / (encode + generate),
            "peak_memory_megabytes": memory.megabytes,
        }
    model.unload_model()


def _loaded(directory: Path, device: str, compute_type: str) -> Any:
    import ctranslate2

    model = ctranslate2.models.Whisper(str(directory), device=device, compute_type=compute_type)
    try:
        _once(model, 1, 1)
    except RuntimeError as error:
        if "cannot be loaded" not in str(error):
            raise
        raise RuntimeError(
            f"{error}; install CUDA's libraries with: pip install nvidia-cublas-cu12 "
            "'nvidia-cudnn-cu12==9.*', and name the folders with their .so files in LD_LIBRARY_PATH"
        ) from error
    return model


def _once(model: Any, size: int, tokens: int) -> tuple[float, float]:
    """Seconds to encode a batch of noise, and seconds to make so many tokens for each window."""
    import ctranslate2

    noise = np.random.default_rng(1).standard_normal((size, model.n_mels, WINDOW_FRAMES), np.float32)
    prompt = [token for token in PROMPT if model.is_multilingual or token in (PROMPT[0], PROMPT[-1])]
    began = time.perf_counter()
    encoded = model.encode(ctranslate2.StorageView.from_array(noise))
    encoded_at = time.perf_counter()
    results = model.generate(
        encoded,
        [prompt] * size,
        beam_size=BEAMS,
        max_length=2 * tokens,  # of which CTranslate2 leaves half to the prompt
        suppress_tokens=[END_OF_TEXT[model.is_multilingual]],
    )
    ended = time.perf_counter()
    made = {len(result.sequences_ids[0]) for result in results}
    assert made == {tokens}, f"{made} tokens were made, not {tokens}"
    return encoded_at - began, ended - encoded_at
