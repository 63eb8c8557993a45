"""Listeners who begin at the same moment and play what they are sent in real time.

``python -m benchmarks.listeners ADDRESS LISTENERS REPEATS`` is a process of its own, which asks the server
there for speech as often as there are listeners, so often one after the other, and prints what they met as
one line of JSON.
"""

import asyncio
import json
import statistics
import sys
import time
from dataclasses import dataclass
from typing import Any

import grpc
import uvloop

from audio_grpc.v1.audio_pb2 import AUDIO_ENCODING_PCM_S16LE
from audio_grpc.v1.text_to_speech_pb2 import SynthesizeRequest
from audio_grpc.v1.text_to_speech_pb2_grpc import TextToSpeechServiceStub
from benchmarks.workload import TEXT

BYTES_A_SECOND = 24_000 * 2
NOTICED_SECONDS = 0.02
"""A listener who lacks sound for less, in all, has not run dry."""
Arrival = tuple[float, float]
"""The time at which a message came, and the seconds of sound in it."""


@dataclass(frozen=True)
class Heard:
    """The measurements of one listener, in seconds."""

    first: float
    sound: float
    dry: float
    """The seconds without sound, between the first and the last of it."""


def dry_seconds(arrivals: list[Arrival]) -> float:
    """Returns the seconds without sound for a listener who plays in real time from the first arrival on."""
    dry, lasts_until = 0.0, arrivals[0][0]
    for at, seconds in arrivals:
        dry += max(0.0, at - lasts_until)
        lasts_until = max(at, lasts_until) + seconds
    return dry


async def listen(stub: TextToSpeechServiceStub, began: float) -> Heard | None:
    """One call; None if it was refused or broke off."""
    request = SynthesizeRequest(text=TEXT, model="hibari", encoding=AUDIO_ENCODING_PCM_S16LE)
    arrivals: list[Arrival] = []
    call: Any = stub.Synthesize(request)
    try:
        async for reply in call:
            seconds = len(reply.audio) / BYTES_A_SECOND
            if seconds:
                arrivals.append((time.perf_counter() - began, seconds))
    except grpc.aio.AioRpcError:
        return None
    return Heard(arrivals[0][0], sum(seconds for _, seconds in arrivals), dry_seconds(arrivals))


async def measure(address: str, listeners: int, repeats: int) -> dict[str, Any]:
    """All listeners at once, and again."""
    heard: list[Heard | None] = []
    async with grpc.aio.insecure_channel(address) as channel:
        stub = TextToSpeechServiceStub(channel)
        assert await listen(stub, time.perf_counter()), (
            "the first call, which warms the server up, is answered"
        )
        took = 0.0
        for _ in range(repeats):
            began = time.perf_counter()
            heard += await asyncio.gather(*(listen(stub, began) for _ in range(listeners)))
            took += time.perf_counter() - began
    return summary(heard, took)


def summary(heard: list[Heard | None], took: float) -> dict[str, Any]:
    """The share of time without sound is of all listeners' time from their first sound to their last."""
    served = [one for one in heard if one]
    assert served, "somebody was served"
    sound, dry = sum(one.sound for one in served), sum(one.dry for one in served)
    return {
        "first_ms": statistics.median(one.first for one in served) * 1000,
        "first_worst_ms": max(one.first for one in served) * 1000,
        "dry_share": dry / (sound + dry),
        "dry_worst_seconds": max(one.dry for one in served),
        "ran_dry": sum(one.dry > NOTICED_SECONDS for one in served) / len(served),
        "refused": len(heard) - len(served),
        "audio_per_second": sound / took,
    }


if __name__ == "__main__":
    _, address, listeners, repeats = sys.argv
    print(json.dumps(uvloop.run(measure(address, int(listeners), int(repeats)))))
