"""A text as English readers say it, in the letters, digits and marks that readers of English text know.

Nothing that has a meaning goes: what is neither said as it is nor has a word in ``symbols.py`` has its
Unicode name. Letters of other scripts stay, for whoever reads the text to refuse.
"""

import re
import unicodedata
from fractions import Fraction
from functools import cache

from audio_grpc.text.symbols import CURRENCIES, FRACTIONS, NUMBERS, SYMBOLS

LONGEST_NUMBER = 30
"""Digits of a number that is read as one; those of a longer one are read one by one."""

_UP = dict(zip("⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻⁼⁽⁾ⁿⁱ", "0123456789+−=()ni", strict=True))
_RAISED = re.compile(rf"[{''.join(_UP)}]+")
_BASE = re.compile(r"[\w)\]]\Z")
_FOOTNOTE = re.compile(r"[^\W\d_]{4}\Z")
_POWERS = {"2": "squared", "3": "cubed"}
# Letters and hyphens that look like those of ASCII, and mean it here.
_APOSTROPHE = re.compile(r"(?<=[^\W\d_])[ʼʻ`´‛＇՚ꞌʹˈʽ′](?=[^\W\d_])")
_PLAIN = str.maketrans(dict.fromkeys("‐‑﹣－⁃", "-") | dict.fromkeys("ʼ＇‛", "'"))
_MICRO = re.compile(r"μ(?=[a-zA-Z]\b)")
_GREEK = re.compile(r"(?<![\u0370-\u03ff])[\u0391-\u03c9](?![\u0370-\u03ff])")
_SIGNS = "".join(map(re.escape, CURRENCIES))
_NUMBER = r"\d+(?:,\d{3})*(?:\.\d+)?"
_SCALES = r"(?: ?(?:hundred|thousand|[mb]illion|trillion)\b)?"
# Readers know these signs in front of a number.
_KNOWN_SIGNS = "$£€"
_READ = frozenset(f"{_KNOWN_SIGNS}|")
_ALONE = re.compile(rf"[{_KNOWN_SIGNS}](?! ?\d)")
_AND = re.compile(r"(?<=\d)(?=[¼½¾⅐-⅞])")
_OPERATORS = {"->": "→", "=>": "→", "<-": "←", "<=": "≤", ">=": "≥", "!=": "≠", "==": "="}
_OPERATOR = re.compile("|".join(map(re.escape, _OPERATORS)))
_RULE = re.compile(r"([=+~<>])\1{2,}")
_RUN = re.compile(r"([^\w\s])\1{3,}")
"""A run of punctuation or carets, which is read as three: a line of slashes would last for minutes."""
_CODE = re.compile(r"(?<![\w.,:/-])0\d+(?![\w:]|[.,/-]\d)")
_AMOUNT = re.compile(rf"(?<!\d)([{_SIGNS}]) ?({_NUMBER}{_SCALES})|(?<![\d.,])({_NUMBER}) ?([{_SIGNS}])")
_LONG_NUMBER = re.compile(rf"\d(?:[,\d]*\d)?(?:(?<=[,\d]{{{LONGEST_NUMBER}}}))")


def spoken(text: str) -> str:
    """The text in words, cleaned before; empty where there is nothing to say."""
    text = _APOSTROPHE.sub("'", text).translate(_PLAIN)
    text = _OPERATOR.sub(lambda found: _OPERATORS[found[0]], _RULE.sub(r"\1", text))
    text = _RUN.sub(_shortened, text)
    text = _AND.sub(" and ", text)
    text = "".join(character if character.isascii() else _opened(character) for character in text)
    text = _RAISED.sub(_power, text)
    text = _MICRO.sub("µ", text)
    text = _GREEK.sub(lambda found: _named(found[0].lower(), "GREEK SMALL LETTER "), text)
    text = _AMOUNT.sub(_amount, text)
    text = _ALONE.sub(lambda found: f" {CURRENCIES[found[0]][1]} ", text)
    text = "".join(_said(character) for character in text)
    return _CODE.sub(_digits, _LONG_NUMBER.sub(_digits, text))


def _shortened(found: re.Match[str]) -> str:
    is_drawn = unicodedata.category(found[1]) == "Sk" or unicodedata.category(found[1])[0] == "P"
    return found[0][:3] if is_drawn else found[0]


@cache
def _opened(character: str) -> str:
    """A character that is a form of others as those; those that nobody sees or says go."""
    if character in SYMBOLS or character in CURRENCIES or character in _UP:
        return character
    category = unicodedata.category(character)
    if category[0] == "M" or character in "\u200c\u200d\u115f\u1160\u3164\uffa0":
        return ""
    if category == "Nd" or unicodedata.decomposition(character).startswith("<sub> 003"):
        return str(unicodedata.digit(character))
    if category[0] == "N":
        return _number(character)
    form, _, others = unicodedata.decomposition(character).partition(" ")
    if category[0] not in "LS" or not form.startswith("<") or (category, form) == ("Sm", "<compat>"):
        return character
    return "".join(_opened(chr(int(code, 16))) for code in others.split())


def _number(character: str) -> str:
    """Returns the words for a numeral that is no decimal digit: a fraction, a letter, one in a circle, ..."""
    value = Fraction(unicodedata.numeric(character)).limit_denominator(1000)
    if value.denominator == 1:
        return f" {value.numerator} "
    if value.denominator in FRACTIONS and value.numerator < len(NUMBERS):
        one, several = FRACTIONS[value.denominator]
        return f" {NUMBERS[value.numerator]} {one if value.numerator == 1 else several} "
    return f" {value.numerator} over {value.denominator} "


def _power(found: re.Match[str]) -> str:
    value = "".join(_UP[character] for character in found[0])
    if not _BASE.search(found.string, 0, found.start()):
        return f" {value} "
    if value in _POWERS:
        return f" {_POWERS[value]}"
    if value.isdigit() and _FOOTNOTE.search(found.string, 0, found.start()):
        return f" {value}"
    return f" to the {value} "


def _digits(found: re.Match[str]) -> str:
    return " ".join(found[0].replace(",", ""))


def _amount(found: re.Match[str]) -> str:
    sign, number = found[1] or found[4], found[2] or found[3]
    if found[1] and sign in _KNOWN_SIGNS:
        return found[0]
    return f"{number} {CURRENCIES[sign][number != '1']} "


@cache
def _said(character: str) -> str:
    """Returns a character that is left, or its words."""
    if character in SYMBOLS:
        return f" {SYMBOLS[character]} "
    if unicodedata.category(character) in ("Sm", "Sc") and character not in _READ:
        return f" {_named(character)} "
    return character


def _named(character: str, kind: str = "") -> str:
    name = unicodedata.name(character, "symbol").removeprefix(kind).removesuffix(" SIGN")
    return name.lower().replace("-", " ")
