"""Kokoro through the service, beside its bare graph.

Run by itself, ``python -m benchmarks.kokoro REPEATS`` prints the figures of the bare graph as JSON:
onnxruntime with all cores and its own defaults, given the phonemes of one sentence after the other.
"""

import json
import statistics
import sys
import time
from collections.abc import Callable
from importlib.resources import files
from typing import Any

import numpy as np
import psutil

from audio_grpc.backends.embedded_kokoro import embedded_model, embedded_voices
from benchmarks import served
from benchmarks.workload import CORES, TEXT, Run, Scale, alone, summary

VOICE = "af_heart"
RATE_HERTZ = 24_000
CONFIG = """
log_level = "WARNING"
[synthesizers.kokoro]
backend = "kokoro"
resident = true
[transcribers.tone]
backend = "tone"
"""
Figures = dict[str, Any]


def tokens(text: str) -> list[list[int]]:
    """The numbers of each sentence's phonemes, between the two that every sentence has around it."""
    from hibari import Hibari
    from hibari.g2p import G2P

    alphabet = json.loads((files("hibari") / "assets" / "vocab.json").read_text(encoding="utf-8"))
    read = G2P(british=False)
    return [
        [0, *(alphabet[phoneme] for phoneme in read(sentence) if phoneme in alphabet), 0]
        for sentence in Hibari.split_sentences(text)
    ]


def bare(repeats: int) -> Figures:
    """The graph alone: no text is read, no sound is encoded, and nothing is sent."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = CORES
    options.log_severity_level = 3
    graph = onnxruntime.InferenceSession(embedded_model(), options, providers=["CPUExecutionProvider"])
    styles = np.frombuffer(embedded_voices([VOICE])[VOICE], "<f4").reshape(-1, 256)
    name = graph.get_inputs()[0].name

    def say(sentence: list[int]) -> float:
        given = {
            name: np.array([sentence], np.int64),
            "style": styles[len(sentence) - 3][np.newaxis],
            "speed": np.ones(1, np.float32),
        }
        return float(np.asarray(graph.run(None, given)[0]).size) / RATE_HERTZ

    sentences = tokens(TEXT)
    say(sentences[0])
    runs = []
    for _ in range(repeats):
        began, first, seconds = time.perf_counter(), 0.0, 0.0
        for sentence in sentences:
            seconds += say(sentence)
            first = first or time.perf_counter() - began
        runs.append([Run(first, time.perf_counter() - began, seconds)])
    return {**summary(runs), "peak_megabytes": served.peak_megabytes(psutil.Process())}


async def measure(scale: Scale, say: Callable[[str], None]) -> dict[str, Figures]:
    """Returns the figures by way; the ways take turns."""
    repeats = scale.of(2, 1)
    rounds: dict[str, list[Figures]] = {"bare graph": [], "default": []}
    with served.configured(CONFIG) as (server, address):
        for number in range(scale.rounds):
            say(f"Kokoro, round {number + 1} of {scale.rounds}")
            rounds["bare graph"].append(alone("benchmarks.kokoro", repeats))
            ours = await served.synthesize(address, 1, repeats, model="kokoro")
            rounds["default"].append({**ours, "peak_megabytes": served.peak_megabytes(server)})
    return {
        way: {name: statistics.median(one[name] for one in several) for name in several[0]}
        for way, several in rounds.items()
    }


if __name__ == "__main__":
    print(json.dumps(bare(int(sys.argv[1]))))
