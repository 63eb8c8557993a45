import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from audio_grpc.text import clean, has_words


@pytest.mark.parametrize(
    ("raw", "cleaned"),
    [
        ("one\r\ntwo\rthree\n\tfour", "one\ntwo\nthree\n\tfour"),
        ("a\x00b\x1bc\x7fd\x85e\x9ff", "a b c d e f"),
        ("line\u2028line\u2029paragraph", "line\nline\n\nparagraph"),
        (
            "\ufeffin\u200bvis\u200eible \u202aem\u202ebed\u202c \u2066iso\u2069 co\u00adop",
            "invisible embed iso coop",
        ),
        ("👩\u200d👧 می\u200cروم", "👩\u200d👧 می\u200cروم"),
        ("e\u0301 \u1112\u1161\u11ab", "é 한"),
        ("damage\ud800d \udc00\ufffd", "damage d   "),
        ("\ud83d\ude00", "😀"),
        ("“Quotes” — and… signs, 1,000 €!", "“Quotes” — and… signs, 1,000 €!"),
        ("e" + "\u0323" * 40 + "x", "ẹ" + "\u0323" * 29 + "x"),
        ("", ""),
    ],
)
def test_clean(raw: str, cleaned: str) -> None:
    assert clean(raw) == cleaned


@settings(derandomize=True, deadline=None, database=None, max_examples=200)
@given(st.text(st.characters(codec=None)))
def test_clean_text_is_normal_encodable_and_stays_as_it_is(raw: str) -> None:
    text = clean(raw)
    assert unicodedata.is_normalized("NFC", text)
    assert not {c for c in text if unicodedata.category(c) in ("Cc", "Cs") and c not in "\n\t"}
    assert clean(text) == text
    assert text.encode().decode() == text


@pytest.mark.timeout(20)
def test_a_flood_of_marks_costs_no_more_than_other_text() -> None:
    assert len(clean("a" + "\u0301\u0323" * 200_000)) <= 31


@pytest.mark.parametrize("text", ["a", "…é", "7", "½", "Ⅷ", "今", "नमस्ते", "ﬁ", "1\ufe0f\u20e3", "ᐊ", "ー"])
def test_letters_and_digits_are_words(text: str) -> None:
    assert has_words(text)


@pytest.mark.parametrize(
    "text", ["", " \n", "...", "?!—“”", "😀👩‍👧🇫🇷", "\u0301", "€+<>", "_", "。、「」", "\u200d"]
)
def test_the_rest_is_silent(text: str) -> None:
    assert not has_words(text)
