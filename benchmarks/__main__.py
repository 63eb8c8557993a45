"""Measures the service beside the bare models, and writes results.json and README.md beside this file."""

import json
import platform
import re
import statistics
import subprocess
import sys
import tempfile
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import psutil
import uvloop

from benchmarks import concurrent, doors, live_speech, served
from benchmarks.report import write

HERE = Path(__file__).parent
COMMAND = str(Path(sys.executable).with_name("audio-grpc"))
ROUNDS = 3
STREAMS = (1, 8, 32)
CHUNKS = 20_000
SPEAKERS = {"hibari": 20, "kokoro": 2}
"""With how often each speaks in a round."""
ADDRESS = r"serving on (\S+)"
Figures = dict[str, Any]


def bare(*arguments: str) -> Figures:
    """One of the yardsticks of bare.py."""
    command = [sys.executable, "-m", "benchmarks.bare", *arguments]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    figures: Figures = json.loads(done.stdout)
    return figures


def medians(rounds: list[Figures]) -> Figures:
    """The median of each figure over the rounds."""
    return {name: statistics.median(one[name] for one in rounds) for name in rounds[0]}


def say(text: str) -> None:
    """Progress, for whoever waits."""
    print(text, file=sys.stderr, flush=True)


async def measure_synthesis(address: str, streams: int) -> dict[str, Figures]:
    """Bare and served in turn, so that a busy moment of the machine meets both."""
    repeats = max(2, 24 // streams)
    alone, through = [], []
    for number in range(ROUNDS):
        say(f"synthesis, {streams} streams, round {number + 1} of {ROUNDS}")
        alone.append(bare("synthesize", str(streams), str(repeats)))
        through.append(await served.synthesize(address, streams, repeats))
    return {"bare": medians(alone), "served": medians(through)}


def measure_speakers() -> dict[str, Figures]:
    """The speakers that run on a CPU, in turns."""
    rounds: dict[str, list[Figures]] = {name: [] for name in SPEAKERS}
    for number in range(ROUNDS):
        for name, repeats in SPEAKERS.items():
            say(f"speaker {name}, round {number + 1} of {ROUNDS}")
            rounds[name].append(bare("speaker", name, str(repeats)))
    return {name: medians(measured) for name, measured in rounds.items()}


async def measure_transcription(address: str) -> dict[str, Figures]:
    alone, through = [], []
    for number in range(ROUNDS):
        say(f"transcription, round {number + 1} of {ROUNDS}")
        alone.append(bare("transcribe", "2"))
        through.append(await served.transcribe(address, 2))
    return {"bare": medians(alone), "served": medians(through)}


async def measure_throughput(server: psutil.Process, address: str) -> dict[str, Figures]:
    alone, through = [], []
    echo = (sys.executable, "-m", "benchmarks.bare", "echo")
    with served.process(*echo, announces=r'"port": (\d+)') as (echo_process, port):
        for number in range(ROUNDS):
            say(f"throughput, round {number + 1} of {ROUNDS}")
            alone.append(await served.throughput(echo_process, f"127.0.0.1:{port}", CHUNKS))
            through.append(await served.throughput(server, address, CHUNKS))
    return {"bare": medians(alone), "served": medians(through)}


def machine() -> Figures:
    """What the figures were measured on."""
    model = re.findall(r"model name\s*: (.*)", Path("/proc/cpuinfo").read_text())
    return {
        "date": datetime.now(UTC).date().isoformat(),
        "cpu": model[0] if model else platform.processor(),
        "cores": psutil.cpu_count(),
        "memory_gigabytes": round(psutil.virtual_memory().total / 1e9),
        "python": platform.python_version(),
        "packages": {
            name: version(name)
            for name in ("grpcio", "uvloop", "onnxruntime", "hibari-tts", "faster-whisper", "ctranslate2")
        },
    }


async def main() -> None:
    with tempfile.NamedTemporaryFile("w", suffix=".toml") as config:
        config.write(served.CONFIG)
        config.flush()
        command = (COMMAND, "serve", "--port", "0", "--config", config.name)
        with served.process(*command, "--log-level", "INFO", announces=ADDRESS) as (
            server,
            address,
        ):
            results: Figures = {"machine": machine()}
            results["synthesis"] = {
                str(streams): await measure_synthesis(address, streams) for streams in STREAMS
            }
            say("live speech")
            results["live_speech"] = await live_speech.measure(address)
            results["transcription"] = await measure_transcription(address)
            results["memory"] = {
                "bare": bare("memory")["peak_megabytes"],
                "served": served.peak_megabytes(server),
            }
            results["throughput"] = await measure_throughput(server, address)
    results["speakers"] = measure_speakers()
    with tempfile.TemporaryDirectory() as folder:
        results["doors"] = await doors.measure(Path(folder), COMMAND, say)
    say(f"concurrent transcription, {ROUNDS} rounds")
    results["concurrent"] = await concurrent.measure(ROUNDS, COMMAND)
    (HERE / "results.json").write_text(json.dumps(results, indent=2) + "\n")
    write(results, HERE / "README.md")
    print((HERE / "README.md").read_text())


if __name__ == "__main__":
    uvloop.run(main())
