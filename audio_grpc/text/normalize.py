"""Removes or replaces characters that cannot be spoken."""

import re
import unicodedata

_MOST_MARKS = 30

_HIDDEN = ("Cc", "Cf", "Cs")
_JOINERS = "\u200c\u200d"
_SPACE = " "
_REPLACEMENTS: dict[int, str | None] = {
    **dict.fromkeys((*range(0x20), *range(0x7F, 0xA0)), _SPACE),
    ord("\t"): "\t",
    ord("\n"): "\n",
    ord("\u2028"): "\n",
    ord("\u2029"): "\n\n",
    ord("\ufffd"): _SPACE,
    # Soft hyphen, Arabic letter mark, zero-width space, direction marks, embeddings and isolates,
    # word joiner and invisible operators, byte order mark. U+200C and U+200D are not among them.
    **dict.fromkeys(
        (0xAD, 0x61C, 0x200B, 0x200E, 0x200F, *range(0x202A, 0x202F), *range(0x2060, 0x2070), 0xFEFF), None
    ),
}

# Combining marks are neither \w nor \s, so every long run of them is inside one of these.
_MARKS_PERHAPS = re.compile(rf"[^\w\s]{{{_MOST_MARKS + 1},}}")


def clean(text: str) -> str:
    r"""Returns the text in Unicode NFC, without the characters that have no sound.

    - ``\r\n`` and ``\r`` become ``\n``; so does U+2028, and U+2029 becomes a blank line.
    - Other C0 and C1 control characters become a space, save ``\t`` and ``\n``.
    - Invisible formatting (zero-width space, directions, soft hyphen, byte order mark, U+2060 to
      U+206F) is removed, so that it splits no word. The zero-width joiner and non-joiner stay: emoji,
      Indic and Persian spelling depend on them.
    - A surrogate pair becomes its character. A lone surrogate is damage: like U+FFFD, it becomes a
      space, so that the words around it stay apart.
    - Combining marks beyond 30 on one character are dropped (the limit of Unicode's Stream-Safe Text
      Format, UAX #15); without a limit, normalising takes time in the square of their number.

    Cleaning twice changes nothing more.
    """
    text = encodable(text)
    text = text.replace("\r\n", "\n").replace("\r", "\n").translate(_REPLACEMENTS)
    return unicodedata.normalize("NFC", _MARKS_PERHAPS.sub(_drop_excess_marks, text))


def encodable(text: str) -> str:
    """The text in characters that UTF-8 has: pairs of surrogates are joined, lone ones become U+FFFD."""
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def hidden_characters(text: str) -> str:
    """Returns the invisible characters that control how text is shown: controls, directions and the like.

    The zero-width joiner and non-joiner, which emoji and some scripts need, are not among them.
    """
    return "".join(
        character
        for character in text
        if unicodedata.category(character) in _HIDDEN and character not in _JOINERS
    )


def has_words(text: str) -> bool:
    """Tells if there is a letter or a digit (Unicode categories L* and N*) to speak.

    Punctuation, symbols and emoji alone are silent.
    """
    return any(unicodedata.category(character)[0] in "LN" for character in text)


def _drop_excess_marks(run: re.Match[str]) -> str:
    kept = []
    marks = 0
    for character in run[0]:
        marks = marks + 1 if unicodedata.combining(character) else 0
        if marks <= _MOST_MARKS:
            kept.append(character)
    return "".join(kept)
