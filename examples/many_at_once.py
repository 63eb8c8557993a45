"""Eight callers at once, each hearing its own text as it is made: python examples/many_at_once.py."""

import asyncio
import sys
import time

from audio_grpc.client import AsyncClient, Encoding


async def call(client: AsyncClient, number: int, began: float) -> None:
    text = f"Caller number {number} is speaking. This is the second sentence. And this is the third."
    first = None
    async with client.synthesize(text, encoding=Encoding.OPUS) as speech:
        async for _ in speech:
            first = first or time.perf_counter() - began
    seconds = speech.finished.usage.audio_duration.ToTimedelta().total_seconds()
    print(f"caller {number}: first sound after {(first or 0) * 1000:.0f} ms, {seconds:.1f} s of audio")


async def main(target: str) -> None:
    async with AsyncClient(target) as client:
        began = time.perf_counter()
        await asyncio.gather(*(call(client, number, began) for number in range(8)))


asyncio.run(main(sys.argv[1] if len(sys.argv) > 1 else "127.0.0.1:50051"))
