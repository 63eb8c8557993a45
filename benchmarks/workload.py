"""What is measured, the same for the bare models and for the service."""

import statistics
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
CLIPS = sorted((ROOT / "tests" / "data").glob("*.flac"))
TEXT = (
    "The speech service speaks while it is still thinking. Its first sentence is short, so that sound "
    "starts early. The second one goes on for a while, as people do when they explain something at length, "
    "and it has a few commas in it. Then there is a third, and the story ends with a fourth sentence."
)
CHUNK = bytes(4800)
"""100 ms of samples at 24 kHz, as the tone speaker sends them."""


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
