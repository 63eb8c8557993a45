"""The workload, equal for the bare models and for the service."""

import json
import os
import statistics
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

T = TypeVar("T")
ROOT = Path(__file__).resolve().parent.parent
CLIPS = sorted((ROOT / "tests" / "data").glob("*.flac"))
SPOKEN: dict[str, str] = json.loads((ROOT / "tests" / "data" / "transcripts.json").read_text())
"""The transcript of each clip, by its name."""
TEXT = (
    "The speech service speaks while it is still thinking. Its first sentence is short, so that sound "
    "starts early. The second one goes on for a while, as people do when they explain something at length, "
    "and it has a few commas in it. Then there is a third, and the story ends with a fourth sentence."
)
CHUNK = bytes(4800)
"""100 ms of samples at 24 kHz, as the tone speaker sends them."""
CORES = len(os.sched_getaffinity(0))
"""The cores, as threads of a bare library: not each finds the number by itself."""


@dataclass(frozen=True)
class Scale:
    """The amount of measuring: all that the page states, or a little that proves that a section works."""

    quick: bool = False

    def of(self, usual: T, little: T) -> T:
        """The one that is wanted."""
        return little if self.quick else usual

    @property
    def rounds(self) -> int:
        """The number of times that each figure is measured; its median counts."""
        return self.of(3, 1)


@dataclass(frozen=True)
class Run:
    """One call: seconds to its first result and to its end, and seconds of audio."""

    first: float
    total: float
    audio: float


def summary(rounds: list[list[Run]]) -> dict[str, Any]:
    """Medians over all calls; the real-time factor is of each round's calls together."""
    calls = [run for one in rounds for run in one]
    factors = [max(run.total for run in one) / sum(run.audio for run in one) for one in rounds]
    return {
        "first_ms": statistics.median(run.first for run in calls) * 1000,
        "first_worst_ms": max(run.first for run in calls) * 1000,
        "real_time_factor": statistics.median(factors),
    }


def alone(module: str, *arguments: object) -> dict[str, Any]:
    """Runs a module in a process of its own; returns the figures that it prints as JSON."""
    command = [sys.executable, "-m", module, *map(str, arguments)]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    figures: dict[str, Any] = json.loads(done.stdout)
    return figures
