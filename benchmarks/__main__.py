"""Measures the service beside the bare models, and writes results.json and README.md beside this file.

Settings are the defaults, if a section does not say otherwise. With --quick it measures so little that the
figures say nothing, to prove that a section works, and prints the page without keeping anything.
"""

import argparse
import platform
import re
import statistics
import sys
import tempfile
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import psutil
import uvloop

from benchmarks import (
    concurrent,
    doors,
    elsewhere,
    kokoro,
    live_hearing,
    live_speech,
    long,
    pipeline,
    results,
    served,
    streams,
)
from benchmarks.report import page
from benchmarks.workload import Scale, alone

STREAMS = (1, 8)
CHUNKS = 20_000
Figures = dict[str, Any]


def medians(rounds: list[Figures]) -> Figures:
    """The median of each figure over the rounds."""
    return {name: statistics.median(one[name] for one in rounds) for name in rounds[0]}


def say(text: str) -> None:
    """Progress, for whoever waits."""
    print(text, file=sys.stderr, flush=True)


async def measure_synthesis(scale: Scale, address: str, streams: int) -> dict[str, Figures]:
    """Bare and served in turn, so that a busy moment of the machine meets both."""
    repeats = max(2, 24 // streams)
    bare, through = [], []
    for number in range(scale.rounds):
        say(f"synthesis, {streams} streams, round {number + 1} of {scale.rounds}")
        bare.append(alone("benchmarks.bare", "synthesize", streams, repeats))
        through.append(await served.synthesize(address, streams, repeats))
    return {"bare": medians(bare), "served": medians(through)}


async def measure_server(scale: Scale) -> Figures:
    """Measures one server that gets all of the calls."""
    with served.configured(served.CONFIG) as (server, address):
        found: Figures = {
            "synthesis": {
                str(streams): await measure_synthesis(scale, address, streams) for streams in STREAMS
            }
        }
        found["transcription"] = await measure_transcription(scale, address)
        found["memory"] = {
            "bare": alone("benchmarks.bare", "memory")["peak_megabytes"],
            "served": served.peak_megabytes(server),
        }
        found["throughput"] = await measure_throughput(scale, server, address)
    return found


async def measure_live_speech(_scale: Scale) -> Figures:
    say("live speech")
    with served.configured(served.CONFIG) as (_, address):
        return {"live_speech": await live_speech.measure(address)}


async def measure_kokoro(scale: Scale) -> Figures:
    return {"kokoro": await kokoro.measure(scale, say)}


async def measure_live_hearing(_scale: Scale) -> Figures:
    say(f"live hearing, {live_hearing.STREAMS} streams")
    return {"live_hearing": await live_hearing.measure()}


async def measure_pipeline(_scale: Scale) -> Figures:
    say("a spoken question, answered in speech")
    return {"pipeline": await pipeline.measure()}


async def measure_doors(_scale: Scale) -> Figures:
    with tempfile.TemporaryDirectory() as folder:
        return {"doors": await doors.measure(Path(folder), say)}


async def measure_elsewhere(_scale: Scale) -> Figures:
    with tempfile.TemporaryDirectory() as folder:
        return {"elsewhere": await elsewhere.measure(Path(folder), say)}


async def measure_concurrent(scale: Scale) -> Figures:
    return {"clips": await concurrent.measure(scale, say)}


async def measure_long(scale: Scale) -> Figures:
    return {"long": await long.measure(scale, say)}


async def measure_streams(scale: Scale) -> Figures:
    return {"streams": streams.measure(scale, say)}


async def measure_transcription(scale: Scale, address: str) -> dict[str, Figures]:
    bare, through = [], []
    for number in range(scale.rounds):
        say(f"transcription, round {number + 1} of {scale.rounds}")
        bare.append(alone("benchmarks.bare", "transcribe", 2))
        through.append(await served.transcribe(address, 2))
    return {"bare": medians(bare), "served": medians(through)}


async def measure_throughput(scale: Scale, server: psutil.Process, address: str) -> dict[str, Figures]:
    bare, through = [], []
    echo = (sys.executable, "-m", "benchmarks.bare", "echo")
    with served.process(*echo, announces=r'"port": (\d+)') as (echo_process, port):
        for number in range(scale.rounds):
            say(f"throughput, round {number + 1} of {scale.rounds}")
            bare.append(await served.throughput(echo_process, f"127.0.0.1:{port}", CHUNKS))
            through.append(await served.throughput(server, address, CHUNKS))
    return {"bare": medians(bare), "served": medians(through)}


def machine() -> Figures:
    """Returns facts about the machine on which the figures were measured."""
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


SECTIONS: dict[str, Callable[[Scale], Awaitable[Figures]]] = {
    "server": measure_server,
    "concurrent": measure_concurrent,
    "long": measure_long,
    "streams": measure_streams,
    "kokoro": measure_kokoro,
    "live-speech": measure_live_speech,
    "live-hearing": measure_live_hearing,
    "pipeline": measure_pipeline,
    "doors": measure_doors,
    "elsewhere": measure_elsewhere,
}


async def main(sections: list[str], scale: Scale) -> None:
    """Measures the sections and stores each result at once; other sections keep their earlier figures."""
    found = {} if scale.quick else results.kept()
    measured = {name: date for name, date in found.get("measured", {}).items() if name in SECTIONS}
    for section in sections:
        found |= await SECTIONS[section](scale)
        measured[section] = datetime.now(UTC).date().isoformat()
        found |= {"machine": machine(), "measured": measured}
        if not scale.quick:
            results.keep(found)
    print(page(found))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument(
        "sections", nargs="*", default=list(SECTIONS), help=f"of {', '.join(SECTIONS)}; all if none is named"
    )
    parser.add_argument("--quick", action="store_true", help="a little of each, and no file is written")
    asked = parser.parse_args()
    if unknown := [section for section in asked.sections if section not in SECTIONS]:
        parser.error(f"there is no section {unknown[0]}; there are {', '.join(SECTIONS)}")
    uvloop.run(main(asked.sections, Scale(asked.quick)))
