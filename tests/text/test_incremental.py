from itertools import accumulate, pairwise
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from audio_grpc.text.incremental import IncrementalSplitter
from tests.text.test_split import ATOMS, CLUSTERS, PROPERTY


def taken(splitter: IncrementalSplitter) -> list[str]:
    return list(iter(splitter.next, None))


def pieces_of(tokens: list[str], **options: Any) -> list[str]:
    """All pieces of a text that comes in ``tokens``."""
    splitter = IncrementalSplitter(**options)
    pieces = []
    for token in tokens:
        splitter.feed(token)
        pieces += taken(splitter)
    splitter.flush()
    return pieces + taken(splitter)


def cut_at(text: str, places: list[int]) -> list[str]:
    inside = sorted({0, *(place % (len(text) + 1) for place in places), len(text)})
    return [text[start:end] for start, end in pairwise(inside)]


# Pieces are divided by a bar.
PIECES: list[tuple[dict[str, Any], str]] = [
    ({}, ""),
    ({}, "Hello."),
    ({}, "One is here. |Two! |Three? |And so on."),
    ({}, "Dr. Smith paid $1.50 at 9 a.m. to J. R. Jones. |He left."),
    ({}, "  Begin.   \n\n |Then go on.\t"),
    ({}, "A heading without a full stop\n\n|The text below it."),
    ({}, '"Stop!" he said. |“Why?” she asked. |Nobody knew.'),
    ({}, "1. Take this. |2. Take that."),
    # Sound starts with a clause, if that is not too short; later sentences stay whole.
    ({}, "Well, that is what the committee says, |and it is right. |Now, I do not know, but you do."),
    ({}, "Yes, it is. |Then, of course, there are the others, and all of them came."),
    ({"language_code": "zh"}, "今天天气很好。|我们去公园散步，然后回家吃饭。|好。"),
    # A sentence that is too long is broken after a clause, else a word, else a character.
    (
        {"target_size": 42},
        "Go. |the committee, which had met three times, |agreed on the new chairs: "
        "|the mayor of the town did not come.",
    ),
    ({"target_size": 20}, "Go. |and on and on it |went without any |mark in it that |would end it."),
    ({"target_size": 10}, "Go. |abcdefghij|klmnopqrst|uvwxyzabcd|efghijklmn|opqrstuvwx|yzabcdef."),
]


@pytest.mark.parametrize(("options", "marked"), PIECES)
def test_pieces(options: dict[str, Any], marked: str) -> None:
    assert "|".join(pieces_of(list(marked.replace("|", "")), **options)) == marked


def test_a_sentence_is_given_once_the_word_after_it_is_complete() -> None:
    splitter = IncrementalSplitter()
    for token in ("Hello", " there", ".", " How", "'s"):
        splitter.feed(token)
        assert splitter.next() is None
    splitter.feed(" life")
    assert splitter.next() == "Hello there. "


def test_the_first_clause_is_given_as_soon_as_something_follows_it() -> None:
    splitter = IncrementalSplitter()
    splitter.feed("As everybody here will know, ")
    assert splitter.next() is None
    splitter.feed("w")
    assert splitter.next() == "As everybody here will know, "


def test_a_flush_gives_everything_and_lets_sound_start_early_again() -> None:
    splitter = IncrementalSplitter()
    splitter.feed("One is here. Two is")
    splitter.flush()
    assert taken(splitter) == ["One is here. ", "Two is"]
    splitter.feed(" not, as everybody can see, here")
    assert taken(splitter) == [" not, as everybody can see, "]


@pytest.mark.parametrize(
    ("text", "given", "kept"),
    [
        ("The answer is 42.", ["The answer is 42."], ""),
        ("Well, I think that", ["Well, "], "I think that"),
        ("I think that", ["I think "], "that"),
        ("He has it. Dr. Sm", ["He has it. "], "Dr. Sm"),
        ("Unfinish", [], "Unfinish"),
        ("See 3.14 or", ["See 3.14 "], "or"),
        ("  ", [], "  "),
        ("", [], ""),
    ],
)
def test_a_wait_gives_what_ends_at_a_safe_place(text: str, given: list[str], kept: str) -> None:
    splitter = IncrementalSplitter()
    splitter.feed(text)
    splitter.settle()
    assert taken(splitter) == given
    splitter.flush()
    assert "".join(taken(splitter)) == kept


OPTIONS: dict[str, st.SearchStrategy[Any]] = {
    "target_size": st.sampled_from([10, 11, 40, 200]),
    "language_code": st.sampled_from(["en", "fr", "ja", "zh-CN"]),
}
TEXTS = st.one_of(
    st.text(max_size=120),
    st.lists(st.sampled_from([*ATOMS, "Hello there. ", "as we all know, ", "It is so! "]), max_size=60).map(
        "".join
    ),
)
PLACES = st.lists(st.integers(0, 2000), max_size=40)


@PROPERTY
@example("0" * 32 + "、:", [], {"target_size": 10, "language_code": "en"})
@given(TEXTS, PLACES, st.fixed_dictionaries(OPTIONS))
def test_pieces_do_not_depend_on_how_the_text_comes(
    text: str, places: list[int], options: dict[str, Any]
) -> None:
    whole = pieces_of([text], **options)
    assert "".join(whole) == text
    assert pieces_of(cut_at(text, places), **options) == whole
    assert pieces_of(list(text), **options) == whole
    assert text.isspace() or not any(piece.isspace() for piece in whole)
    assert all(len(piece.strip()) <= max(options["target_size"], 32) for piece in whole)


@PROPERTY
@given(
    st.lists(st.sampled_from([*CLUSTERS, "a", " ", ". ", ", ", "\n\n"]), max_size=100),
    st.fixed_dictionaries(OPTIONS),
)
def test_no_piece_ends_inside_a_character(atoms: list[str], options: dict[str, Any]) -> None:
    joints = {0, *accumulate(map(len, atoms))}
    inside = {
        index
        for atom, end in zip(atoms, accumulate(map(len, atoms)), strict=True)
        if atom in CLUSTERS
        for index in range(end - len(atom) + 1, end)
    }
    ends = set(accumulate(map(len, pieces_of(["".join(atoms)], **options))))
    assert joints.isdisjoint(inside)
    assert ends.isdisjoint(inside)


@PROPERTY
@given(TEXTS, PLACES)
def test_nothing_is_lost_whatever_waits_occur(text: str, places: list[int]) -> None:
    splitter = IncrementalSplitter()
    given = []
    for token in cut_at(text, places):
        splitter.feed(token)
        given += taken(splitter)
        splitter.settle()
        given += taken(splitter)
    splitter.flush()
    assert "".join(given + taken(splitter)) == text


@pytest.mark.timeout(30)  # it takes seconds, or minutes if it is quadratic
@pytest.mark.parametrize("unit", ["a", ".", "a. ", "1. ", '"', "🇫🇷", " ", "a,", "\n\n", "“a. "])
def test_time_is_linear_in_hostile_text(unit: str) -> None:
    text = unit * (20_000 // len(unit))
    assert "".join(pieces_of([text])) == text
