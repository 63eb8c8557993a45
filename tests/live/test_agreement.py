"""Agreement of hypotheses: the words that are certain, and that they stay."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audio_grpc.live import Agreement, evenly_timed, settled
from audio_grpc.live.agreement import split_words
from audio_grpc.types import Segment, Word

texts = st.lists(
    st.sampled_from(["he", "was", "not", "not,", "ill", "man.", "世", "界", "A"]), max_size=12
).map(lambda words: "".join(f" {word}" for word in words))


def timed(text: str) -> list[Word]:
    return evenly_timed(Segment(1.0, 3.0, text))


def test_what_two_hypotheses_agree_on_is_stable_save_the_last_word() -> None:
    agreement = Agreement()
    assert agreement.hear(" He was") == ("", " He was")
    assert agreement.hear(" He was not.") == (" He was", " not.")
    assert agreement.hear(" He was not.") == (" He was", " not.")
    assert agreement.hear(" He was not an ill") == (" He was", " not an ill")
    assert agreement.hear(" He was not an ill-disposed") == (" He was not an", " ill-disposed")


def test_what_is_stable_stays_when_a_hypothesis_has_it_otherwise() -> None:
    agreement = Agreement()
    agreement.hear(" Mr. John Dash")
    assert agreement.hear(" Mr. John Dashwood") == (" Mr. John", " Dashwood")
    assert agreement.hear(" And mister John Lackland had") == (" Mr. John", " Lackland had")


def test_an_empty_hypothesis_takes_nothing_back() -> None:
    agreement = Agreement()
    agreement.hear(" Good morning al")
    agreement.hear(" Good morning all")
    assert agreement.hear("") == (" Good morning", "")


def test_languages_without_spaces_are_stable_letter_by_letter() -> None:
    agreement = Agreement()
    agreement.hear("今日はいい天")
    assert agreement.hear("今日はいい点数") == ("今日はいい", "点数")


@given(st.lists(texts, max_size=8), texts)
def test_the_transcript_begins_with_every_stable_text(hypotheses: list[str], final: str) -> None:
    agreement = Agreement()
    shown = [agreement.hear(text)[0] for text in hypotheses]
    words = settled(agreement.stable, timed(final))
    whole = "".join(word.text for word in words)
    assert all(later.startswith(earlier) for earlier, later in pairwise(shown))
    assert not shown or whole.startswith(shown[-1])
    times = [time for word in words for time in (word.start, word.end)]
    assert times == sorted(times)


@given(texts)
def test_a_transcript_that_agrees_is_left_as_it_is(final: str) -> None:
    words = timed(final)
    assert settled(split_words(final)[:3], words) == tuple(words)


@given(st.text())
def test_splitting_loses_nothing(text: str) -> None:
    assert "".join(split_words(text)) == text.rstrip()


def test_a_models_own_words_are_put_together_where_they_differ() -> None:
    said = [
        Word(" He", 0, 1, 0.9),
        Word(" is", 1, 2, 0.8),
        Word(" ill", 2, 3, 0.7),
        Word("-disposed.", 3, 4, 0.6),
    ]
    assert settled((" He", " was"), said) == (
        Word(" He", 0, 1, 0.9),
        Word(" was", 1, 2, 0.8),
        Word(" ill-disposed.", 2, 4, 0.6),
    )


@pytest.mark.parametrize("final", ["", " unheard"])
def test_a_transcript_that_lost_the_stable_words_gets_them_back(final: str) -> None:
    words = settled((" Good", " morning"), timed(final))
    assert "".join(word.text for word in words).startswith(" Good morning")
