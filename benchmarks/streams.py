"""Many streams of hibari at once, as their listeners meet them, beside a plain grpc.aio server."""

import statistics
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from benchmarks import served
from benchmarks.workload import Scale, alone

LISTENERS = (1, 32, 100)
CONFIG = """
log_level = "WARNING"
[synthesizers.hibari]
resident = true
[transcribers.tone]
backend = "tone"
"""
Figures = dict[str, Any]


def measure(scale: Scale, say: Callable[[str], None]) -> dict[str, dict[str, Figures]]:
    """Returns the figures by server and number of listeners; both servers stay up and take turns."""
    found: dict[str, dict[str, list[Figures]]] = {}
    with plain() as yardstick, served.configured(CONFIG) as (_, ours):
        for number in range(scale.rounds):
            for listeners in scale.of(LISTENERS, (1, 8)):
                say(f"streams, {listeners} listeners, round {number + 1} of {scale.rounds}")
                for server, address in (("plain grpc.aio", yardstick), ("default", ours)):
                    repeats = scale.of(max(1, 20 // listeners), 1)
                    figures = alone("benchmarks.listeners", address, listeners, repeats)
                    found.setdefault(server, {}).setdefault(str(listeners), []).append(figures)
    return {
        server: {listeners: summed(rounds) for listeners, rounds in by_listeners.items()}
        for server, by_listeners in found.items()
    }


@contextmanager
def plain() -> Iterator[str]:
    """The address of the yardstick."""
    with served.process(sys.executable, "-m", "benchmarks.plain", announces=r'"port": (\d+)') as (_, port):
        yield f"127.0.0.1:{port}"


def summed(rounds: list[Figures]) -> Figures:
    """Medians, and the worst of what is the worst."""
    worst = ("first_worst_ms", "dry_worst_seconds", "refused")
    return {
        name: (max if name in worst else statistics.median)(one[name] for one in rounds) for name in rounds[0]
    }
