"""Makes equal calls to every server: short clips from many callers, one long recording, one text."""

import asyncio
import statistics
import time
from typing import Any

import psutil

from audio_grpc.audio import decode, to_pcm
from benchmarks import concurrent, long, served
from benchmarks.beside.clients import RATE_HERTZ, SAMPLE_BYTES, Client, Recording
from benchmarks.beside.environments import Unavailable
from benchmarks.beside.servers import Running
from benchmarks.words import word_error_rate
from benchmarks.workload import CLIPS, SPOKEN, TEXT

SPEECH_HERTZ = 24_000
Figures = dict[str, Any]


def recording(name: str, content: bytes) -> Recording:
    samples = decode(content, max_seconds=3600)
    assert samples.sample_rate_hertz == RATE_HERTZ, "the clips are"
    return Recording(name, content, to_pcm(samples.samples).tobytes())


class Meter:
    """Seconds, CPU seconds and memory of some processes from now on."""

    def __init__(self, processes: list[psutil.Process]) -> None:
        self._processes = processes
        for process in processes:
            served.forget_peak(process)
        self._megabytes = sum(process.memory_info().rss for process in processes) / 2**20
        self._cpu = sum(map(served.cpu_seconds, processes))
        self._began = time.perf_counter()

    def figures(self) -> dict[str, float]:
        return {
            "seconds": time.perf_counter() - self._began,
            "cpu_seconds": sum(map(served.cpu_seconds, self._processes)) - self._cpu,
            "megabytes_beyond": sum(map(served.peak_megabytes, self._processes)) - self._megabytes,
        }


async def warm_up(running: Running) -> None:
    """Unavailable if it does not answer as it should."""
    clip = recording(CLIPS[0].name, CLIPS[0].read_bytes())
    try:
        text = await running.client.transcribe(clip)
    except Exception as error:
        raise Unavailable(f"it does not transcribe: {error}") from error
    if not text:
        raise Unavailable("it hears nothing in a clip of speech")


async def clips(running: Running, callers: int, count: int) -> Figures:
    """Sends clips from ``callers`` at once; counts the calls that fail, and their words as not heard."""
    places = asyncio.Semaphore(callers)

    async def one(sent: Recording) -> tuple[float, str | None]:
        async with places:
            began = time.perf_counter()
            try:
                text = await running.client.transcribe(sent)
            except Exception:
                return 0.0, None
            return time.perf_counter() - began, text

    paths = concurrent.workload(count)
    recordings = [recording(path.name, path.read_bytes()) for path in paths]
    meter = Meter(running.processes)
    answers = await asyncio.gather(*map(one, recordings))
    used = meter.figures()
    latencies = [took for took, text in answers if text is not None]
    seconds = sum(
        sent.seconds for sent, (_, text) in zip(recordings, answers, strict=True) if text is not None
    )
    return {
        "audio_per_second": seconds / used["seconds"],
        "cpu_seconds_a_second": used["cpu_seconds"] / seconds if seconds else 0.0,
        "latency_seconds": statistics.median(latencies) if latencies else 0.0,
        "worst_seconds": max(latencies, default=0.0),
        "failed": len(answers) - len(latencies),
        "word_error_rate": word_error_rate(
            [SPOKEN[path.name] for path in paths], [text or "" for _, text in answers]
        ),
    }


async def long_recording(running: Running, minutes: float) -> Figures:
    """One recording that consists of the clips."""
    content, said = long.recording(minutes)
    sent = recording("recording.opus", content)
    meter = Meter(running.processes)
    try:
        text = await running.client.transcribe(sent)
    except Exception as error:
        raise Unavailable(f"it does not transcribe a recording of {minutes:g} minutes: {error}") from error
    used = meter.figures()
    return {
        "times_real_time": sent.seconds / used["seconds"],
        "cpu_seconds_an_hour": used["cpu_seconds"] / sent.seconds * 3600,
        "megabytes_beyond": used["megabytes_beyond"],
        "word_error_rate": word_error_rate([" ".join(said)], [text]),
    }


async def speech(running: Running, repeats: int) -> Figures:
    """One text, again and again, after once that does not count."""
    try:
        await _speak(running.client)
        runs = [await _speak(running.client) for _ in range(repeats)]
    except Exception as error:
        raise Unavailable(f"it does not speak: {error}") from error
    return {
        "first_ms": statistics.median(first for first, _, _ in runs) * 1000,
        "real_time_factor": statistics.median(took / seconds for _, took, seconds in runs),
        "seconds": runs[0][2],
    }


async def _speak(client: Client) -> tuple[float, float, float]:
    """Seconds to the first sound, to the last, and of sound."""
    began, first, size = time.perf_counter(), 0.0, 0
    async for data in client.speak(TEXT):
        first = first or time.perf_counter() - began
        size += len(data)
    return first, time.perf_counter() - began, size / SAMPLE_BYTES / SPEECH_HERTZ
