"""Times of words and segments beside pauses, texts that repeat themselves, without the model."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from audio_grpc.backends.whisper_repetition import repeats
from audio_grpc.backends.whisper_speech import Source, Span
from audio_grpc.backends.whisper_times import extend, settled
from audio_grpc.types import Segment, Word

RATE = 16_000


def source(kept: list[tuple[float, float]], speech: list[tuple[float, float]]) -> Source:
    lengths = [end - start for start, end in kept]
    at = tuple(sum(lengths[:place]) for place in range(len(kept)))
    samples = np.zeros(round(sum(lengths) * RATE), np.float32)
    spans = tuple(Span(*one) for one in speech)
    return Source(samples, tuple(Span(*one) for one in kept), at, spans, is_filtered=len(kept) > 1)


def segment(*words: tuple[str, float, float]) -> Segment:
    found = tuple(Word(text, start, end, 1.0) for text, start, end in words)
    text = "".join(word.text for word in found)
    return Segment(found[0].start, found[-1].end, text, found, tuple(map(ord, text)))


def decode(tokens: Sequence[int]) -> str:
    return "".join(map(chr, tokens))


def found(segment: Segment, heard: Source, sentences_of: str | None = None) -> list[tuple[str, float, float]]:
    settled_ones = list(settled(segment, heard, decode, sentences_of))
    assert all(decode(one.tokens) == one.text for one in settled_ones)
    return [(one.text, one.start, one.end) for one in settled_ones]


def test_a_word_is_where_somebody_speaks() -> None:
    heard = source([(0, 20)], [(1, 3), (12, 14)])
    assert found(segment((" One", 0.0, 2.5), (" two.", 2.5, 11.0)), heard) == [(" One two.", 1, 3)]
    assert found(segment((" Three.", 11.0, 13.8)), heard) == [(" Three.", 12, 13.8)]


def test_a_segment_ends_at_a_long_pause() -> None:
    heard = source([(0, 20)], [(1, 3), (4, 5), (12, 14)])
    words = segment((" One,", 0.9, 2.9), (" two,", 3.1, 4.8), (" three.", 6.0, 13.0))
    assert found(words, heard) == [(" One, two,", 1, 4.8), (" three.", 12, 13)]


def test_a_pause_that_was_left_out_is_long() -> None:
    heard = source([(0, 4), (40, 44)], [(1, 3.5), (4.5, 7.5)])
    words = segment((" One,", 1.0, 3.5), (" two.", 3.4, 7.5))
    assert found(words, heard) == [(" One,", 1, 3.5), (" two.", 40.5, 43.5)]


def test_speech_that_no_detector_hears_keeps_its_times() -> None:
    heard = source([(0, 20)], [(12, 14)])
    words = segment((" Sung", 2.0, 3.0), (" words.", 3.0, 4.0))
    assert found(words, heard) == [(" Sung words.", 2, 4)]


def test_a_segment_without_words_is_where_somebody_speaks_too() -> None:
    heard = source([(0, 5)], [(0.4, 2), (2.5, 4)])
    assert found(replace(segment((" One.", 0.0, 5.0)), words=()), heard) == [(" One.", 0.4, 4)]
    assert found(replace(segment((" One.", 4.5, 5.0)), words=()), heard) == [(" One.", 4.5, 5)]


def test_the_last_word_before_a_pause_ends_with_the_speech() -> None:
    heard = source([(0, 20)], [(1, 3), (12, 16)])
    ends = [2.7, 13.0, 14.0]
    words = [{"start": end - 0.5, "end": end} for end in ends]
    window = [{"words": words[:1], "end": 2.7}, {"words": words[1:], "end": 14.0}, {"words": [], "end": 17}]
    extend(window, heard)
    assert [word["end"] for word in words] == [3.0, 13.0, 14.0], "speech goes on after the last two"
    assert [one["end"] for one in window] == [3.0, 14.0, 17]


@pytest.mark.parametrize(
    ("model", "recording"),
    [((0, 1), (0, 1)), ((3, 4), (3, 4)), ((4, 5), (40, 41)), ((7, 99), (43, 44)), ((50, 60), (44, 44))],
)
def test_times_are_in_what_was_kept(model: tuple[float, float], recording: tuple[float, float]) -> None:
    assert source([(0, 4), (40, 44)], []).recorded(*model) == recording


@pytest.mark.parametrize(
    ("kept", "speech", "has_pauses"),
    [
        ([(0, 5)], [(0.5, 4.5)], False),
        ([(0, 5)], [(0.5, 2), (3.2, 4.5)], True),
        ([(0, 9)], [(4, 9)], True),
        ([(0, 9)], [(0, 5)], True),
        ([(0, 2), (9, 11)], [(0, 4)], True),
        ([(0, 9)], [], False),
    ],
)
def test_pauses(kept: list[tuple[float, float]], speech: list[tuple[float, float]], has_pauses: bool) -> None:
    assert source(kept, speech).has_pauses is has_pauses


def test_windows_are_neighbours_that_fit() -> None:
    heard = source([(0, 10), (20, 35), (50, 56)], [])
    assert heard.windows() == [{"start": 0, "end": 25}, {"start": 25, "end": 31}]


@pytest.mark.parametrize("text", [" 25 25 25", " Good morning. Good morning.", " Blue, blue", "on and " * 40])
def test_repetition_is_seen_in_texts_of_any_length(text: str) -> None:
    assert repeats(text)


@pytest.mark.parametrize("text", ["", " Yes.", " Never say never.", " To be, or not to be"])
def test_texts_that_go_on_do_not_repeat(text: str) -> None:
    assert not repeats(text)


def test_a_whole_window_is_cut_where_its_sentences_end() -> None:
    heard = source([(0, 30)], [(0, 30)])
    words = [(" Mr.", 0, 1), (" A.", 1, 2), (" Yes.", 2, 2.5), (" No,", 2.5, 11), (" no.", 11, 12)]
    assert [text for text, _, _ in found(segment(*words), heard, "en")] == [" Mr. A.", " Yes. No,", " no."]
    assert len(found(segment(*words), heard)) == 1
