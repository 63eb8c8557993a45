"""The doors beside each other: gRPC, gRPC through Envoy, and HTTP through gateway and Envoy."""

import asyncio
import json
import statistics
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack, contextmanager
from pathlib import Path
from typing import Any

import psutil

from audio_grpc.client import AsyncClient, Encoding
from benchmarks.served import COMMAND, cpu_seconds, process
from benchmarks.workload import CHUNK, TEXT

HOST = "127.0.0.1"
ENVOY, GATEWAY, INSIDE, ADMIN, SERVER = 18080, 18081, 18082, 19901, 15051
PACE_SECONDS = 0.05
STAGGER_SECONDS = 0.0107
"""The seconds between the starts of paced streams: callers do not come at once, nor in step with the pace."""
CONFIG = f"""
log_level = "WARNING"
port = {SERVER}
[envoy]
port = {ENVOY}
inside_port = {INSIDE}
admin_port = {ADMIN}
gateway = "{HOST}:{GATEWAY}"
[synthesizers.hibari]
[synthesizers.paced]
backend = "tone"
resident = true
threads = 100
concurrency = 100
options = {{ delay_seconds = {PACE_SECONDS} }}
[transcribers.listener]
backend = "tone"
"""
SAMPLES_A_SECOND = 24000
SAMPLE_BYTES = 2
Pieces = AsyncIterator[bytes]
Door = Callable[[str, str], Pieces]
"""Speaks a text with a model, in 16-bit samples."""


@contextmanager
def house(folder: Path, config: str = CONFIG) -> Iterator[dict[str, psutil.Process]]:
    """All three processes by their names."""
    (folder / "audio-grpc.toml").write_text(config)
    named = ("--config", str(folder / "audio-grpc.toml"))
    with process(COMMAND, "up", *named, announces="(Serving) on") as (supervisor, _):
        found = {}
        for child in supervisor.children(recursive=True):
            line = " ".join(child.cmdline())
            name = "server" if " serve " in line else "gateway" if "audio-gateway" in line else "Envoy"
            found[name] = child
        yield found


class Doors:
    """Clients of every door, with connections that stay."""

    def __init__(self) -> None:
        self._stack = AsyncExitStack()
        self._idle: dict[int, list[tuple[asyncio.StreamReader, asyncio.StreamWriter]]] = {}

    async def __aenter__(self) -> dict[str, Door]:
        server = await self._stack.enter_async_context(AsyncClient(f"{HOST}:{SERVER}"))
        envoy = await self._stack.enter_async_context(AsyncClient(f"{HOST}:{ENVOY}"))
        return {
            "gRPC": self._grpc(server),
            "gRPC, Envoy": self._grpc(envoy),
            "HTTP, gateway": self._http(GATEWAY),
            "HTTP, Envoy and gateway": self._http(ENVOY),
        }

    async def __aexit__(self, *_: object) -> None:
        for connections in self._idle.values():
            for connection in connections:
                connection[1].close()
        await self._stack.aclose()

    def _grpc(self, client: AsyncClient) -> Door:
        def speak(text: str, model: str) -> Pieces:
            return client.synthesize(text, model=model, encoding=Encoding.PCM_S16LE)

        return speak

    def _http(self, port: int) -> Door:
        """Writes HTTP by hand, since a library's cost would be a good part of the measurement."""

        async def speak(text: str, model: str) -> Pieces:
            idle = [one for one in self._idle.get(port, ()) if not one[0].at_eof()]
            self._idle[port] = idle
            reader, writer = idle.pop() if idle else await asyncio.open_connection(HOST, port)
            body = json.dumps({"model": model, "input": text, "response_format": "pcm"}).encode()
            writer.write(
                b"POST /v1/audio/speech HTTP/1.1\r\nhost: bench\r\ncontent-type: application/json\r\n"
                b"content-length: %d\r\n\r\n%s" % (len(body), body)
            )
            head = await reader.readuntil(b"\r\n\r\n")
            assert head.startswith(b"HTTP/1.1 200"), head
            while size := int(await reader.readline(), 16):
                yield (await reader.readexactly(size + 2))[:-2]
            await reader.readline()
            idle.append((reader, writer))

        return speak


async def first_audio(doors: dict[str, Door], repeats: int) -> dict[str, float]:
    """Median milliseconds to the first sound of hibari, one call at a time, the doors in turns."""
    took: dict[str, list[float]] = {name: [] for name in doors}
    for _ in range(repeats):
        for name, speak in doors.items():
            began = time.perf_counter()
            pieces = speak(TEXT, "hibari")
            await anext(pieces)
            took[name].append((time.perf_counter() - began) * 1000)
            async for _ in pieces:
                pass
    return {name: statistics.median(times) for name, times in took.items()}


async def cpu_of_an_hour(door: Door, processes: dict[str, psutil.Process], repeats: int) -> dict[str, float]:
    """CPU seconds that each process spends on an hour of hibari's sound."""
    before = {name: cpu_seconds(each) for name, each in processes.items()}
    size = 0
    for _ in range(repeats):
        async for data in door(TEXT, "hibari"):
            size += len(data)
    hours = size / SAMPLE_BYTES / SAMPLES_A_SECOND / 3600
    return {name: (cpu_seconds(each) - before[name]) / hours for name, each in processes.items()}


async def gaps(door: Door, streams: int, chunks: int) -> dict[str, float]:
    """Milliseconds between neighbouring arrivals of ``streams`` calls at once, each paced by its model."""
    found: list[float] = []

    async def one(number: int) -> None:
        await asyncio.sleep(number * STAGGER_SECONDS)
        last, size = 0.0, 0
        async for data in door("x" * chunks, "paced"):
            now = time.perf_counter()
            if last:
                found.append((now - last) * 1000)
            last = now
            size += len(data)
        assert size == chunks * len(CHUNK), "nothing is lost"

    await asyncio.gather(*(one(number) for number in range(streams)))
    return {
        "median": statistics.median(found),
        "worst": max(found),
        "p99": statistics.quantiles(found, n=100)[98],
    }


async def measure(folder: Path, say: Callable[[str], None]) -> dict[str, Any]:
    """Every figure of every door."""
    with house(folder) as processes:
        async with Doors() as doors:
            say("doors: first audio")
            first = await first_audio(doors, repeats=60)
            results: dict[str, Any] = {}
            for name, door in doors.items():
                say(f"doors: {name}")
                results[name] = {
                    "first_ms": first[name],
                    "cpu_seconds_an_hour": await cpu_of_an_hour(door, processes, repeats=20),
                    "paced_gaps_ms": await gaps(door, streams=100, chunks=200),
                }
            return results
