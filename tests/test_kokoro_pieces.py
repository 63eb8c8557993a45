"""The places at which a sentence is cut, to be heard early and go on in time; needs no model."""

from itertools import pairwise

import pytest

from audio_grpc.backends.kokoro_pieces import (
    EDGE_PHONEMES,
    FIRST_SECONDS,
    IN_TIME_SHARE,
    PHONEME_SECONDS,
    Pace,
    conjunctions,
    piece_end,
)

JOINING = frozenset({"and", "but", "while", "who"})
LONG = (
    "they walked along the river, and spoke of all the people who had lived there while the mill was at "
    "work, of those who had left on ships, but also of the few who had come back and stayed by the water."
)


def pieces(sentence: str, factor: float, speed: float = 1.0) -> list[str]:
    """The pieces of a sentence for somebody who plays it as it comes."""
    made, in_hand, begin = [], 0.0, 0
    while begin < len(sentence):
        end = begin + piece_end(sentence[begin:], in_hand, Pace(factor, speed), JOINING)
        made.append(sentence[begin:end])
        sound = seconds(made[-1], speed)
        in_hand = sound if not begin else max(in_hand - factor * sound, 0.0) + sound
        begin = end
    return made


def seconds(piece: str, speed: float = 1.0) -> float:
    return (len(piece) + EDGE_PHONEMES) * PHONEME_SECONDS / speed


@pytest.mark.parametrize("factor", [0.1, 0.2, 0.3, 0.4, 0.5, 0.6])
def test_no_listener_runs_dry_within_a_sentence_and_pieces_grow(factor: float) -> None:
    made = pieces(LONG, factor)
    assert "".join(made) == LONG
    assert factor * seconds(made[0]) <= 3 * FIRST_SECONDS
    assert len(made) > 1
    in_hand = seconds(made[0])
    for piece in made[1:]:
        assert factor * seconds(piece) <= in_hand
        in_hand += (1 - factor) * seconds(piece)
    assert all(len(one) < 2 * len(other) for one, other in pairwise(made[:-1])), "but for what is left"


def test_the_faster_the_machine_the_fewer_the_pieces() -> None:
    counts = [len(pieces(LONG, factor)) for factor in (0.01, 0.1, 0.3, 0.6)]
    assert counts == sorted(counts)
    assert counts[0] == 1


def test_a_fast_voice_is_made_sooner() -> None:
    assert Pace(0.4, speed=2.0).phonemes(1.0) > Pace(0.4).phonemes(1.0)
    assert len(pieces(LONG, 0.1, speed=4.0)) <= len(pieces(LONG, 0.1))


@pytest.mark.parametrize(
    ("sentence", "first"),
    [
        ("well, that is how it is done here.", "well, "),
        ("the old miller spoke while he worked.", "the old miller spoke "),
        ("the old mill, built by the miller himself.", "the old mill, "),
        ("go on and tell me all about it.", "go on and tell me all about it."),
        ("the old miller spoke of the river.", "the old miller spoke of the river."),
        ("ˈall the ˈmill ˈˌand the river were his.", "ˈall the ˈmill "),
    ],
)
def test_people_stop_after_a_clause_or_before_a_conjunction(sentence: str, first: str) -> None:
    assert pieces(sentence, 0.4)[0] == first


def test_a_sentence_that_is_ready_in_time_is_whole() -> None:
    made_in = 0.4 * seconds(LONG)
    assert piece_end(LONG, 2 * made_in, Pace(0.4), JOINING) == len(LONG)
    assert piece_end(LONG, made_in / 2, Pace(0.4), JOINING) < len(LONG)


def test_who_cannot_be_kept_supplied_hears_whole_sentences() -> None:
    assert pieces(LONG, IN_TIME_SHARE) == [LONG]
    assert piece_end(LONG, -0.5, Pace(0.4), JOINING) == len(LONG), "he has run dry"


def test_conjunctions_are_known_by_their_phonemes() -> None:
    assert {"AND", "BECAUSE"} <= conjunctions(lambda word: [f"ˈ{word.upper()}"])
