"""Processes that are killed and stopped while calls run."""

import asyncio
import contextlib
import random
import signal
import time
from collections.abc import Awaitable, Callable

import psutil

from tests.chaos.tally import Fault, Tally
from tests.supervisor.stack import RunningStack

FIRST_SECONDS, LEAST_SECONDS, MOST_SECONDS = 5.0, 3.0, 12.0
"""The seconds before the first fault, and those between the end of one and the next."""
LOOK_EVERY_SECONDS = 0.1
RECOVERY_SECONDS = 120.0
WHOLE_SECONDS = 3.0
"""The seconds for which all must be well: Envoy learns a moment later of what was killed."""


async def keep_breaking(
    stack: RunningStack, replicas: int, tally: Tally, stop: asyncio.Event, seed: int
) -> None:
    """One fault after the other, each once the service is whole again, until ``stop`` is set.

    Raises TimeoutError if it does not become whole.
    """
    dice = random.Random(seed)
    await _sleep(FIRST_SECONDS, stop)
    while not stop.is_set():
        [make] = dice.choices(list(KINDS), list(KINDS.values()))
        fault = Fault(make.__name__, time.monotonic())
        tally.faults.append(fault)
        with contextlib.suppress(psutil.NoSuchProcess):
            await make(stack, dice)
        async with asyncio.timeout(RECOVERY_SECONDS):
            whole = 0
            while whole * LOOK_EVERY_SECONDS < WHOLE_SECONDS:
                whole = whole + 1 if await asyncio.to_thread(_is_whole, stack, replicas) else 0
                await asyncio.sleep(LOOK_EVERY_SECONDS)
        fault.ended = time.monotonic()
        await _sleep(dice.uniform(LEAST_SECONDS, MOST_SECONDS), stop)


async def kill_a_server(stack: RunningStack, dice: random.Random) -> None:
    dice.choice(stack.servers()).kill()


async def stop_a_server_for_good(stack: RunningStack, dice: random.Random) -> None:
    """Stops a server until somebody replaces it."""
    server = dice.choice(stack.servers())
    server.send_signal(signal.SIGSTOP)
    async with asyncio.timeout(RECOVERY_SECONDS):
        while server.is_running() and server.status() != psutil.STATUS_ZOMBIE:
            await asyncio.sleep(LOOK_EVERY_SECONDS)


async def stop_a_server_for_a_moment(stack: RunningStack, dice: random.Random) -> None:
    server = dice.choice(stack.servers())
    server.send_signal(signal.SIGSTOP)
    await asyncio.sleep(dice.uniform(0.1, 2.0))
    server.send_signal(signal.SIGCONT)


async def kill_a_gateway(stack: RunningStack, dice: random.Random) -> None:
    dice.choice(stack.running("audio-gateway")).kill()


KINDS: dict[Callable[[RunningStack, random.Random], Awaitable[None]], int] = {
    kill_a_server: 4,
    stop_a_server_for_a_moment: 2,
    stop_a_server_for_good: 1,
    kill_a_gateway: 2,
}


def _is_whole(stack: RunningStack, replicas: int) -> bool:
    try:
        answer = stack.ask("GET", "/readyz")
        healthy = answer.status == 200 and stack.healthy_servers() == replicas
        return healthy and len(stack.servers()) == replicas
    except (OSError, ValueError):
        return False


async def _sleep(seconds: float, stop: asyncio.Event) -> None:
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(stop.wait(), seconds)
