"""Texts that are read aloud are said in words, and nothing that has a meaning vanishes."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audio_grpc.text import clean, spoken


def said(text: str) -> str:
    return " ".join(spoken(clean(text)).split())


@pytest.mark.parametrize(
    ("written", "words"),
    [
        ("cm⁻¹", "cm to the minus 1"),
        ("10⁻⁶", "10 to the minus 6"),
        ("m·s⁻¹", "m·s to the minus 1"),
        ("¹⁴C", "14 C"),
        ("[⁷]", "[ 7 ]"),
        ("⑴ and ② and Ⅷ", "1 and 2 and 8"),
        ("x² + y³ = zⁿ", "x squared plus y cubed equals z to the n"),
        ("Something¹ else", "Something 1 else"),
        ("H₂O", "H2O"),
        ("⅓ cup, 1½ cups, ⅞", "one third cup, 1 and one half cups, seven eighths"),
        ("5 − 3, −3", "5 minus 3, minus 3"),
        ("₽500, 1₽, 5€ and $5", "500 rubles , 1 ruble , 5 euros and $5"),
        ("$1,234.56 in $", "$1,234.56 in dollars"),
        ("20℃, x ≤ √2, 5‰", "20 degrees Celsius , x less than or equal to square root of 2, 5 per mille"),
        ("a -> b, a <= b, a != b", "a to b, a less than or equal to b, a is not equal to b"),
        ("donʼt, Hawaiʻi, rock`n`roll", "don't, Hawai'i, rock'n'roll"),
        ("ﬁne Ｈｅｌｌｏ 𝐇𝐢", "fine Hello Hi"),
        ("well‑known, e‐mail", "well-known, e-mail"),
        ("1ˢᵗ ٣٤", "1st 34"),
        ("π and 5 μm", "pi and 5 µm"),
        ("PIN 0412, at 08:00 on 05/03/2025, 0.05", "PIN 0 4 1 2, at 08:00 on 05/03/2025, 0.05"),
        ("1" * 37, " ".join("1" * 37)),
        ("1,111" * 20, " ".join("1111" * 20)),
        ("123456789", "123456789"),
        ("don\u00adt can\u200bnot ca\ufe0fn", "dont cannot can"),
        ("====", "equals"),
        ("∯", "surface integral"),
    ],
)
def test_what_people_write_is_said_as_they_would(written: str, words: str) -> None:
    assert said(written) == words


@given(st.characters(categories=["Sm", "Sc", "Nd", "Nl", "No"]))
def test_no_number_and_no_sign_is_without_a_word(sign: str) -> None:
    assert any(c.isalnum() for c in said(sign)) or sign == "|", unicodedata.name(sign, "")


@given(st.text())
def test_any_text_becomes_one_without_marks_and_forms(text: str) -> None:
    written = spoken(clean(text))
    assert not any(unicodedata.category(c) in ("Mn", "Mc", "Me", "Nl", "No") for c in written)
    assert all(c.isascii() for c in written if unicodedata.category(c) == "Nd")


def test_an_ordinary_text_stays_as_it_is() -> None:
    text = 'Dr. Smith said: "It’s 3:05 p.m. — call 555-123-4567 (room 12)!" Naïve café, Dvořák…'
    assert spoken(text) == text
