"""Runs a server until it is told to stop."""

import asyncio
import logging
import signal
from collections.abc import Awaitable, Callable

from opentelemetry.trace import TracerProvider

from audio_grpc.config import Settings
from audio_grpc.runtime.memory import leave_out, share_arenas
from audio_grpc.server import Server

log = logging.getLogger(__name__)

END_WATCHES = signal.SIGUSR1
"""Tells a server that the door in front of it closes: who only watches is let go, all else goes on."""

OnReady = Callable[[Server], Awaitable[None]]


async def serve(
    settings: Settings, on_ready: OnReady | None = None, tracer_provider: TracerProvider | None = None
) -> None:
    """Run a server until SIGTERM or Ctrl-C; a second one cuts the calls that are still running.

    After SIGTERM it takes calls for a while yet: a proxy that was just told goes on sending them until it has
    asked for the server's health again. After Ctrl-C, which a person waits for, it does not.

    ``on_ready`` runs once it serves; what it raises ends the server.
    """
    share_arenas()  # while there are no other threads yet
    server = Server(settings, tracer_provider)
    signals: asyncio.Queue[int] = asyncio.Queue()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, signals.put_nowait, number)
    watches = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(END_WATCHES, watches.set)
    ending_watches = asyncio.create_task(_end_watches(server, watches))
    starting = asyncio.create_task(_start(server, on_ready))
    told_to_stop = asyncio.create_task(signals.get())
    try:
        await asyncio.wait((starting, told_to_stop), return_when=asyncio.FIRST_COMPLETED)
        if starting.done():
            starting.result()
            await told_to_stop
        starting.cancel()
    finally:
        told_again = asyncio.create_task(signals.get())
        if told_to_stop.done() and told_to_stop.result() == signal.SIGTERM:
            log.info("draining; calls are taken for %g s more", settings.drain_seconds)
            server.drain()
            await asyncio.wait((told_again,), timeout=settings.drain_seconds)
        log.info("stopping; running calls have %g s to finish", settings.shutdown_grace_seconds)
        stopping = asyncio.create_task(server.stop(settings.shutdown_grace_seconds))
        await asyncio.wait((stopping, told_again), return_when=asyncio.FIRST_COMPLETED)
        if told_again.done():
            await server.stop(0)
        await stopping
        ending_watches.cancel()


async def _end_watches(server: Server, told: asyncio.Event) -> None:
    await told.wait()
    await server.end_watches()


async def _start(server: Server, on_ready: OnReady | None) -> None:
    await server.start()
    leave_out()
    if on_ready is not None:
        await on_ready(server)
