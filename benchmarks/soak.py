"""Many mixed calls on one server, a good part of them cut short; then its memory and threads are as before.

``python -m benchmarks.soak`` (``make soak``) ends with status 1 if the server's resident memory has grown by
more than 5 % since the warm-up, or if a thread is left.
"""

import asyncio
import random
import sys
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import psutil

from audio_grpc.client import AsyncClient, Encoding, ServiceError
from benchmarks import served
from benchmarks.workload import CLIPS, TEXT

CALLS, WARM_UP_CALLS, AT_ONCE = 500, 100, 6
REPORT_EVERY = 100
MOST_GROWTH = 0.05
SETTLE_SECONDS = 30.0
SEED = 20240229
CONFIG = """
[synthesizers.hibari]
[synthesizers.tone]
backend = "tone"
concurrency = 8
options = { delay_seconds = 0.002 }
[transcribers.whisper-base]
concurrency = 4
"""
SENTENCES = TEXT.split(". ")
CLIP = min((path.read_bytes() for path in CLIPS), key=len)
FORMATS = ("WAV", "MP3", "OPUS", "FLAC", "AAC", "PCM_S16LE")

Call = Callable[[AsyncClient, random.Random], Awaitable[None]]


@dataclass(frozen=True)
class State:
    """The memory and threads that a server uses."""

    megabytes: float
    threads: int


def state(server: psutil.Process) -> State:
    return State(server.memory_info().rss / 1e6, server.num_threads())


def text(dice: random.Random) -> str:
    return ". ".join(dice.sample(SENTENCES, dice.randint(1, len(SENTENCES)))) + "."


async def speak(client: AsyncClient, dice: random.Random) -> None:
    model, encoding = dice.choice(("hibari", "tone")), Encoding[dice.choice(FORMATS)]
    async for _ in client.synthesize(text(dice), model=model, encoding=encoding):
        pass


async def speak_and_leave(client: AsyncClient, dice: random.Random) -> None:
    """Leaves after a random number of chunks, perhaps none."""
    async with client.synthesize(text(dice), model=dice.choice(("hibari", "tone"))) as speech:
        for _ in range(dice.randint(0, 5)):
            await anext(speech, None)


async def speak_until_the_deadline(client: AsyncClient, dice: random.Random) -> None:
    async for _ in client.synthesize(text(dice), model="tone", timeout=dice.uniform(0.001, 0.2)):
        pass


async def listen(client: AsyncClient, dice: random.Random) -> None:
    async for _ in client.transcribe(CLIP, word_timestamps=dice.random() < 0.5):
        pass


async def listen_and_leave(client: AsyncClient, dice: random.Random) -> None:
    """Leaves at a random moment: while the call is queued, decoded or recognised."""
    task = asyncio.ensure_future(listen(client, dice))
    await asyncio.wait((task,), timeout=dice.uniform(0, 0.5))
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def upload_and_leave(client: AsyncClient, dice: random.Random) -> None:
    """Leaves before the recording is whole."""
    async with client.upload() as upload:
        await upload.write(CLIP[: dice.randint(1, len(CLIP) - 1)])


async def ask_for_nonsense(client: AsyncClient, dice: random.Random) -> None:
    match dice.randrange(4):
        case 0:
            await anext(client.synthesize("Hello.", speed=99.0))
        case 1:
            await anext(client.synthesize("Hello.", voice="nobody"))
        case 2:
            await anext(client.transcribe(dice.randbytes(10_000)))
        case _:
            await anext(client.transcribe(CLIP[: len(CLIP) // 2], language_code="xx"))


KINDS: dict[Call, int] = {
    speak: 30,
    speak_and_leave: 20,
    speak_until_the_deadline: 10,
    listen: 12,
    listen_and_leave: 10,
    upload_and_leave: 8,
    ask_for_nonsense: 10,
}
"""The number of calls of each kind among a hundred."""


async def run(address: str, count: int, seed: int, ends: Counter[str]) -> None:
    """Makes ``count`` calls, some at once; counts their ends by kind and status."""
    dice = random.Random(seed)
    kinds = dice.choices(list(KINDS), list(KINDS.values()), k=count)
    places = asyncio.Semaphore(AT_ONCE)
    async with AsyncClient(address) as client:

        async def one(kind: Call, number: int) -> None:
            async with places:
                try:
                    await kind(client, random.Random(seed + number))
                    ends[f"{kind.__name__}: ok"] += 1
                except ServiceError as error:
                    ends[f"{kind.__name__}: {error.code.name}"] += 1

        await asyncio.gather(*(one(kind, number) for number, kind in enumerate(kinds)))


async def settled(server: psutil.Process, threads: int) -> State:
    """The state once there are no more threads than ``threads``, or a while has passed."""
    for _ in range(round(SETTLE_SECONDS)):
        await asyncio.sleep(1.0)
        if server.num_threads() <= threads:
            break
    return state(server)


async def soak(server: psutil.Process, address: str) -> bool:
    """Makes all the calls; tells if the server is afterwards as it was after the warm-up."""
    ends: Counter[str] = Counter()
    await run(address, WARM_UP_CALLS, SEED, Counter())
    warm = await settled(server, threads=0)
    print(f"after {WARM_UP_CALLS} calls to warm up: {warm.megabytes:.1f} MB, {warm.threads} threads")
    for done in range(0, CALLS, REPORT_EVERY):
        await run(address, REPORT_EVERY, SEED + (done + 1) * 1000, ends)
        now = state(server)
        print(f"after {done + REPORT_EVERY} calls: {now.megabytes:.1f} MB, {now.threads} threads", flush=True)
    end = await settled(server, warm.threads)
    growth = end.megabytes / warm.megabytes - 1
    for name, count in sorted(ends.items()):
        print(f"  {count:4} {name}")
    print(f"growth {growth:+.1%} (at most {MOST_GROWTH:.0%}), threads {warm.threads} -> {end.threads}")
    async with AsyncClient(address) as client:
        idle = all(model.running == model.queued == 0 for model in await client.list_models())
    if not idle:
        print("calls are still running")
    return idle and growth <= MOST_GROWTH and end.threads <= warm.threads


def main() -> int:
    with served.configured(CONFIG) as (server, address):
        return 0 if asyncio.run(soak(server, address)) else 1


if __name__ == "__main__":
    sys.exit(main())
