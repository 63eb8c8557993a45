"""A text that is still being written beside the same text given whole, and how fast speech is interrupted."""

import asyncio
import statistics
import time
from collections.abc import Iterator
from typing import Any

from audio_grpc.client import AsyncClient, Encoding, SpeechCancelled
from benchmarks.workload import TEXT

TOKEN_CHARACTERS = 4
CERTAIN = "Its "
"""The word that shows that the first sentence of the text has ended."""
BREATH_SECONDS = 0.05
REPEATS = 60


def tokens(text: str) -> Iterator[str]:
    """Yields the text in pieces, as a language model writes."""
    for start in range(0, len(text), TOKEN_CHARACTERS):
        yield text[start : start + TOKEN_CHARACTERS]


async def measure(address: str, repeats: int = REPEATS) -> dict[str, float]:
    """Median milliseconds, both ways in turns."""
    took: dict[str, list[float]] = {"whole": [], "live": [], "cancel": []}
    async with AsyncClient(address) as client:
        for _ in range(repeats):
            took["whole"].append(await _whole(client))
            live, cancel = await _live(client)
            took["live"].append(live)
            took["cancel"].append(cancel)
    return {f"{name}_ms": statistics.median(times) * 1000 for name, times in took.items()}


async def _whole(client: AsyncClient) -> float:
    """Seconds from the request to the first sound."""
    await asyncio.sleep(BREATH_SECONDS)
    began = time.perf_counter()
    async with client.synthesize(TEXT, model="hibari", encoding=Encoding.PCM_S16LE) as speech:
        await anext(speech)
        return time.perf_counter() - began


async def _live(client: AsyncClient) -> tuple[float, float]:
    """Seconds from the end of the first sentence to the first sound, and from a cancel to its answer."""
    known = TEXT.index(CERTAIN) + len(CERTAIN)
    options: Any = {"model": "hibari", "encoding": Encoding.PCM_S16LE}
    async with client.live_speech(**options) as speech:
        await speech.start()
        for token in tokens(TEXT[: known - 1]):
            await speech.write(token)
        await asyncio.sleep(BREATH_SECONDS)
        began = time.perf_counter()
        await speech.write(TEXT[known - 1 : known])
        await anext(speech)
        first = time.perf_counter() - began
        for token in tokens(TEXT[known:]):
            await speech.write(token)
        began = time.perf_counter()
        await speech.cancel()
        while not isinstance(await anext(speech), SpeechCancelled):
            pass
        return first, time.perf_counter() - began
