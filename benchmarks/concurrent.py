"""Callers who have recordings transcribed at the same moment, by the service and by the bare library.

Run by itself, ``python -m benchmarks.concurrent CALLERS`` prints the figures of the bare library as JSON.
"""

import asyncio
import json
import statistics
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from audio_grpc.audio import decode
from audio_grpc.backends.embedded_whisper import whisper_base
from audio_grpc.client import AsyncClient
from benchmarks import served
from benchmarks.workload import CLIPS

CALLERS = (1, 4, 8)
CPU_THREADS = 2
WAYS = {
    "one worker": "",
    "two workers": "threads = 2",
    "batches of up to 8": "options = { batch_size = 8 }",
    "two workers, short context": "threads = 2\noptions = { short_context = true }",
}
CONFIG = """
log_level = "WARNING"
[synthesizers.tone]
backend = "tone"
[transcribers.whisper-base]
backend = "faster-whisper"
resident = true
concurrency = 8
{}
"""
Figures = dict[str, Any]


def figures(began: float, latencies: list[float], seconds: float, transcripts: list[str]) -> Figures:
    """What a round of all callers amounts to."""
    return {
        "audio_per_second": seconds / (time.perf_counter() - began),
        "latency_seconds": statistics.median(latencies),
        "worst_seconds": max(latencies),
        "transcripts": transcripts,
    }


def workload(callers: int) -> list[Path]:
    """What all callers together have; whoever is done takes the next."""
    return CLIPS if callers == 1 else 2 * CLIPS


def bare(callers: int) -> Figures:
    """faster-whisper with as many threads, its callers in a pool of their own."""
    from faster_whisper import WhisperModel

    model = WhisperModel(
        str(whisper_base()), device="cpu", compute_type="int8", cpu_threads=CPU_THREADS, num_workers=1
    )

    def one(path: Path) -> tuple[float, float, str]:
        began = time.perf_counter()
        audio = decode(path.read_bytes(), max_seconds=60)
        segments, _ = model.transcribe(audio.samples, language="en", vad_filter=True)
        text = "".join(segment.text for segment in segments)
        return time.perf_counter() - began, audio.seconds, text

    one(CLIPS[0])
    with ThreadPoolExecutor(callers) as pool:
        began = time.perf_counter()
        done = list(pool.map(one, workload(callers)))
        latencies, lengths, texts = zip(*done, strict=True)
        return figures(began, list(latencies), sum(lengths), list(texts))


async def through(address: str, callers: int) -> Figures:
    """The service, ``callers`` calls at once."""
    places = asyncio.Semaphore(callers)
    async with AsyncClient(address) as client:

        async def one(recording: bytes) -> tuple[float, float, str]:
            async with places:
                began = time.perf_counter()
                async with client.transcribe(recording, language_code="en") as transcript:
                    text = "".join([segment.text async for segment in transcript])
            seconds = transcript.finished.audio_duration.ToTimedelta().total_seconds()
            return time.perf_counter() - began, seconds, text

        recordings = [path.read_bytes() for path in workload(callers)]
        await one(recordings[0])
        began = time.perf_counter()
        done = await asyncio.gather(*map(one, recordings))
        latencies, lengths, texts = zip(*done, strict=True)
        return figures(began, list(latencies), sum(lengths), list(texts))


async def measure(rounds: int) -> dict[str, dict[str, Figures]]:
    """By way and number of callers: medians over the rounds, and how many transcripts are the bare ones."""
    found: dict[str, dict[str, list[Figures]]] = {}
    for _ in range(rounds):
        for callers in CALLERS:
            found.setdefault("bare faster-whisper", {}).setdefault(str(callers), []).append(_bare(callers))
        for way, options in WAYS.items():
            with served.configured(CONFIG.format(options)) as (_, address):
                for callers in CALLERS:
                    one = await through(address, callers)
                    found.setdefault(way, {}).setdefault(str(callers), []).append(one)
    expected = {callers: rounds[0]["transcripts"] for callers, rounds in found["bare faster-whisper"].items()}
    return {
        way: {callers: _summed(several, expected[callers]) for callers, several in by_callers.items()}
        for way, by_callers in found.items()
    }


def _bare(callers: int) -> Figures:
    command = [sys.executable, "-m", "benchmarks.concurrent", str(callers)]
    result: Figures = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    return result


def _summed(rounds: list[Figures], expected: list[str]) -> Figures:
    numbers = ("audio_per_second", "latency_seconds", "worst_seconds")
    summed: Figures = {name: statistics.median(one[name] for one in rounds) for name in numbers}
    summed["equal"] = sum(
        text == other for one in rounds for text, other in zip(one["transcripts"], expected, strict=True)
    )
    summed["of"] = sum(len(one["transcripts"]) for one in rounds)
    return summed


if __name__ == "__main__":
    print(json.dumps(bare(int(sys.argv[1]))))
