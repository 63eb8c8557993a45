"""Errors behind the rules by which short windows are heard again in full: what each leaves, and for how much.

``python -m benchmarks.rules FILE`` prints the table. FILE is that of ``benchmarks.errors``, and keeps what
the short context makes of every window when nothing is heard again; an utterance of which a rule finds a
window counts as the full context hears it.
"""

import json
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest import mock

from audio_grpc.backends import whisper_model
from audio_grpc.backends.base import ModelSpec
from audio_grpc.backends.faster_whisper import FasterWhisper
from audio_grpc.backends.whisper_model import Whisper
from audio_grpc.backends.whisper_repetition import repeats
from audio_grpc.types import Audio, TranscriptionOptions
from benchmarks.errors import WORKERS, errors, measure
from benchmarks.utterances import RATE_HERTZ, Utterance, utterances

Window = dict[str, Any]
Rule = Callable[[Window], bool]


class HeardWindows(threading.local):
    """The shortened windows of the utterance that this thread hears."""

    def __init__(self) -> None:
        self.windows: list[Window] = []


heard = HeardWindows()


class Once(Whisper):
    """Hears no window again, and keeps what it makes of those that are shortened."""

    def generate_with_fallback(self, encoded: Any, prompt: list[int], tokenizer: Any, options: Any) -> Any:
        """Generates text as the library does, at the first temperature."""
        generate = super(Whisper, self).generate_with_fallback
        if not encoded.is_shortened:
            return generate(encoded, prompt, tokenizer, options)
        most = whisper_model.most_tokens(encoded.seconds)
        options = replace(options, temperatures=options.temperatures[:1], max_new_tokens=most)
        result = generate(encoded, prompt, tokenizer, options)
        generated, log_probability, _, compression_ratio = result
        tokens = [token for token in generated.sequences_ids[0] if token < tokenizer.eot]
        text = tokenizer.decode(tokens)
        heard.windows.append(
            {
                "seconds": encoded.seconds,
                "log_probability": log_probability,
                "words": self._words(encoded, tokens, tokenizer),
                "fails": not tokens
                or len(generated.sequences_ids[0]) >= most
                or log_probability < options.log_prob_threshold
                or compression_ratio > options.compression_ratio_threshold
                or generated.no_speech_prob > whisper_model.NO_SPEECH_THRESHOLD
                or repeats(text),
            }
        )
        return result

    def _words(self, encoded: Any, tokens: list[int], tokenizer: Any) -> list[tuple[str, list[float]]]:
        if not tokens:
            return []
        words, parts = tokenizer.split_to_word_tokens(tokens)
        frames = 2 * encoded.rows.shape[1]
        (aligned,) = self.model.align(encoded, tokenizer.sot_sequence, [tokens], frames)
        each = iter(aligned.text_token_probs)
        return [(word, [next(each) for _ in part]) for word, part in zip(words, parts, strict=True)]


def hear_once(given: Sequence[Utterance]) -> list[tuple[str, list[Window]]]:
    """Returns the transcript of each, and its shortened windows."""
    with mock.patch.object(whisper_model, "Whisper", Once):
        model = FasterWhisper(ModelSpec("faster-whisper", threads=WORKERS, options={"short_context": True}))
        model.load()

        def one(utterance: Utterance) -> tuple[str, list[Window]]:
            heard.windows = []
            options = TranscriptionOptions(language_code="en")
            transcript = model.transcribe(Audio(utterance.samples, RATE_HERTZ), options)
            return "".join(segment.text for segment in transcript.segments), heard.windows

        with ThreadPoolExecutor(WORKERS) as pool:
            return list(pool.map(one, given))


def rest(window: Window, *, hyphens: bool = False) -> float:
    """The probability of the least likely part of a word after its first; ``hyphens``: or after a hyphen."""
    return min(
        (
            probability
            for word, parts in window["words"]
            for probability in parts[2 if word.startswith(whisper_model.HYPHEN) and not hyphens else 1 :]
        ),
        default=1.0,
    )


def least(window: Window) -> float:
    """The probability of the least likely part of a word."""
    return min((probability for _, parts in window["words"] for probability in parts), default=0.0)


def below(log_probability: float) -> Rule:
    return lambda window: bool(window["log_probability"] < log_probability)


def is_unsure_answer(window: Window) -> bool:
    """Tells if the window has less than a second of sound, and an unlikely text."""
    return bool(
        window["seconds"] < whisper_model.SHORT_ANSWER_SECONDS
        and window["log_probability"] < whisper_model.SHORT_ANSWER_LOG_PROB_THRESHOLD
    )


RULES: Mapping[str, Rule] = {
    "caller's thresholds, repetitions": lambda window: False,
    "mean log probability below -0.8": below(-0.8),
    "below -0.6": below(-0.6),
    "below -0.4": below(-0.4),
    "a part of a word less probable than 0.2": lambda window: least(window) < 0.2,
    "than 0.35": lambda window: least(window) < 0.35,
    "fewer than 1 word a second": lambda window: len(window["words"]) < window["seconds"],
    "the rest of a word less probable than 0.75, hyphens too": lambda window: (
        rest(window, hyphens=True) < 0.75
    ),
    "the rest of a word less probable than 0.6": lambda window: rest(window) < 0.6,
    "than 0.7": lambda window: rest(window) < 0.7,
    "than 0.85": lambda window: rest(window) < 0.85,
    "**than 0.7, after a hyphen than 0.5, and below -0.8 under a second**": lambda window: (
        is_unsure_answer(window) or not all(whisper_model.goes_on(*word) for word in window["words"])
    ),
}
"""Rules by their row; what fails the caller's thresholds is heard again by each."""


def main() -> None:
    given, kept = utterances(), Path(sys.argv[1])
    figures = measure(given, kept)
    if "once" not in figures:
        figures["once"] = hear_once(given)
        kept.write_text(json.dumps(figures))
    full = [errors([one.words], [text]) for one, text in zip(given, figures["full"]["texts"], strict=True)]
    short = [errors([one.words], [text])[0] for one, (text, _) in zip(given, figures["once"], strict=True)]
    words = sum(count for _, count in full)
    print("| an utterance is heard again in full if | of all | errors | only short | only full |")
    print("|---|--:|--:|--:|--:|")
    print(f"| full context throughout | | {100 * sum(wrong for wrong, _ in full) / words:.2f} % | | |")
    for name, rule in RULES.items():
        again = [any(one["fails"] or rule(one) for one in windows) for _, windows in figures["once"]]
        left = [(one, other) for one, (other, _), found in zip(short, full, again, strict=True) if not found]
        wrong = sum(
            other if found else one for one, (other, _), found in zip(short, full, again, strict=True)
        )
        print(
            f"| {name} | {100 * sum(again) / len(again):.0f} % | {100 * wrong / words:.2f} % |"
            f" {sum(max(one - other, 0) for one, other in left)} |"
            f" {sum(max(other - one, 0) for one, other in left)} |"
        )


if __name__ == "__main__":
    main()
