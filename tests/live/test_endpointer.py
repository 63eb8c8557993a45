"""The endpointer over probabilities: no sound, no model."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audio_grpc.live import Endpointer, Endpointing, SpeechOffset, SpeechOnset
from audio_grpc.types import EndCause

FRAME = 0.1
USUAL = Endpointing(silence_seconds=0.5, min_speech_seconds=0.2, max_utterance_seconds=10.0)
SPEECH, SILENCE = 0.9, 0.0


def heard(probabilities: list[float], asked: Endpointing = USUAL) -> list[SpeechOnset | SpeechOffset]:
    endpointer = Endpointer(asked, FRAME)
    return [boundary for probability in probabilities for boundary in endpointer.hear(probability)]


def test_speech_between_silences_is_one_utterance() -> None:
    assert heard([SILENCE] * 3 + [SPEECH] * 8 + [SILENCE] * 5) == [
        SpeechOnset(3),
        SpeechOffset(11, EndCause.SILENCE),
    ]


def test_a_pause_that_is_too_short_ends_nothing() -> None:
    assert heard([SPEECH] * 5 + [SILENCE] * 4 + [SPEECH] * 5 + [SILENCE] * 4) == [SpeechOnset(0)]


def test_a_click_starts_nothing() -> None:
    assert heard([SILENCE, SPEECH, SILENCE, SPEECH, SILENCE]) == []


def test_what_is_hardly_less_probable_does_not_count_as_silence() -> None:
    assert heard([SPEECH] * 5 + [USUAL.threshold - 0.1] * 20) == [SpeechOnset(0)]


def test_a_long_utterance_is_cut_where_it_is_quietest_and_goes_on_there() -> None:
    boundaries = heard([SPEECH] * 85 + [0.6] + [SPEECH] * 30)
    assert boundaries == [SpeechOnset(0), SpeechOffset(85, EndCause.MAX_UTTERANCE), SpeechOnset(85)]


def test_a_long_utterance_that_has_just_fallen_silent_does_not_go_on() -> None:
    boundaries = heard([SPEECH] * 98 + [SILENCE] * 20)
    assert boundaries == [SpeechOnset(0), SpeechOffset(98, EndCause.MAX_UTTERANCE)]


def test_the_caller_ends_an_utterance_whatever_the_silence() -> None:
    endpointer = Endpointer(USUAL, FRAME)
    for _ in range(4):
        endpointer.hear(SPEECH)
    assert endpointer.end(EndCause.CALLER) == [SpeechOffset(4, EndCause.CALLER)]
    assert endpointer.end(EndCause.CALLER) == []


def test_when_only_the_caller_ends_utterances_silence_is_part_of_them() -> None:
    endpointer = Endpointer(Endpointing.manual(10.0), FRAME)
    boundaries = [boundary for _ in range(50) for boundary in endpointer.hear(SILENCE)]
    assert boundaries == [SpeechOnset(0)]
    assert endpointer.end(EndCause.CALLER) == [SpeechOffset(50, EndCause.CALLER)]


@given(
    st.lists(st.one_of(st.floats(0, 1), st.sampled_from([SPEECH, SILENCE])), max_size=400),
    st.sampled_from([0.1, 0.5, 2.0]),
    st.sampled_from([5.0, 10.0]),
)
def test_onsets_and_offsets_take_turns_and_no_utterance_is_too_long(
    probabilities: list[float], silence: float, longest: float
) -> None:
    asked = Endpointing(silence_seconds=silence, max_utterance_seconds=longest)
    endpointer = Endpointer(asked, FRAME)
    boundaries = [boundary for probability in probabilities for boundary in endpointer.hear(probability)]
    boundaries += endpointer.end(EndCause.END_OF_STREAM)
    kinds = [type(boundary) for boundary in boundaries]
    assert kinds == [SpeechOnset, SpeechOffset] * (len(kinds) // 2)
    frames = [boundary.frame for boundary in boundaries]
    assert frames == sorted(frames)
    for start, end in list(pairwise(frames))[::2]:
        assert 0 < end - start <= longest / FRAME


@pytest.mark.parametrize("probability", [SPEECH, SILENCE])
def test_hours_of_one_sound_are_remembered_in_seconds(probability: float) -> None:
    endpointer = Endpointer(USUAL, FRAME)
    for _ in range(40_000):
        endpointer.hear(probability)
        assert endpointer.heard - endpointer.earliest <= 100
    assert len(endpointer._recent) <= 30
