"""Signs of life: how a process that hangs is told from one that is busy."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

Probe = Callable[[], Awaitable[None]]
"""Returns once the process has answered, whatever it says. OSError if it does not listen."""
MISSES = 3
"""The number of questions in a row without an answer; one alone happens when the machine slept."""
# A channel of its own each time: a shared one would remember for minutes that nobody listened.
FRESH = (("grpc.use_local_subchannel_pool", 1),)


async def until_hung(probe: Probe, seconds: float) -> None:
    """Ask again and again, and return when there was no answer for so long."""
    wait, missed = seconds / MISSES, 0
    while missed < MISSES:
        try:
            async with asyncio.timeout(wait):
                await probe()
        except TimeoutError:
            missed += 1
            continue
        except OSError:  # it does not listen yet
            pass
        missed = 0
        await asyncio.sleep(wait)


def server_probe(address: str) -> Probe:
    """Returns a probe that asks a server for its health, which its event loop answers."""

    async def probe() -> None:
        async with grpc.aio.insecure_channel(address, options=FRESH) as channel:
            with suppress(grpc.aio.AioRpcError):
                await health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest())

    return probe


def http_probe(address: str, path: str) -> Probe:
    """Returns a probe that asks over HTTP."""

    async def probe() -> None:
        await http_status(address, path)

    return probe


async def http_status(address: str, path: str) -> int:
    """Returns the status of the answer to a GET; 0 if there is none. OSError if nobody listens."""
    host, _, port = address.rpartition(":")
    reader, writer = await asyncio.open_connection(host.strip("[]"), int(port))
    try:
        writer.write(f"GET {path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n".encode())
        _, status, *_ = [*(await reader.readline()).split(), b"0", b"0"]
        return int(status)
    finally:
        writer.close()
