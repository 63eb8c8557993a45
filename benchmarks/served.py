"""The service, measured from outside: a server process, and this process as its client."""

import asyncio
import re
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import grpc
import psutil

from audio_grpc.client import AsyncClient, Encoding
from audio_grpc.v1.audio_pb2 import AUDIO_ENCODING_PCM_S16LE
from audio_grpc.v1.text_to_speech_pb2 import SynthesizeRequest
from audio_grpc.v1.text_to_speech_pb2_grpc import TextToSpeechServiceStub
from benchmarks.workload import CHUNK, CLIPS, TEXT, Run, summary

COMMAND = str(Path(sys.executable).with_name("audio-grpc"))
MODEL_PAUSE_SECONDS = 0.025
CONFIG = """
log_level = "WARNING"
[synthesizers.hibari]
[synthesizers.tone]
backend = "tone"
resident = true
[transcribers.whisper-base]
"""


@contextmanager
def process(*command: str, announces: str) -> Iterator[tuple[psutil.Process, str]]:
    """A process that says where it listens, and that address; it ends with the context."""
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as started:
        try:
            assert started.stdout is not None
            said = ""
            for line in started.stdout:
                said += line
                if found := re.search(announces, line):
                    # Somebody has to empty the pipe, or the server would stop at its next line.
                    threading.Thread(target=started.stdout.read, daemon=True).start()
                    yield psutil.Process(started.pid), found.group(1)
                    return
            raise RuntimeError(f"{command} ended without saying where it listens: {said}")
        finally:
            started.terminate()


@contextmanager
def configured(config: str) -> Iterator[tuple[psutil.Process, str]]:
    """A server with that configuration, on a port of its own."""
    with tempfile.NamedTemporaryFile("w", suffix=".toml") as file:
        file.write(config)
        file.flush()
        serve = (COMMAND, "serve", "--port", "0", "--config", file.name, "--log-level", "INFO")
        with process(*serve, announces=r"serving on (\S+)") as server:
            yield server


async def synthesize(address: str, streams: int, repeats: int, model: str = "hibari") -> dict[str, Any]:
    """A speaker through the service, ``streams`` calls at once."""
    async with AsyncClient(address) as client:

        async def one(began: float) -> Run:
            first = 0.0
            async with client.synthesize(TEXT, model=model, encoding=Encoding.PCM_S16LE) as speech:
                async for _ in speech:
                    first = first or time.perf_counter() - began
            seconds = speech.finished.usage.audio_duration.ToTimedelta().total_seconds()
            return Run(first, time.perf_counter() - began, seconds)

        await one(time.perf_counter())
        runs = []
        for _ in range(repeats):
            began = time.perf_counter()
            runs.append(await asyncio.gather(*(one(began) for _ in range(streams))))
    return summary(runs)


async def transcribe(address: str, repeats: int) -> dict[str, Any]:
    """faster-whisper through the service, one recording after the other."""
    runs = []
    async with AsyncClient(address) as client:
        for _ in range(repeats):
            for path in CLIPS:
                began = time.perf_counter()
                async with client.transcribe(path.read_bytes()) as transcript:
                    await anext(transcript)
                    first = time.perf_counter() - began
                    async for _ in transcript:
                        pass
                seconds = transcript.finished.audio_duration.ToTimedelta().total_seconds()
                runs.append([Run(first, time.perf_counter() - began, seconds)])
    return summary(runs)


async def throughput(server: psutil.Process, address: str, count: int) -> dict[str, float]:
    """Measures the pace of chunks of 4800 bytes, and the server's CPU time for each.

    Chunks are counted by their bytes, since the server lets those travel together that wait together.
    """
    messages = 0
    request = SynthesizeRequest(text="x" * count, model="tone", encoding=AUDIO_ENCODING_PCM_S16LE)
    async with grpc.aio.insecure_channel(address) as channel:
        call = TextToSpeechServiceStub(channel).Synthesize(request)
        reply: Any = await call.read()
        began, used = time.perf_counter(), cpu_seconds(server)
        size = 0
        while (reply := await call.read()) is not grpc.aio.EOF:
            size += len(reply.audio)
            messages += 1
        took, used = time.perf_counter() - began, cpu_seconds(server) - used
        first = await first_message(channel)
    chunks = size / len(CHUNK)
    return {
        "chunks_per_second": chunks / took,
        "chunks_per_message": chunks / messages,
        "server_cpu_microseconds": used / chunks * 1e6,
        "first_message_ms": first * 1000,
    }


async def first_message(channel: grpc.aio.Channel) -> float:
    """Median seconds until the first message of a call, after as long a pause as a model makes."""
    request = SynthesizeRequest(text="x", model="tone", encoding=AUDIO_ENCODING_PCM_S16LE)
    took = []
    for _ in range(100):
        await asyncio.sleep(MODEL_PAUSE_SECONDS)
        began = time.perf_counter()
        call = TextToSpeechServiceStub(channel).Synthesize(request)
        await call.read()
        took.append(time.perf_counter() - began)
        while await call.read() is not grpc.aio.EOF:
            pass
    return statistics.median(took)


def cpu_seconds(server: psutil.Process) -> float:
    """Returns the seconds of CPU time that a process has used so far."""
    times = server.cpu_times()
    return float(times.user + times.system)


def peak_megabytes(server: psutil.Process) -> float:
    """The most memory that a process ever had (Linux)."""
    found = re.search(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{server.pid}/status").read_text())
    assert found is not None
    return int(found.group(1)) / 1024


def forget_peak(process: psutil.Process) -> None:
    """Resets the peak of the process's memory (Linux, own processes)."""
    Path(f"/proc/{process.pid}/clear_refs").write_text("5")
