from collections.abc import Callable
from itertools import accumulate, pairwise
from typing import Any

import pytest
import sentencex
from hypothesis import given, settings
from hypothesis import strategies as st

from audio_grpc.errors import InvalidRequest
from audio_grpc.text import Strategy, graphemes, sentences, split
from audio_grpc.text.split import DEFAULT_TARGET_SIZES

SENTENCE, PARAGRAPH, FIXED, WORD = Strategy
COMMITTEE = (
    "The committee, which had met three times that week, agreed on 1,000 new chairs at 9:30; the mayor, "
    'however, said that "no, never" was her only answer to such a plan. '
)
WHOLE = (
    "This sentence has neither a comma nor any other mark that would allow one to stop in the middle of it. "
)

# Pieces are divided by a bar.
PIECES: list[tuple[dict[str, Any], str]] = [
    # The first sentence is alone, the others are joined up to the target size.
    ({}, "Hello there. |How are you? I am fine."),
    ({"target_size": 27}, "Hello there. |How are you? I am fine. |Goodbye."),
    ({"target_size": 26}, "Hello there. |How are you? I am fine. |Goodbye."),
    ({"target_size": 22}, "Hello there. |How are you? |I am fine. Goodbye."),
    ({"target_size": 10, "language_code": "zh"}, "你好吗？|我很好。谢谢你。|再见。"),
    # A sentence longer than the target size is whole, if it is no longer than the longest piece.
    ({"target_size": 10}, "Hi. |The quick brown fox jumps over the lazy dog. |Yes. No."),
    # A long first sentence begins with a clause, and not inside a number, a time, an address or a quotation.
    (
        {},
        COMMITTEE.replace("week, ", "week, |") + "She left.",
    ),
    ({}, f"{WHOLE}|Yes."),
    (
        {},
        "See https://example.com/a,b;c:d?e=f,g at 9:30 with 1,000 or 1,000,000 people and call me. |Yes.",
    ),
    (
        {},
        '"I know what you did in the dark, and I know why you did it, and I will tell all," he said. |Yes.',
    ),
    ({}, '"I know what you did, and I know why," |he said to all of the people of the town who were there.'),
    ({}, "Yes, it has been a very long time since we last saw each other in the old garden by the sea. |Hi."),
    (
        {},
        "Wait — I have not told you yet about the very strange thing — |that I saw there last night.",
    ),
    (
        {"language_code": "zh"},
        "我们今天早上很早就起床了，然后去了公园里散步和聊天，也一起吃了早饭，还看见了许多许多的小鸟在树上唱歌和跳舞，"
        "真是令人难以忘怀的一天，|所以我们都非常非常高兴并且决定下个星期再去一次。",
    ),
    ({}, f"They came in the morning - |{WHOLE}Yes."),
    ({}, "今" * 25 + ",|" + "今" * 60),
    ({}, "他说：“" + "今" * 25 + "，”|" + "今" * 60),
    ({}, "今" * 25 + "，\ufe00" + "今" * 60),
    # A sentence that is too long is broken after clauses, then words, then characters.
    (
        {"target_size": 40, "max_size": 50},
        "Go. |the committee, which had met three times, |agreed on the new chairs: the mayor did not.",
    ),
    (
        {"target_size": 20, "max_size": 30},
        "Go. |and on and on it |went without any |mark in it that would end it.",
    ),
    ({"target_size": 10, "max_size": 12}, "Go. |abcdefghijkl|mnopqrstuvwx|yz it is."),
    ({"target_size": 10, "max_size": 10}, "「行」。|今日昨日明日今日昨日|明日今日昨日。"),
    (
        {"target_size": 30, "max_size": 40},
        "“One is here. |Two is there. |Three walked on and on and on. |Four!”",
    ),
    ({"target_size": 10, "max_size": 15}, "Go. |price |10\u00a0000\u00a0€ is it."),
    # White space belongs to the piece before it.
    ({"target_size": 10}, "  Hi.   \n\n |There you are.\t"),
    # Paragraphs.
    ({"strategy": PARAGRAPH}, "One. |Two.\n\nThree.\r\n\r\nFour."),
    ({"strategy": PARAGRAPH, "target_size": 12}, "One. |Two.\n\n|Three. Four.\r\n\r\n|Five.\nSix."),
    (
        {"strategy": PARAGRAPH, "target_size": 20, "max_size": 30},
        "One.\n\n|The second is whole. It is.\n \n|The third is too long. |It is split now. |It is.\n\nEnd.",
    ),
    ({"strategy": PARAGRAPH}, COMMITTEE.replace("week, ", "week, |").rstrip() + "\n\nShe left."),
    # Words.
    ({"strategy": WORD, "target_size": 10}, "One two. |Three four |five |sixteenthousand |a b c d e"),
    ({"strategy": WORD, "target_size": 10, "max_size": 12}, "One. |abcdefghijkl|mno pq"),
    (
        {"strategy": WORD, "target_size": 10, "language_code": "ja"},
        "私は昨日の朝にも|ちょっと東京へ行って|きました「とても楽し|かった」ですよ。",
    ),
    ({"strategy": WORD}, WHOLE.replace("stop in", "|stop in") + "Yes."),
    ({"strategy": WORD, "target_size": 1000}, COMMITTEE.replace("week, ", "week, |") + "She left."),
    # Fixed.
    ({"strategy": FIXED, "target_size": 10}, "The quick |brown fox |jumps over"),
    ({"strategy": FIXED, "target_size": 10}, "The quicks| brown"),
    ({"strategy": FIXED, "target_size": 10}, "Abcdefghi|e\u0301bcdefghi|👩‍👩‍👧👩‍👩‍👧|x🇫🇷🇩🇪🇮🇹🇪🇸|🇵🇹"),
    ({"strategy": FIXED, "target_size": 10}, "abcdefghij|" + " " * 25 + "abcdefghij|klmno" + " " * 20),
]


@pytest.mark.parametrize(("options", "marked"), PIECES)
def test_pieces(options: dict[str, Any], marked: str) -> None:
    assert "|".join(split(marked.replace("|", ""), **options)) == marked


def test_default_sizes() -> None:
    text = "Begin. " + "Some words here. " * 200
    for strategy, size in DEFAULT_TARGET_SIZES.items():
        pieces = [len(piece.rstrip()) for piece in split(text, strategy=strategy)]
        assert size - 20 < max(pieces) <= size
    assert [DEFAULT_TARGET_SIZES[s] for s in (SENTENCE, PARAGRAPH, FIXED, WORD)] == [200, 400, 150, 100]
    assert max(map(len, split("a" * 3000))) == 400
    assert max(map(len, split("a" * 3000, target_size=500))) == 400, "max_size is the model's own limit"
    assert max(map(len, split("a" * 3000, strategy=FIXED, target_size=500, max_size=600))) == 500


def test_sentences_of_a_long_text_are_the_ones_of_a_short_text() -> None:
    expected = [f"{'Very ' * (n % 7)}rich Dr. J. Smith paid $1.50 at 9 a.m. on day {n}. " for n in range(300)]
    assert list(split("".join(expected), target_size=10)) == expected


def test_words_of_an_endless_sentence_stay_whole() -> None:
    words = [f"{'x' * (n % 11)}word " for n in range(2000)]
    pieces = list(split("".join(words), target_size=50))
    assert all(piece.endswith("word ") and 30 < len(piece.rstrip()) <= 50 for piece in pieces[:-1])


@pytest.mark.parametrize("unit", ["It is so. ", "on "])
@pytest.mark.parametrize("length", [1400, 1500, 1537, 1540, 1600])
def test_a_wide_gap_belongs_to_the_piece_before_it(unit: str, length: int) -> None:
    text = "Go. " + unit * (length // len(unit)) + " " * 1000 + unit * 1000
    assert not [piece for piece in split(text, target_size=97) if piece[0].isspace()]


@pytest.mark.parametrize("strategy", Strategy)
def test_empty_and_blank_text(strategy: Strategy) -> None:
    assert list(split("", strategy=strategy)) == []
    assert list(split(" \n\u3000 ", strategy=strategy)) == [" \n\u3000 "]


@pytest.mark.parametrize("size", [-1, 0, 9, 1001])
def test_a_target_size_out_of_range_is_refused_before_the_first_piece(size: int) -> None:
    with pytest.raises(InvalidRequest, match="10 to 1000") as caught:
        split("Hello.", target_size=size)
    assert caught.value.field == "splitting.target_size"


@pytest.mark.parametrize("size", [10, 1000])
def test_the_ends_of_the_range_are_in_it(size: int) -> None:
    assert list(split("Hello.", target_size=size)) == ["Hello."]


def test_a_language_has_its_abbreviations() -> None:
    text = "Voici M. Martin. Il est là."
    assert next(split(text, language_code="fr-FR")) == "Voici M. Martin. "


# Whole clusters, so that the joints between them are known without the code under test.
CLUSTERS = ["e\u0301", "👩‍👩‍👧", "👍🏽", "🇫🇷", "क्षि", "\u1112\u1161\u11ab", "\r\n"]
ATOMS = [
    *CLUSTERS,
    *["a", "Bc", "word", "x" * 30, "Dr.", "J.", "1,000", "9:30", "3.14", "http://a.b/c?d=e.f"],
    *[" ", "  ", "\n", "\n\n", "\t", "\u00a0", "\u3000", " " * 80],
    *[
        ".",
        ". ",
        "!",
        "?",
        ",",
        ", ",
        ";",
        ": ",
        "…",
        "...",
        "—",
        " - ",
        '"',
        "“",
        "”",
        "«",
        "»",
        "(",
        ")",
        "'",
    ],
    *["今", "日本語", "は", "ょ", "。", "！", "、", "「", "」"],
]
OPTIONS: dict[str, st.SearchStrategy[Any]] = {
    "strategy": st.sampled_from(Strategy),
    "target_size": st.sampled_from([None, 10, 11, 25, 80, 1000]),
    "max_size": st.sampled_from([10, 32, 50, 400]),
    "language_code": st.sampled_from(["en", "fr", "ja", "zh-CN"]),
}
PROPERTY = settings(derandomize=True, deadline=None, database=None, max_examples=250)


def longest(options: dict[str, Any]) -> int:
    return int(max(options["max_size"], graphemes.LONGEST))


@PROPERTY
@given(st.text(st.characters(codec=None), max_size=300), st.fixed_dictionaries(OPTIONS))
def test_any_text_comes_back_whole(text: str, options: dict[str, Any]) -> None:
    pieces = list(split(text, **options))
    assert "".join(pieces) == text
    assert text.isspace() or not any(piece.isspace() for piece in pieces)
    assert all(0 < len(piece.strip()) <= longest(options) for piece in pieces if not piece.isspace())


@PROPERTY
@given(st.lists(st.sampled_from(ATOMS), max_size=200), st.fixed_dictionaries(OPTIONS))
def test_texts_like_real_ones_are_cut_between_characters(atoms: list[str], options: dict[str, Any]) -> None:
    text = "".join(atoms)
    pieces = list(split(text, **options))
    assert "".join(pieces) == text
    assert text.isspace() or not any(piece.isspace() for piece in pieces)
    assert all(len(piece.strip()) <= longest(options) for piece in pieces)
    inside = set(range(len(text))) - set(offsets(atoms))
    several = {
        "Bc",
        "word",
        "x" * 30,
        "日本語",
        "1,000",
        "9:30",
        "3.14",
        "http://a.b/c?d=e.f",
        "Dr.",
        "J.",
        "...",
    }
    forbidden = {
        index
        for atom, end in zip(atoms, offsets(atoms), strict=True)
        if len(atom) > 1
        and not atom.isspace()
        and atom not in several
        and atom not in (". ", ", ", ": ", " - ")
        for index in range(end - len(atom) + 1, end)
    }
    assert forbidden <= inside
    assert forbidden.isdisjoint(offsets(pieces))


@PROPERTY
@given(st.text("ab .,é今", max_size=300), st.integers(10, 60))
def test_fixed_pieces_have_the_size(text: str, size: int) -> None:
    text = text.strip()
    *pieces, _ = [*split(text, strategy=FIXED, target_size=size), ""]
    assert all(len(piece) == size for piece in pieces[:-1] if not piece[:size].isspace())
    assert len(pieces) <= len(text) // size + 1


@PROPERTY
@given(
    st.lists(st.sampled_from(["a", "word", "words,", "elephant"]), min_size=1, max_size=80),
    st.integers(10, 100),
)
def test_words_stay_whole_and_fill_the_target(words: list[str], size: int) -> None:
    first, *pieces = split(" ".join(words), strategy=WORD, target_size=size)
    assert " ".join([first.rstrip(), *(piece.rstrip() for piece in pieces)]).split() == words
    assert all(len(piece.rstrip()) <= size for piece in [first, *pieces])
    assert all(len(piece) + len(following.split()[0]) > size for piece, following in pairwise(pieces))


@PROPERTY
@given(
    st.lists(st.sampled_from(["some words", "many more words than that", "9:30"]), min_size=20, max_size=40),
    st.sampled_from([SENTENCE, PARAGRAPH, WORD]),
)
def test_the_first_piece_of_a_long_sentence_is_short(clauses: list[str], strategy: Strategy) -> None:
    text = f"Well, {', '.join(clauses)}. Yes."
    first = next(split(text, strategy=strategy))
    assert 20 <= len(first.rstrip()) <= 80
    assert first.endswith(", ")


def offsets(pieces: list[str]) -> list[int]:
    return list(accumulate(map(len, pieces)))


@pytest.fixture
def searched(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The lengths of the texts that were searched for sentences."""
    lengths: list[int] = []
    search: Callable[[str, str], Any] = sentencex.get_sentence_boundaries

    def record(language: str, text: str) -> Any:
        lengths.append(len(text))
        return search(language, text)

    monkeypatch.setattr(sentences, "get_sentence_boundaries", record)
    return lengths


@pytest.mark.parametrize("strategy", [SENTENCE, PARAGRAPH, WORD])
@pytest.mark.parametrize("unit", ["A sentence, and what it has. ", "a", "今天天气很好。", "Short.\n\n"])
def test_the_first_piece_needs_only_the_beginning(unit: str, strategy: Strategy, searched: list[int]) -> None:
    text = unit * (300_000 // len(unit))
    pieces = split(text, strategy=strategy)
    assert searched == []
    next(pieces)
    assert sum(searched) < 5_000
    next(pieces)
    assert sum(searched) < 20_000


HOSTILE = {
    **{
        name: name
        for name in ("a", ".", "(", '"', "!", "'", "。", ",", "今", "\u0301", "🇫🇷", "👩‍", "😀", "\n")
    },
    **{
        name: name
        for name in (". ", "a. ", "1. ", "— ", "(\"'“", "“a. ", "a@b.c ", "so. ", "a\n\n", "http://a.b/")
    },
    "spaces": "a" + " " * 3000,
    "lines": "a\n" + " " * 3000,
    "no-break": "a\u00a0",
}


@pytest.mark.timeout(20)  # it takes tenths of a second, or minutes if it is quadratic
@pytest.mark.parametrize("unit", HOSTILE.values(), ids=HOSTILE)
def test_time_is_linear_in_hostile_text(unit: str, searched: list[int]) -> None:
    text = unit * (150_000 // len(unit))
    assert "".join(split(text)) == text
    assert sum(searched) < 8 * len(text) + 5_000
