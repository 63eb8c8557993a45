"""Runs ``audio-grpc up`` with ordinary, impatient and hostile callers while its processes are killed.

Ends with status 1 if an ordinary call failed that had not begun, if anything was answered INTERNAL, UNKNOWN
or 500, or if slots, threads, descriptors or memory do not come back.

    python -m tests.chaos                                    two minutes, two replicas, as CI does
    python -m tests.chaos --seconds 600 --replicas 1         by hand
    python -m tests.chaos --only-hostile --seconds 60 --replicas 1 --most-growth 300
"""

import argparse
import asyncio
import sys
import tempfile
from collections.abc import Coroutine, Sequence
from pathlib import Path
from typing import Any

from audio_grpc.access import key_file
from audio_grpc.access.limits import KeyLimits
from tests.chaos.doors import Connect, Grpc, GrpcWeb, Rest
from tests.chaos.faults import keep_breaking
from tests.chaos.fuzz import Fuzzer
from tests.chaos.hostile import FIRST, OTHERS, Hostile, keep_sending, recordings
from tests.chaos.impatient import keep_leaving
from tests.chaos.ordinary import callers, keep_calling
from tests.chaos.state import State, Watch, largest, settled
from tests.chaos.tally import Tally
from tests.contract import OURS
from tests.supervisor.stack import MODELS, RunningStack

MODELS_AS_WELL = """
[synthesizers.hibari]
[transcribers.whisper-base]
"""
WARM_UP_SECONDS = 15.0
ORDINARY, IMPATIENT = 8, 4
REPORT_EVERY_SECONDS = 15.0
RATE = 4.0


def main() -> int:
    options = _options()
    with tempfile.TemporaryDirectory(prefix="chaos-") as name:
        folder = Path(name)
        keys = folder / "keys.json"
        ordinary, hostile = (key_file.add(keys, who, KeyLimits())[1] for who in ("ordinary", "hostile"))
        stack = RunningStack(
            folder,
            settings=(
                *(f"replicas = {options.replicas}", f'keys_file = "{keys}"', "history = true"),
                "liveness_seconds = 10",
                *(
                    f'database_url = "sqlite:///{folder / "jobs.db"}"',
                    f'results_url = "{folder / "results"}"',
                ),
                f'voices_path = "{folder / "voices"}"',
            ),
            models=MODELS + MODELS_AS_WELL,
        )
        stack.ready()
        try:
            return 0 if asyncio.run(_chaos(stack, options, ordinary, hostile)) else 1
        finally:
            stack.stop()
            if options.log:
                Path(options.log).write_text("".join(stack.log))


def _options() -> argparse.Namespace:
    description, _, examples = (__doc__ or "").partition("    python")
    parser = argparse.ArgumentParser(
        prog="python -m tests.chaos",
        description=description,
        epilog="examples:\n    python" + examples,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--seconds", type=float, default=110.0, help="how long the load lasts (default: %(default)s)"
    )
    parser.add_argument("--replicas", type=int, default=2, help="how many servers run (default: %(default)s)")
    parser.add_argument(
        "--seed", type=int, default=1, help="of what is drawn at random (default: %(default)s)"
    )
    parser.add_argument("--no-faults", action="store_true", help="kill and stop no process")
    parser.add_argument(
        "--only-hostile",
        action="store_true",
        help="long names, headers, bodies and messages beside ordinary calls, and nothing else",
    )
    parser.add_argument(
        "--most-growth",
        type=float,
        default=None,
        metavar="MB",
        help="fail if a server or gateway was larger than before by more than this at any time",
    )
    parser.add_argument("--log", help="a file for what the service has logged")
    return parser.parse_args()


async def _chaos(stack: RunningStack, options: argparse.Namespace, ordinary: str, hostile_key: str) -> bool:
    tally, every = Tally(), OURS
    list_models = next(rpc for rpc in every if rpc.name == "ModelService/ListModels")
    async with callers(stack.address, ordinary, list_models) as to:
        stop = asyncio.Event()
        warming = [keep_calling(to, tally, stop, options.seed + number) for number in range(ORDINARY)]
        await _for(WARM_UP_SECONDS, stop, warming)
        base, _ = await settled(stack, largest(stack), ordinary)
        _print("before", base)

        stop, watch = asyncio.Event(), Watch(stack)
        hostile = Hostile(stack.address, hostile_key, tally, recordings())
        doors = (Grpc(stack.address), GrpcWeb(stack.address), Connect(stack.address), Rest(stack.address))
        load = [keep_calling(to, tally, stop, options.seed + 100 + number) for number in range(ORDINARY)]
        load += [watch.run(stop), _report(tally, stop)]
        if options.only_hostile:
            load.append(keep_sending(hostile, FIRST, RATE, stop, options.seed))
        else:
            load.append(keep_sending(hostile, FIRST | OTHERS, RATE, stop, options.seed))
            load.append(Fuzzer(stack.address, hostile_key, every, tally).run(stop, options.seed))
            load += [
                keep_leaving(doors, every, to.tone, hostile_key, tally, stop, options.seed + number)
                for number in range(IMPATIENT)
            ]
            if not options.no_faults:
                load.append(keep_breaking(stack, options.replicas, tally, stop, options.seed))
        await _for(options.seconds, stop, load)
        await hostile.close()
        for door in doors:
            await door.close()
    after, wrong = await settled(stack, base, ordinary)
    print(tally.report())
    for title, states in (("before", base), ("at most", watch.peaks), ("after", after)):
        _print(title, states)
    wrong += _grown(base, watch.peaks, options.most_growth)
    for row in wrong:
        print(f"not as before: {row}")
    passed = not (wrong or tally.failures or tally.forbidden)
    print("passed" if passed else "FAILED")
    return passed


async def _for(seconds: float, stop: asyncio.Event, load: Sequence[Coroutine[Any, Any, None]]) -> None:
    """Runs the load for so long, then waits for its ends; whatever it raises is raised at once."""
    async with asyncio.TaskGroup() as group:
        for one in load:
            group.create_task(one)
        await asyncio.sleep(seconds)
        stop.set()


async def _report(tally: Tally, stop: asyncio.Event) -> None:
    """A line now and then."""
    while not stop.is_set():
        last = f"; the last: {tally.forbidden[-1]}" if tally.forbidden else ""
        print(
            f"{tally.calls} calls, {len(tally.faults)} faults, {len(tally.failures)} failures, "
            f"{len(tally.forbidden)} forbidden answers{last}",
            flush=True,
        )
        try:
            await asyncio.wait_for(stop.wait(), REPORT_EVERY_SECONDS)
        except TimeoutError:
            continue


def _grown(base: dict[str, State], peaks: dict[str, State], most: float | None) -> list[str]:
    return [
        f"{role} was {peaks[role].megabytes - base[role].megabytes:.0f} MB larger, at most {most:g} allowed"
        for role in ("server", "gateway")
        if most is not None and peaks[role].megabytes - base[role].megabytes > most
    ]


def _print(title: str, states: dict[str, State]) -> None:
    for role, state in states.items():
        print(f"{title:8} {role:8} {state}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
