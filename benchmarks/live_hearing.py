"""Human speech, heard while it is spoken: how soon words appear, whether they stay, and what that costs."""

import asyncio
import statistics
import time
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import jiwer
import numpy as np

from audio_grpc.audio import decode
from audio_grpc.client import AsyncClient, AsyncLiveTranscript, Hypothesis, UtteranceTranscript
from audio_grpc.v1.speech_to_text_pb2 import RawAudioFormat
from benchmarks import served
from benchmarks.words import plain
from benchmarks.workload import CLIPS, SPOKEN

STREAMS = (1, 4, 8)
RATE_HERTZ = 16_000
PIECE_SECONDS = 0.1
PAUSE = np.zeros(RATE_HERTZ, np.float32)
STAGGER_SECONDS = 1.3
"""The seconds between the starts of two streams: people do not begin to speak all at once."""
CONFIG = """
log_level = "WARNING"
[synthesizers.tone]
backend = "tone"
[transcribers.whisper-base]
resident = true
live_streams = 8
"""
Figures = dict[str, Any]


@dataclass
class Take:
    """The events of one stream, each with its time in seconds of the stream's own clock."""

    said: str
    offline: str
    seconds: float
    hypotheses: dict[int, list[tuple[float, Hypothesis]]] = field(default_factory=dict)
    finals: list[tuple[float, UtteranceTranscript]] = field(default_factory=list)

    @property
    def heard(self) -> str:
        """All transcripts."""
        return "".join(final.text for _, final in self.finals)


async def measure() -> dict[str, Figures]:
    """Returns the figures by number of streams, on a server of its own."""
    figures = {}
    with served.configured(CONFIG) as (server, address):
        async with AsyncClient(address) as client:
            offline = [await _offline(client, turned) for turned in range(len(CLIPS))]
            for streams in STREAMS:
                used = served.cpu_seconds(server)
                takes = await asyncio.gather(
                    *(_listen(client, number, offline[number % len(CLIPS)]) for number in range(streams))
                )
                figures[str(streams)] = _summary(takes, served.cpu_seconds(server) - used)
    return figures


def _recording(turned: int) -> tuple[bytes, str]:
    """All clips with a second of silence after each, beginning with another one, and what they say."""
    names = list(SPOKEN)[turned:] + list(SPOKEN)[:turned]
    parts = [PAUSE]
    for name in names:
        parts += [decode((CLIPS[0].parent / name).read_bytes(), max_seconds=60).samples, PAUSE]
    samples = np.round(np.concatenate(parts) * 32767).astype("<i2").tobytes()
    return samples, " ".join(SPOKEN[name] for name in names)


async def _offline(client: AsyncClient, turned: int) -> str:
    raw = RawAudioFormat(sample_rate_hertz=RATE_HERTZ)
    recording, _ = _recording(turned)
    return "".join([segment.text async for segment in client.transcribe(recording, raw_format=raw)])


async def _listen(client: AsyncClient, number: int, offline: str) -> Take:
    recording, said = _recording(number % len(CLIPS))
    take = Take(said, offline, len(recording) / 2 / RATE_HERTZ)
    await asyncio.sleep(number * STAGGER_SECONDS)
    async with client.listen(RATE_HERTZ, interim_results=True) as transcript:
        await transcript.start()
        began = time.perf_counter()
        sending = asyncio.create_task(_speak(transcript, recording, began))
        async for event in transcript:
            now = time.perf_counter() - began
            if isinstance(event, Hypothesis):
                take.hypotheses.setdefault(event.utterance, []).append((now, event))
            elif isinstance(event, UtteranceTranscript):
                take.finals.append((now, event))
        await sending
    return take


async def _speak(transcript: AsyncLiveTranscript, recording: bytes, began: float) -> None:
    """Each piece when its last sample has sounded."""
    size = round(PIECE_SECONDS * RATE_HERTZ) * 2
    for number, start in enumerate(range(0, len(recording), size), 1):
        await asyncio.sleep(began + number * PIECE_SECONDS - time.perf_counter())
        await transcript.write(recording[start : start + size])
    await transcript.end()


def _summary(takes: list[Take], cpu_seconds: float) -> Figures:
    shown, stable, final, complete = [], [], [], []
    for take in takes:
        for at, transcript in take.finals:
            guesses = take.hypotheses.get(transcript.utterance, [])
            whole = [(when, guess.stable_text + guess.unstable_text) for when, guess in guesses]
            certain = [(when, guess.stable_text) for when, guess in guesses]
            complete.append(at - transcript.words[-1].end)
            for place, word in enumerate(transcript.words):
                shown.append(_first(place, word.text, whole, at) - word.end)
                stable.append(_first(place, word.text, certain, at) - word.end)
                final.append(at - word.end)
    said, heard = (
        " ".join(plain(take.said) for take in takes),
        " ".join(plain(take.heard) for take in takes),
    )
    offline = " ".join(plain(take.offline) for take in takes)
    return {
        "words": len(final),
        "shown_seconds": _spread(shown),
        "stable_seconds": _spread(stable),
        "final_seconds": _spread(final),
        "complete_seconds": _spread(complete),
        "hypotheses_a_second": sum(len(each) for take in takes for each in take.hypotheses.values())
        / sum(take.seconds for take in takes),
        "stable_words_changed": sum(map(_changes, takes)),
        "word_error_rate": jiwer.wer(said, heard),
        "offline_word_error_rate": jiwer.wer(said, offline),
        "cpu_seconds_a_second": cpu_seconds / sum(take.seconds for take in takes),
    }


def _first(place: int, text: str, shown: list[tuple[float, str]], final: float) -> float:
    """Returns the time when the word first stood in its place of the transcript."""
    for at, guess in shown:
        words = guess.split()
        if place < len(words) and plain(words[place]) == plain(text):
            return at
    return final


def _changes(take: Take) -> int:
    """Counts the stable texts that are not the beginning of the text after them."""
    changes = 0
    finals = {final.utterance: final.text for _, final in take.finals}
    for utterance, hypotheses in take.hypotheses.items():
        shown = [hypothesis.stable_text for _, hypothesis in hypotheses] + [finals[utterance]]
        changes += sum(not later.startswith(earlier) for earlier, later in pairwise(shown))
    return changes


def _spread(seconds: list[float]) -> dict[str, float]:
    return {
        "median": statistics.median(seconds),
        "p95": statistics.quantiles(seconds, n=20)[-1],
    }
