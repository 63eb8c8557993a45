"""Measures the service beside the bare models, and writes results.json and README.md beside this file."""

import argparse
import json
import platform
import re
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import psutil
import uvloop

from benchmarks import concurrent, doors, elsewhere, live_hearing, live_speech, pipeline, served
from benchmarks.report import write

HERE = Path(__file__).parent
ROUNDS = 3
STREAMS = (1, 8, 32)
CHUNKS = 20_000
SPEAKERS = {"hibari": 20, "kokoro": 2}
"""With how often each speaks in a round."""
RESULTS = HERE / "results.json"
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


async def measure_server() -> Figures:
    """What one server does that has all of it to do."""
    with served.configured(served.CONFIG) as (server, address):
        results: Figures = {
            "synthesis": {str(streams): await measure_synthesis(address, streams) for streams in STREAMS}
        }
        results["transcription"] = await measure_transcription(address)
        results["memory"] = {
            "bare": bare("memory")["peak_megabytes"],
            "served": served.peak_megabytes(server),
        }
        results["throughput"] = await measure_throughput(server, address)
    return results


async def measure_live_speech() -> Figures:
    say("live speech")
    with served.configured(served.CONFIG) as (_, address):
        return {"live_speech": await live_speech.measure(address)}


async def measure_speakers() -> Figures:
    """The speakers that run on a CPU, in turns."""
    rounds: dict[str, list[Figures]] = {name: [] for name in SPEAKERS}
    for number in range(ROUNDS):
        for name, repeats in SPEAKERS.items():
            say(f"speaker {name}, round {number + 1} of {ROUNDS}")
            rounds[name].append(bare("speaker", name, str(repeats)))
    return {"speakers": {name: medians(measured) for name, measured in rounds.items()}}


async def measure_live_hearing() -> Figures:
    say(f"live hearing, {live_hearing.STREAMS} streams")
    return {"live_hearing": await live_hearing.measure()}


async def measure_pipeline() -> Figures:
    say("a spoken question, answered in speech")
    return {"pipeline": await pipeline.measure()}


async def measure_doors() -> Figures:
    with tempfile.TemporaryDirectory() as folder:
        return {"doors": await doors.measure(Path(folder), say)}


async def measure_elsewhere() -> Figures:
    with tempfile.TemporaryDirectory() as folder:
        return {"elsewhere": await elsewhere.measure(Path(folder), say)}


async def measure_concurrent() -> Figures:
    say(f"concurrent transcription, {ROUNDS} rounds")
    return {"concurrent": await concurrent.measure(ROUNDS)}


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
        "cpu": model[0] if model else platform.processor(),
        "cores": psutil.cpu_count(),
        "memory_gigabytes": round(psutil.virtual_memory().total / 1e9),
        "python": platform.python_version(),
        "packages": {
            name: version(name)
            for name in ("grpcio", "uvloop", "onnxruntime", "hibari-tts", "faster-whisper", "ctranslate2")
        },
    }


SECTIONS: dict[str, Callable[[], Awaitable[Figures]]] = {
    "server": measure_server,
    "speakers": measure_speakers,
    "live-speech": measure_live_speech,
    "live-hearing": measure_live_hearing,
    "pipeline": measure_pipeline,
    "doors": measure_doors,
    "elsewhere": measure_elsewhere,
    "concurrent": measure_concurrent,
}


async def main(sections: list[str]) -> None:
    """What is measured is kept at once; what is not stays as it was measured before."""
    results: Figures = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    measured = results.pop("measured", {})
    for section in sections:
        results |= await SECTIONS[section]()
        measured[section] = datetime.now(UTC).date().isoformat()
        results["machine"] = machine()
        RESULTS.write_text(json.dumps({**results, "measured": measured}, indent=2) + "\n")
        write({**results, "measured": measured}, HERE / "README.md")
    print((HERE / "README.md").read_text())


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument(
        "sections", nargs="*", default=list(SECTIONS), help=f"of {', '.join(SECTIONS)}; all if none is named"
    )
    asked = parser.parse_args().sections
    if unknown := [section for section in asked if section not in SECTIONS]:
        parser.error(f"there is no section {unknown[0]}")
    uvloop.run(main(asked))
