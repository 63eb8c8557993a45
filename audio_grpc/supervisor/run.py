"""Runs the supervisor until it is signalled, and ends its processes."""

import asyncio
import signal
import sys
from collections.abc import Awaitable, Callable

from audio_grpc.supervisor.log import Log
from audio_grpc.supervisor.stack import Stack

OnReady = Callable[[], Awaitable[None]]


async def run(stack: Stack, log: Log, on_ready: OnReady) -> None:
    """Keep a stack up until SIGTERM or Ctrl-C; a second one cuts the calls that are still running.

    SIGHUP renews the servers, unless it says that the terminal is gone, which ends the stack as Ctrl-C does.
    ``on_ready`` runs once calls are answered; what it raises ends the stack. ServiceEnded if it cannot start.
    """
    stop: asyncio.Queue[int] = asyncio.Queue()
    renew = asyncio.Event()
    has_terminal = sys.stderr.isatty()

    def hang_up() -> None:
        if has_terminal and not sys.stderr.isatty():
            stop.put_nowait(signal.SIGINT)
        else:
            renew.set()

    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.put_nowait, number)
    loop.add_signal_handler(signal.SIGHUP, hang_up)
    started = asyncio.Event()
    life = asyncio.create_task(_live(stack, started, on_ready, renew))
    told = asyncio.create_task(stop.get())
    try:
        await asyncio.wait((life, told), return_when=asyncio.FIRST_COMPLETED)
        if life.done():
            life.result()  # it ends by an error only
        life.cancel()
        await asyncio.wait((life,))
        if started.is_set():
            await _end(stack, told.result(), stop, log)
    finally:
        await stack.cut()


async def _live(stack: Stack, started: asyncio.Event, on_ready: OnReady, renew: asyncio.Event) -> None:
    await stack.start()
    started.set()
    await on_ready()
    while True:
        await renew.wait()
        renew.clear()
        await stack.renew()


async def _end(stack: Stack, number: int, stop: asyncio.Queue[int], log: Log) -> None:
    ending = asyncio.create_task(stack.stop(number))
    told_again = asyncio.create_task(stop.get())
    await asyncio.wait((ending, told_again), return_when=asyncio.FIRST_COMPLETED)
    if told_again.done():
        log.say("told again; cutting what still runs")
        ending.cancel()
        await asyncio.wait((ending,))
    else:
        told_again.cancel()
        ending.result()
