"""Waits for what nothing tells of: a condition is looked at until it holds."""

import asyncio
import inspect
import time
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar, overload

from tests.conftest import PATIENCE_SECONDS

T = TypeVar("T")

LOOK_EVERY_SECONDS = 0.005
LOOK_EVERY_SECONDS_IN_A_THREAD = 0.05


@overload
async def eventually(condition: Callable[[], Awaitable[T | None]]) -> T: ...
@overload
async def eventually(condition: Callable[[], T | None]) -> T: ...
async def eventually(condition: Callable[[], Any]) -> Any:
    """Returns the first result of the condition that is true; fails if none comes within a minute."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        while True:
            result = condition()
            if inspect.isawaitable(result):
                result = await result
            if result:
                return result
            await asyncio.sleep(LOOK_EVERY_SECONDS)


def eventually_in_a_thread(condition: Callable[[], object]) -> None:
    """Returns once the condition holds, for tests without an event loop."""
    until = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        assert time.monotonic() < until, "it never came"
        time.sleep(LOOK_EVERY_SECONDS_IN_A_THREAD)
