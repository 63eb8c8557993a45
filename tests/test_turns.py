"""Turns of live streams on a model."""

import asyncio

from audio_grpc.runtime.priority_semaphore import PrioritySemaphore
from tests.conftest import PATIENCE_SECONDS


async def test_urgent_turns_come_first_and_others_in_their_order() -> None:
    turns = PrioritySemaphore(1)
    had: list[str] = []
    urgent = {"d"}

    async def take(name: str) -> None:
        async with turns.turn(lambda: name in urgent):
            had.append(name)

    async with turns.turn(lambda: False):
        tasks = []
        for name in "abcd":
            tasks.append(asyncio.create_task(take(name)))
            await asyncio.sleep(0)
        urgent.add("c")
    await asyncio.gather(*tasks)
    assert had == ["c", "d", "a", "b"]


async def test_whoever_leaves_while_waiting_takes_no_turn_with_him() -> None:
    turns = PrioritySemaphore(1)

    async def take() -> None:
        async with turns.turn(lambda: False):
            pass

    async with turns.turn(lambda: False):
        waiting, leaving = asyncio.create_task(take()), asyncio.create_task(take())
        await asyncio.sleep(0)
        waiting.cancel()
    leaving.cancel()  # at the moment of his turn
    await asyncio.gather(waiting, leaving, return_exceptions=True)
    await asyncio.wait_for(take(), PATIENCE_SECONDS)
