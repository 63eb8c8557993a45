"""Has one model do real work for a few seconds: a server of its own, called over gRPC."""

import asyncio
import json
import os
import resource
import statistics
import sys
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from itertools import cycle
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Literal, Self

from pydantic import TypeAdapter

from audio_grpc.backends.base import ModelSpec
from audio_grpc.client import AsyncClient, Encoding
from audio_grpc.config import Settings
from audio_grpc.machine import read
from audio_grpc.server import Server

Kind = Literal["synthesizer", "transcriber"]
SENTENCES = (
    "The train to the coast leaves at half past nine from platform four.",
    "She asked for two tickets, and paid with a card.",
    "It had rained all night, so the streets were empty and the river was high.",
    "Nobody answered the phone.",
)
FEWEST_ALONE = 2
IDLE_SHARE = 0.1
ALONE_SHARE = 0.5
"""The part of the seconds that calls one after the other get, beside those that calls together get."""


@dataclass(frozen=True)
class MeasuredTask:
    """A candidate, and the work to measure it with."""

    kind: Kind
    name: str
    spec: ModelSpec
    callers: int
    seconds: float
    recordings: tuple[Path, ...] = ()
    """The recordings that a transcriber hears."""
    folder: Path | None = None
    """The folder into which a synthesiser writes its sentences as files, instead of being measured."""


@dataclass(frozen=True)
class Figures:
    """The results of a measurement."""

    alone_seconds: float
    """The median seconds from a lone caller's request to the first sound, or to the whole transcript."""
    speed: float
    """Seconds of sound in a second, of all callers together."""
    cpu_seconds: float
    """The seconds of CPU for each second of sound."""
    memory_bytes: int
    """The most that the process had."""
    taken_by_others: float = 0.0
    """The share of the machine's cores that other programs took while none was idle; 0 where some were."""


@dataclass(frozen=True)
class MeasuredCall:
    """One call: seconds until there was something, and of sound."""

    waited: float
    sound: float


@dataclass(frozen=True)
class Cores:
    """The time of all cores since the machine started, in seconds; zeros where that cannot be read."""

    idle: float = 0.0
    total: float = 0.0

    @classmethod
    def now(cls) -> Self:
        """Read it: https://man7.org/linux/man-pages/man5/proc_stat.5.html."""
        first = read(Path("/proc/stat")).partition("\n")[0].split()[1:]
        ticks = [int(one) / os.sysconf("SC_CLK_TCK") for one in first[:8]]  # those of guests are among them
        return cls(ticks[3] + ticks[4], sum(ticks)) if len(ticks) == 8 else cls()

    def taken_by_others(self, before: Self, own: float) -> float:
        """Returns the share that went to others, since then and beside ``own`` seconds."""
        total, idle = self.total - before.total, self.idle - before.idle
        if total <= 0 or idle > IDLE_SHARE * total:
            return 0.0
        return max(total - idle - own, 0.0) / total


def main() -> None:
    """Read a task, do it, and write lines of JSON: steps, and at last the figures or an error."""
    task = TypeAdapter(MeasuredTask).validate_json(sys.stdin.read())
    try:
        figures = asyncio.run(_do(task))
    except Exception as error:  # whatever a model throws is what the person wants to know
        _tell(error=str(error) or type(error).__name__)
        sys.exit(1)
    _tell(figures=TypeAdapter(Figures | None).dump_python(figures, mode="json"))


def _tell(**what: Any) -> None:
    print(json.dumps(what), flush=True)  # noqa: T201 - the process that started this one reads it


async def _do(task: MeasuredTask) -> Figures | None:
    with TemporaryDirectory() as folder:
        _tell(step="loading")
        server = Server(_settings(task, Path(folder)))
        try:
            await server.start()
            async with AsyncClient(server.address) as client:
                if task.folder is not None:
                    await _write_sentences(client, task.folder)
                    return None
                return await _measure(task, _call(task, client))
        finally:
            await server.stop(0)


def _settings(task: MeasuredTask, folder: Path) -> Settings:
    models = {task.name: TypeAdapter(ModelSpec).dump_python(task.spec) | {"resident": True}}
    is_synthesizer = task.kind == "synthesizer"
    return Settings(
        port=0,
        voices_path=folder / "voices",
        database_url=f"sqlite:///{folder / 'jobs.db'}",
        results_url=str(folder / "results"),
        synthesizers=models if is_synthesizer else {},
        transcribers={} if is_synthesizer else models,
    )


async def _measure(task: MeasuredTask, call: Callable[[], Awaitable[MeasuredCall]]) -> Figures:
    _tell(step="warming up")
    await call()
    _tell(step="one call at a time")
    alone: list[MeasuredCall] = []
    until = time.perf_counter() + ALONE_SHARE * task.seconds
    while len(alone) < FEWEST_ALONE or time.perf_counter() < until:
        alone.append(await call())
    _tell(step=f"{task.callers} callers together")
    together: list[MeasuredCall] = []
    began, worked, cores = time.perf_counter(), time.process_time(), Cores.now()

    async def caller() -> None:
        while time.perf_counter() < began + task.seconds:
            together.append(await call())

    await asyncio.gather(*(caller() for _ in range(task.callers)))
    took, worked = time.perf_counter() - began, time.process_time() - worked
    sound = sum(one.sound for one in together)
    return Figures(
        alone_seconds=statistics.median(one.waited for one in alone),
        speed=sound / took,
        cpu_seconds=worked / sound,
        memory_bytes=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
        taken_by_others=Cores.now().taken_by_others(cores, worked),
    )


def _call(task: MeasuredTask, client: AsyncClient) -> Callable[[], Awaitable[MeasuredCall]]:
    texts = cycle(SENTENCES)
    recordings = cycle([path.read_bytes() for path in task.recordings])

    async def speak() -> MeasuredCall:
        began, first = time.perf_counter(), 0.0
        async with client.synthesize(next(texts), encoding=Encoding.PCM_S16LE) as speech:
            async for _ in speech:
                first = first or time.perf_counter() - began
        return MeasuredCall(first, speech.finished.usage.audio_duration.ToTimedelta().total_seconds())

    async def hear() -> MeasuredCall:
        began = time.perf_counter()
        async with client.transcribe(next(recordings)) as transcript:
            async for _ in transcript:
                pass
        sound = transcript.finished.audio_duration.ToTimedelta().total_seconds()
        return MeasuredCall(time.perf_counter() - began, sound)

    return speak if task.kind == "synthesizer" else hear


async def _write_sentences(client: AsyncClient, folder: Path) -> None:
    for number, text in enumerate(SENTENCES):
        async with client.synthesize(text, encoding=Encoding.WAV) as speech:
            (folder / f"{number}.wav").write_bytes(b"".join([data async for data in speech]))
