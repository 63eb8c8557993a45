"""Errors behind the defaults: Whisper base with a shortened encoder context beside the full one.

``python -m benchmarks.errors [FILE]`` prints the table; see utterances.py for what is heard. FILE keeps it; a
context that is in there already is not heard again. It wants ``pip install whisper-normalizer==0.1.15``, so
that "23" and "twenty-three" are one word.
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


def measure(given: Sequence[Utterance], kept: Path | None) -> Figures:
    """Returns, by context, CPU seconds and transcripts."""
    figures: Figures = json.loads(kept.read_text()) if kept and kept.exists() else {}
    for name, short in (("full", False), ("short", True)):
        if name not in figures:
            texts, seconds = heard(short, given)
            figures[name] = {"cpu_seconds": seconds, "texts": texts}
            if kept:
                kept.write_text(json.dumps(figures))
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
    figures = measure(given, Path(sys.argv[1]) if sys.argv[1:] else None)
    full, short = (_by_kind(given, figures[name]["texts"]) for name in ("full", "short"))
    print("| | words | full context | short context |\n|---|--:|--:|--:|")
    for kind, (wrong, count) in full.items():
        print(f"| {kind} | {count} | {100 * wrong / count:.2f} % | {100 * short[kind][0] / count:.2f} % |")
    took = [f"{figures[name]['cpu_seconds']:.0f} s" for name in ("full", "short")]
    print(f"| *CPU* | | {took[0]} | {took[1]} |")


if __name__ == "__main__":
    main()
