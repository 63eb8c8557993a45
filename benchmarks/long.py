"""Recordings of 10 and 60 minutes: how fast, at what cost, how soon, and in how much memory.

Run by itself, ``python -m benchmarks.long WAY FILE`` prints the figures of the bare library as JSON, where
WAY is ``sequential`` or ``batched``.
"""

import json
import random
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import psutil

from audio_grpc.audio import decode, encode
from audio_grpc.backends.embedded_whisper import whisper_base
from audio_grpc.client import AsyncClient
from audio_grpc.types import Audio, Encoding
from benchmarks import served
from benchmarks.concurrent import CONFIG
from benchmarks.words import word_error_rate
from benchmarks.workload import CLIPS, CORES, SPOKEN, Scale, alone

Ways = Mapping[str, tuple[str, ...]]
"""Ways by minutes of the recording."""
MINUTES: Ways = {"10": ("bare, sequential", "bare, batched", "default"), "60": ("bare, batched", "default")}
LITTLE: Ways = {"1": ("bare, sequential", "bare, batched", "default")}
RATE_HERTZ = 16_000
SHORTEST_PAUSE, LONGEST_PAUSE = 0.3, 2.0
SEED = 14
Figures = dict[str, Any]


def recording(minutes: float) -> tuple[bytes, list[str]]:
    """The clips in random order with pauses, as Opus, just under so many minutes; and what is said."""
    draw = random.Random(SEED)
    sounds = {path.name: decode(path.read_bytes(), max_seconds=60).samples for path in CLIPS}
    left = minutes * 60
    names: list[str] = []
    parts = []
    while True:
        name = draw.choice([other for other in sounds if other not in names[-1:]])
        pause = np.zeros(round(draw.uniform(SHORTEST_PAUSE, LONGEST_PAUSE) * RATE_HERTZ), np.float32)
        left -= (len(pause) + len(sounds[name])) / RATE_HERTZ
        if left < 0:
            break
        names.append(name)
        parts += [pause, sounds[name]]
    chunks = (Audio(part, RATE_HERTZ) for part in parts)
    return b"".join(encode(chunks, Encoding.OPUS, RATE_HERTZ)), [SPOKEN[name] for name in names]


def bare(way: str, path: Path) -> Figures:
    """faster-whisper on all cores, one window after the other or in batches, as it comes."""
    from faster_whisper import BatchedInferencePipeline, WhisperModel, decode_audio

    model: Any = WhisperModel(str(whisper_base()), device="cpu", compute_type="int8", cpu_threads=CORES)
    if way == "batched":
        model = BatchedInferencePipeline(model)

    def transcribe(file: Path) -> Iterator[str]:
        segments, _ = model.transcribe(decode_audio(str(file)), language="en", vad_filter=True)
        return (segment.text for segment in segments)

    for _ in transcribe(CLIPS[0]):
        pass
    meter = Meter(psutil.Process())
    for text in transcribe(path):
        meter.hear(text)
    return meter.figures()


class Meter:
    """Measures a process from now on, until its last segment."""

    def __init__(self, process: psutil.Process) -> None:
        self._process = process
        served.forget_peak(process)
        self._megabytes = process.memory_info().rss / 2**20
        self._used = served.cpu_seconds(process)
        self._began = time.perf_counter()
        self._first = 0.0
        self._texts: list[str] = []

    def hear(self, text: str) -> None:
        self._first = self._first or time.perf_counter() - self._began
        self._texts.append(text)

    def figures(self) -> Figures:
        return {
            "seconds": time.perf_counter() - self._began,
            "cpu_seconds": served.cpu_seconds(self._process) - self._used,
            "first_seconds": self._first,
            "megabytes_beyond": served.peak_megabytes(self._process) - self._megabytes,
            "segments": len(self._texts),
            "transcript": "".join(self._texts),
        }


async def through(content: bytes) -> Figures:
    """The service with its default settings, which has transcribed one clip before."""
    with served.configured(CONFIG) as (server, address):
        async with AsyncClient(address) as client:
            async for _ in client.transcribe(CLIPS[0].read_bytes(), language_code="en"):
                pass
            meter = Meter(server)
            async for segment in client.transcribe(content, language_code="en"):
                meter.hear(segment.text)
            return meter.figures()


async def measure(scale: Scale, say: Callable[[str], None]) -> dict[str, dict[str, Figures]]:
    """Returns the figures by minutes and way; each is measured once."""
    found: dict[str, dict[str, Figures]] = {}
    with tempfile.NamedTemporaryFile(suffix=".opus") as file:
        for minutes, ways in scale.of(MINUTES, LITTLE).items():
            content, said = recording(float(minutes))
            file.seek(0)
            file.write(content)
            file.flush()
            seconds = decode(content, max_seconds=3600).seconds
            for way in ways:
                say(f"a recording of {minutes} minutes, {way}")
                bare = way.removeprefix("bare, ")
                figures = await through(content) if bare == way else alone("benchmarks.long", bare, file.name)
                found.setdefault(minutes, {})[way] = _summed(figures, seconds, said)
    return found


def _summed(figures: Figures, seconds: float, said: Iterable[str]) -> Figures:
    transcript = figures.pop("transcript")
    return figures | {
        "times_real_time": seconds / figures["seconds"],
        "cpu_seconds_an_hour": figures["cpu_seconds"] / seconds * 3600,
        "word_error_rate": word_error_rate([" ".join(said)], [transcript]),
    }


if __name__ == "__main__":
    print(json.dumps(bare(sys.argv[1], Path(sys.argv[2]))))
