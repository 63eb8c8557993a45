import pytest

from audio_grpc.text import graphemes

CLUSTERS = {
    "combining mark": "e\u0301",
    "several marks": "o\u0302\u0323",
    "emoji family": "👩‍👩‍👧‍👦",
    "skin tone": "👍🏽",
    "variation selector": "❤\ufe0f",
    "keycap": "1\ufe0f\u20e3",
    "flag": "🇫🇷",
    "tag flag": "🏴\U000e0067\U000e0062\U000e0065\U000e006e\U000e0067\U000e007f",
    "Indic conjunct": "क्षि",
    "Hangul letters": "\u1112\u1161\u11ab",
    "halfwidth kana": "ｶ\uff9e",
    "line end": "\r\n",
    "surrogate pair": "\ud83d\ude00",
    "Persian non-joiner": "ه\u200c",
}


@pytest.mark.parametrize("cluster", CLUSTERS.values(), ids=CLUSTERS)
def test_a_cluster_has_boundaries_around_it_and_none_inside(cluster: str) -> None:
    text = f"x{cluster}x"
    boundaries = [index for index in range(len(text) + 1) if graphemes.is_boundary(text, index)]
    assert boundaries == [0, 1, len(cluster) + 1, len(text)]


def test_white_space_begins_a_cluster() -> None:
    assert graphemes.is_boundary("a\u200d b", 2)


def test_flags_are_cut_in_pairs() -> None:
    text = "🇫🇷" * 5
    assert [index for index in range(11) if graphemes.is_boundary(text, index)] == [0, 2, 4, 6, 8, 10]
    assert graphemes.is_boundary(text, 3, start=1)


@pytest.mark.parametrize(
    ("text", "size", "end"),
    [
        ("abcdef", 4, 4),
        ("abcdef", 10, 6),
        ("abce\u0301f", 4, 3),
        ("👩‍👩‍👧‍👦x", 3, 7),  # one cluster stays whole
        ("e" + "\u0301" * 100, 40, 40),  # more marks than any character has
        ("e" + "\u0301" * 100, 10, graphemes.LONGEST),
    ],
)
def test_cut(text: str, size: int, end: int) -> None:
    assert graphemes.cut(text, 0, size) == end


@pytest.mark.parametrize(
    ("text", "index", "end"), [("a \n\u3000b", 1, 4), ("ab", 1, 1), ("a  \u0301b", 1, 2), ("a  ", 1, 3)]
)
def test_white_space_is_skipped_except_under_a_mark(text: str, index: int, end: int) -> None:
    assert graphemes.skip_space(text, index) == end
