"""Callers who have recordings transcribed at the same moment, by the service and by the bare library.

Run by itself, ``python -m benchmarks.concurrent CALLERS CLIPS`` prints the figures of the bare library as
JSON.
"""

import asyncio
import json
import statistics
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import cycle, islice
from pathlib import Path
from typing import Any

import psutil

from audio_grpc.backends.embedded_whisper import whisper_base
from audio_grpc.client import AsyncClient, ServiceError
from benchmarks import served
from benchmarks.words import word_error_rate
from benchmarks.workload import CLIPS, CORES, SPOKEN, Scale, alone

WORKLOAD = {1: 5, 4: 10, 8: 20, 32: 40}
"""The number of clips of all callers together, by the number of callers; a free caller takes the next."""
LITTLE = {1: 1, 4: 4}
BARE, OURS = "bare faster-whisper", "default"
CONFIG = """
log_level = "WARNING"
[synthesizers.tone]
backend = "tone"
[transcribers.whisper-base]
resident = true
"""
Figures = dict[str, Any]
Done = tuple[float, float, str]
"""Seconds that a call took, seconds of its recording, and its transcript."""


def workload(count: int) -> list[Path]:
    return list(islice(cycle(CLIPS), count))


def figures(took: float, cpu_seconds: float, done: list[Done]) -> Figures:
    """Returns the figures of a round of all callers."""
    latencies, lengths, texts = zip(*done, strict=True)
    return {
        "audio_per_second": sum(lengths) / took,
        "cpu_seconds_a_second": cpu_seconds / sum(lengths),
        "latency_seconds": statistics.median(latencies),
        "worst_seconds": max(latencies),
        "transcripts": texts,
    }


def bare(callers: int, count: int) -> Figures:
    """faster-whisper on all cores, its callers in a pool of threads."""
    from faster_whisper import WhisperModel, decode_audio

    model = WhisperModel(str(whisper_base()), device="cpu", compute_type="int8", cpu_threads=CORES)

    def one(path: Path) -> Done:
        began = time.perf_counter()
        samples = decode_audio(str(path))
        segments, info = model.transcribe(samples, language="en", vad_filter=True)
        text = "".join(segment.text for segment in segments)
        return time.perf_counter() - began, info.duration, text

    one(CLIPS[0])
    process = psutil.Process()
    with ThreadPoolExecutor(callers) as pool:
        began, used = time.perf_counter(), served.cpu_seconds(process)
        done = list(pool.map(one, workload(count)))
        return figures(time.perf_counter() - began, served.cpu_seconds(process) - used, done)


async def through(address: str, server: psutil.Process, callers: int, count: int) -> Figures:
    """The service, ``callers`` calls at once."""
    places = asyncio.Semaphore(callers)
    refused: list[ServiceError] = []
    async with AsyncClient(address) as client:

        async def one(recording: bytes) -> Done | None:
            async with places:
                began = time.perf_counter()
                try:
                    async with client.transcribe(recording, language_code="en") as transcript:
                        text = "".join([segment.text async for segment in transcript])
                except ServiceError as error:
                    refused.append(error)
                    return None
            seconds = transcript.finished.audio_duration.ToTimedelta().total_seconds()
            return time.perf_counter() - began, seconds, text

        recordings = [path.read_bytes() for path in workload(count)]
        await one(recordings[0])
        began, used = time.perf_counter(), served.cpu_seconds(server)
        answers = await asyncio.gather(*map(one, recordings))
        took, used = time.perf_counter() - began, served.cpu_seconds(server) - used
    # A refused call is no transcript: it counts as words that were not heard.
    done = [answer for answer in answers if answer]
    summed = figures(took, used, done)
    return summed | {
        "transcripts": [answer[2] if answer else "" for answer in answers],
        "refused": len(refused),
    }


async def measure(scale: Scale, say: Callable[[str], None]) -> dict[str, dict[str, Figures]]:
    """Returns, by way and callers, medians over rounds, and the number of transcripts equal to the bare."""
    rounds = scale.of(2, 1)
    found: dict[str, dict[str, list[Figures]]] = {BARE: {}, OURS: {}}
    with served.configured(CONFIG) as (server, address):
        for number in range(rounds):
            for callers, count in scale.of(WORKLOAD, LITTLE).items():
                say(f"concurrent transcription, {callers} callers, round {number + 1} of {rounds}")
                found[BARE].setdefault(str(callers), []).append(
                    alone("benchmarks.concurrent", callers, count)
                )
                ours = await through(address, server, callers, count)
                found[OURS].setdefault(str(callers), []).append(ours)
    return {
        way: {callers: _summed(several, found[BARE][callers]) for callers, several in by_callers.items()}
        for way, by_callers in found.items()
    }


def _summed(rounds: list[Figures], bare: list[Figures]) -> Figures:
    numbers = ("audio_per_second", "cpu_seconds_a_second", "latency_seconds", "worst_seconds")
    heard = [text for one in rounds for text in one["transcripts"]]
    expected = [text for one in bare for text in one["transcripts"]]
    said = [SPOKEN[path.name] for one in rounds for path in workload(len(one["transcripts"]))]
    return {
        **{name: statistics.median(one[name] for one in rounds) for name in numbers},
        "equal": sum(text == other for text, other in zip(heard, expected, strict=True)),
        "of": len(heard),
        "word_error_rate": word_error_rate(said, heard),
        "refused": sum(one.get("refused", 0) for one in rounds),
    }


if __name__ == "__main__":
    print(json.dumps(bare(int(sys.argv[1]), int(sys.argv[2]))))
