"""Whisper on CTranslate2: callers with windows of 30 seconds, which the service joins into batches."""

import statistics
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from audio_grpc.backends.choosing import LARGE_BATCH_SIZE
from benchmarks import gpu_random_whisper
from benchmarks.gpu_callers import Budget, keep_busy
from benchmarks.gpu_device import NO_GPU, PeakMemory

CALLERS = (1, 8, 32)
WINDOW_SECONDS, WINDOW_FRAMES = 30, 3000
TOKENS, TINY_TOKENS = 128, 8
"""Tokens for each window; half a minute of speech has about as many."""
WAIT_SECONDS = 0.005
"""So long the first window of a batch waits for others, as by default."""
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
    compute_type: str

    @property
    def tokens(self) -> int:
        return TINY_TOKENS if self.tiny else TOKENS


def measure(
    path: Path | None, workload: Workload, folder: Path, budget: Budget, say: Say
) -> Iterator[Figures]:
    """The figures of each number of callers of the model at ``path``, or of a random one in ``folder``."""
    name, shape = ("tiny", gpu_random_whisper.TINY) if workload.tiny else gpu_random_whisper.LARGE_V3_TURBO
    if path is None:
        say(f"whisper {name}: writing random weights")
    directory = path or gpu_random_whisper.write(folder / name, shape)
    say("whisper: loading")
    model = _loaded(directory, workload.device, workload.compute_type)
    hear = _hearing(model, workload.tokens)
    hear(0.0)
    for index, callers in enumerate(CALLERS):
        if index and not budget.left:
            say(f"{callers} callers and more are left out: the time is over")
            break
        seconds = budget.left / (len(CALLERS) - index)
        say(f"whisper: {callers} callers, {seconds:.0f} s")
        with PeakMemory(workload.device) as memory:
            calls, elapsed = keep_busy(callers, seconds, hear)
        yield {
            "model": name if path is None else path.resolve().name,
            "weights": "random" if path is None else "real",
            **{"compute_type": workload.compute_type, "tokens": workload.tokens, "beams": BEAMS},
            **{"batch_size": LARGE_BATCH_SIZE, "callers": callers, "calls": len(calls)},
            "window_ms": statistics.median(calls) * 1000,
            "window_worst_ms": max(calls) * 1000,
            "audio_seconds_a_second": len(calls) * WINDOW_SECONDS / elapsed,
            "measured_seconds": elapsed,
            "peak_memory_megabytes": memory.megabytes,
        }
    model.unload_model()


def _loaded(directory: Path, device: str, compute_type: str) -> Any:
    import ctranslate2

    return ctranslate2.models.Whisper(str(directory), device=device, compute_type=compute_type)


def _hearing(model: Any, tokens: int) -> Callable[[float], float]:
    """A call that has a window of noise recognised, in batches with others, and returns the seconds taken."""
    from audio_grpc.backends.whisper_engine import Engine

    prompt: Any = [token for token in PROMPT if model.is_multilingual or token in (PROMPT[0], PROMPT[-1])]
    start: Any = PROMPT[0]
    engine = Engine(
        model, batch_size=LARGE_BATCH_SIZE, wait_seconds=WAIT_SECONDS, workers=1, start_token=start
    )
    noise = np.random.default_rng(1).standard_normal((1, model.n_mels, WINDOW_FRAMES), np.float32)
    options = {
        "beam_size": BEAMS,
        "max_length": 2 * tokens,  # of which CTranslate2 leaves half to the prompt
        "suppress_tokens": [END_OF_TEXT[model.is_multilingual]],
    }

    def hear(_: float) -> float:
        began = time.perf_counter()
        with engine.taking_part():
            (result,) = engine.generate(engine.encode(noise), [prompt], options)
        made = len(result.sequences_ids[0])
        assert made == tokens, f"{made} tokens were made, not {tokens}"
        return time.perf_counter() - began

    return hear
