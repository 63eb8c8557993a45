"""The context that is carried from block to block, and from utterance to utterance."""

from dataclasses import replace

import numpy as np
import pytest

from audio_grpc.audio.blocks import Block
from audio_grpc.services.continuation import Continuation
from audio_grpc.services.live_context import LiveContext
from audio_grpc.types import Audio, Language, Segment, TranscriptionOptions, Word

RATE = 16_000
FIRST = Block(Audio(np.zeros(2 * RATE, np.float32), RATE), 0.0, is_last=False, recording_seconds=None)
SECOND = replace(FIRST, start=2.0)
SAID = Segment(0.5, 1.5, " Said.", tokens=(50364, 7, 50439), temperature=0.0)
TOKENS = frozenset({"prompt", "previous_tokens"})


@pytest.mark.parametrize(
    ("honoured", "temperature", "prompt", "tokens"),
    [
        (TOKENS, 0.0, "Names.", SAID.tokens),
        (frozenset({"prompt"}), 0.0, "Names. Said.", ()),
        (TOKENS, 1.0, None, ()),
        (frozenset(), 0.0, "Names.", ()),
    ],
)
def test_a_block_knows_what_was_said_with_its_times(
    honoured: frozenset[str], temperature: float, prompt: str | None, tokens: tuple[int, ...]
) -> None:
    so_far = Continuation(TranscriptionOptions(prompt="Names."), honoured)
    so_far.begin(Language("en"))
    so_far.hear(replace(SAID, temperature=temperature), FIRST)
    options = so_far.options(SECOND)
    assert options is not None
    assert (options.prompt, options.previous_tokens) == (prompt, tokens)


def test_nothing_is_outside_of_its_block_whatever_a_model_says() -> None:
    so_far = Continuation(TranscriptionOptions(), frozenset())
    wrong = Segment(-1.0, 9.0, " Said.", words=(Word(" Said.", -1.0, 9.0, 1.0),))
    placed = so_far.hear(wrong, SECOND)
    assert (placed.start, placed.end) == (2.0, 4.0)
    assert (placed.words[0].start, placed.words[0].end) == (2.0, 4.0)


@pytest.mark.parametrize(
    ("before", "after", "is_misled"),
    [
        (" Banana, window, garden", " Seven, purple, banana, window, garden", True),
        (" Good morning.", " Good morning. Good morning.", True),
        (" Banana, window, garden", " Seven, purple, garden", False),
        (" Good morning.", " Good evening.", False),
        ("", " Good morning.", False),
    ],
)
def test_an_utterance_that_repeats_the_one_before_is_heard_again(
    before: str, after: str, is_misled: bool
) -> None:
    context = LiveContext(TranscriptionOptions())
    context.hear(Language("en"), [Segment(0.0, 1.0, before)] if before else [])
    words = [Word(f" {text}", place, place + 1.0, 1.0) for place, text in enumerate(after.split())]
    assert context.is_misled(words) is is_misled
    crowded = [replace(word, start=0.0, end=0.05) for word in words]
    assert context.is_misled(crowded) is (is_misled or len(words) > 2)


def test_what_misled_is_left_out_and_all_of_the_window_is_seen() -> None:
    context = LiveContext(TranscriptionOptions(prompt="Names."))
    context.hear(Language("en"), [SAID])
    assert context.carried is not None
    assert (context.carried.prompt, context.carried.short_context) == ("Names. Said.", True)
    assert (context.careful.prompt, context.careful.short_context) == ("Names.", False)
