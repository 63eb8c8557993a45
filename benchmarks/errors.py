"""Errors behind the defaults: Whisper base with a shortened encoder context beside the full one.

``python -m benchmarks.errors`` prints the table; see utterances.py for what is heard. It wants
``pip install whisper-normalizer==0.1.15``, so that "23" and "twenty-three" are one word.
"""

import json
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import jiwer
from whisper_normalizer.english import EnglishTextNormalizer

from audio_grpc.backends.base import ModelSpec
from audio_grpc.backends.faster_whisper import FasterWhisper
from audio_grpc.types import Audio, TranscriptionOptions
from benchmarks.utterances import RATE_HERTZ, Utterance, utterances

WORKERS = 2
LENGTHS = {
    "under 1.2 s": (0.0, 1.2),
    "1.2 to 4 s": (1.2, 4.0),
    "4 to 10 s": (4.0, 10.0),
    "over 10 s": (10.0, 60.0),
}
NORMALISED = EnglishTextNormalizer()
"""OpenAI's: https://github.com/openai/whisper/blob/main/whisper/normalizers/english.py."""
Figures = dict[str, Any]


def heard(short_context: bool, given: Sequence[Utterance]) -> tuple[list[str], float]:
    """The transcripts, and the CPU seconds that they took."""
    model = FasterWhisper(
        ModelSpec("faster-whisper", threads=WORKERS, options={"short_context": short_context})
    )
    model.load()

    def one(utterance: Utterance) -> str:
        options = TranscriptionOptions(language_code="en")
        transcript = model.transcribe(Audio(utterance.samples, RATE_HERTZ), options)
        return "".join(segment.text for segment in transcript.segments)

    with ThreadPoolExecutor(WORKERS) as pool:
        began = time.process_time()
        texts = list(pool.map(one, given))
        return texts, time.process_time() - began


def errors(words: Sequence[str], texts: Sequence[str]) -> tuple[int, int]:
    """Words that are wrong, missing or too many, and how many there were."""
    wrong = count = 0
    for said, text in zip(words, texts, strict=True):
        expected, found = NORMALISED(said), NORMALISED(text)
        measured = jiwer.process_words(expected, found)
        wrong += measured.substitutions + measured.deletions + measured.insertions
        count += len(expected.split())
    return wrong, count


def measure(given: Sequence[Utterance]) -> Figures:
    """Returns, by context, CPU seconds, transcripts, and errors by condition and length."""
    figures: Figures = {}
    for name, short in (("full", False), ("short", True)):
        texts, seconds = heard(short, given)
        figures[name] = {"cpu_seconds": seconds, "texts": texts, "errors": _by_kind(given, texts)}
        print(f"{name}: {seconds:.0f} CPU s", file=sys.stderr, flush=True)
    return figures


def _by_kind(given: Sequence[Utterance], texts: Sequence[str]) -> dict[str, tuple[int, int]]:
    kinds: dict[str, list[tuple[str, str]]] = {}
    for one, text in zip(given, texts, strict=True):
        for kind in ("all", one.condition, one.speaker, _length(one)):
            kinds.setdefault(kind, []).append((one.words, text))
    return {
        kind: errors([said for said, _ in pairs], [text for _, text in pairs])
        for kind, pairs in kinds.items()
    }


def _length(one: Utterance) -> str:
    return next(name for name, (shortest, longest) in LENGTHS.items() if shortest <= one.seconds < longest)


def main() -> None:
    given = utterances()
    figures = measure(given)
    for kind, (full, count) in figures["full"]["errors"].items():
        short = figures["short"]["errors"][kind][0]
        print(f"| {kind} | {count} | {100 * full / count:.2f} % | {100 * short / count:.2f} % |")
    if sys.argv[1:]:
        Path(sys.argv[1]).write_text(json.dumps(figures))


if __name__ == "__main__":
    main()
