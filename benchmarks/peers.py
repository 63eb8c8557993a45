"""Speech servers of others beside ours: the same weights, machine and calls, one after the other.

Installs each in an environment of its own with pinned versions, starts it with its own defaults, and prints
one table for all. What cannot be had is named, with the reason, and the rest goes on.
"""

import argparse
import asyncio
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from platformdirs import user_cache_path

from benchmarks import results
from benchmarks.beside import measure
from benchmarks.beside.environments import Place, Unavailable
from benchmarks.beside.servers import HEARING, SPEAKING, Start
from benchmarks.beside.tables import tables
from benchmarks.concurrent import WORKLOAD
from benchmarks.workload import Scale

EXAMPLES = """examples:
  all that the package index has, and ours (about 15 minutes on 2 cores):
    python -m benchmarks.peers
  speaches too, from a clone of its repository, with the Python that it needs:
    python -m benchmarks.peers --speaches ../speaches --speaches-python /usr/bin/python3.12
  see whether it works, in small:
    python -m benchmarks.peers --quick --only vox-box wyoming-faster-whisper
  only those that speak, on a quiet machine, kept beside the other figures:
    python -m benchmarks.peers --parts speech --keep
"""
PARTS = ("clips", "long", "speech")
Figures = dict[str, Any]


def main() -> None:
    asked = arguments()
    place = Place(asked.cache, say, asked.speaches, asked.speaches_python)
    found = asyncio.run(Peers(place, asked).measure())
    print(tables(found))
    if asked.keep:
        results.keep({**results.kept(), "peers": found})


def arguments() -> argparse.Namespace:
    names = list(dict.fromkeys([*HEARING, *SPEAKING]))
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.peers",
        description=__doc__,
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--speaches", type=Path, metavar="PATH", help="a clone of speaches' repository")
    parser.add_argument("--speaches-python", metavar="PYTHON", help="a Python 3.12 for it")
    parser.add_argument(
        "--only", nargs="+", metavar="NAME", choices=names, default=names, help=", ".join(names)
    )
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=PARTS, help="of the table")
    parser.add_argument("--minutes", type=float, default=10, help="of the long recording (10)")
    parser.add_argument("--quick", action="store_true", help="so little that the figures say nothing")
    parser.add_argument(
        "--keep", action="store_true", help="put the tables into README.md, in place of the last"
    )
    cache = user_cache_path("audio-grpc") / "peers"
    parser.add_argument("--cache", type=Path, default=cache, help="environments and weights (%(default)s)")
    asked = parser.parse_args()
    if asked.quick and asked.keep:
        parser.error("--quick measures too little to be kept")
    return asked


def say(text: str) -> None:
    """Progress, for whoever waits."""
    print(text, file=sys.stderr, flush=True)


class Peers:
    """All that is measured of all of them."""

    def __init__(self, place: Place, asked: argparse.Namespace) -> None:
        self._place, self._asked, self._scale = place, asked, Scale(asked.quick)
        self._minutes = self._scale.of(asked.minutes, 1.0)
        self._figures: dict[str, Figures] = {"clips": {}, "long": {}, "speech": {}, "versions": {}}
        self._missing: dict[str, str] = {}

    async def measure(self) -> Figures:
        """Returns the figures of which tables() makes a page."""
        hears = [part for part in ("clips", "long") if part in self._asked.parts]
        speaks = [part for part in self._asked.parts if part == "speech"]
        for peers, parts in ((HEARING, hears), (SPEAKING, speaks)):
            for name, start in peers.items():
                if name in self._asked.only and parts:
                    await self._one(name, start, parts)
        return {
            "date": datetime.now(UTC).date().isoformat(),
            "minutes": self._minutes,
            "figures": self._figures,
            "missing": self._missing,
        }

    async def _one(self, name: str, start: Start, parts: list[str]) -> None:
        say(f"{name}: {', '.join(parts)}")
        try:
            with start(self._place) as running:
                async with running.client:
                    self._figures["versions"][name] = running.versions
                    for part in parts:
                        self._figures[part][name] = await getattr(self, f"_{part}")(running)
        except (Unavailable, RuntimeError) as reason:
            say(f"{name}: {reason}")
            self._missing[f"{name} ({', '.join(parts)})"] = self._told(str(reason))

    def _told(self, reason: str) -> str:
        """Returns the reason without the folders of this machine."""
        for folder, name in ((self._place.cache, "CACHE"), (self._place.speaches, "SPEACHES")):
            reason = reason.replace(str(folder), name)
        return reason

    async def _clips(self, running: Any) -> Figures:
        await measure.warm_up(running)
        workload = self._scale.of(WORKLOAD, {1: 1, 4: 4}).items()
        return {str(callers): await measure.clips(running, callers, count) for callers, count in workload}

    async def _long(self, running: Any) -> Figures:
        await measure.warm_up(running)
        return await measure.long_recording(running, self._minutes)

    async def _speech(self, running: Any) -> Figures:
        return await measure.speech(running, self._scale.of(3, 1))


if __name__ == "__main__":
    main()
