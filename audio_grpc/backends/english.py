"""English text for hibari's G2P, which cannot read all that people write, and fails at some of it."""

import re
import unicodedata
from collections.abc import Callable, Iterator, Sequence
from functools import cache

from audio_grpc.errors import TextUnspeakable, quoted
from audio_grpc.text import spoken

Phonemize = Callable[[str], Sequence[str]]
LAST_WITH_A_READING = "\u1eff"
"""Letters beyond are of scripts that it has no reading for."""
_READ = ("LATIN ", "MODIFIER ", "MICRO ")
"""The starts of Unicode names of letters that may be read: of other scripts, no word would be heard."""

# The G2P takes the target of such a link for phonemes.
_LINK = re.compile(r"\]\(/+")
LONGEST_MIXED_WORD = 40
"""The longest word of letters and digits; the time that one takes grows with the cube of its length."""
_LONG_MIXED_WORD = re.compile(rf"(?=\S*\d)\S{{{LONGEST_MIXED_WORD}}}(?=\S)")


class EnglishReader:
    """Text to phonemes, a string for each sentence, by ``phonemize``; what that cannot read is refused."""

    def __init__(self, phonemize: Phonemize) -> None:
        self._phonemize = phonemize
        self._readable = cache(self._is_readable)

    def unreadable(self, text: str) -> str:
        """The letters of ``text`` that have no reading, without repetition."""
        return "".join(letter for letter in _foreign(spoken(text)) if self._form(letter) is None)

    def phonemes(self, text: str) -> Sequence[str]:
        """Returns what to say. Raises TextUnspeakable."""
        written = _LINK.sub("](", spoken(text))
        for letter in _foreign(written):
            written = written.replace(letter, self._form(letter) or "")
        return self._read(_LONG_MIXED_WORD.sub(r"\g<0> ", written), text)

    def _form(self, letter: str) -> str | None:
        """The letter, or the small one, or that without its marks, whichever has a reading; else None."""
        for form in (letter, letter.lower()):
            if self._readable(form):
                return form
        base = unicodedata.normalize("NFD", letter)[0]
        return base if base.isascii() else None

    def _is_readable(self, letter: str) -> bool:
        """Tells if it is heard alone, and within a word."""
        if letter > LAST_WITH_A_READING or not unicodedata.name(letter, "").startswith(_READ):
            return False
        alone, within, without = (self._read(word, letter) for word in (letter, f"ca{letter}t", "cat"))
        return bool(alone) and within != without

    def _read(self, written: str, text: str) -> Sequence[str]:
        try:
            return self._phonemize(written)
        except MemoryError:
            raise
        except Exception as error:  # it knows no text that it does not read: whatever it throws is the text's
            raise TextUnspeakable(
                f"the model cannot read {quoted(text.strip())}; write that in words", field="text"
            ) from error


def _foreign(text: str) -> list[str]:
    letters = (c for c in text if not c.isascii() and unicodedata.category(c)[0] == "L")
    return list(dict.fromkeys(letters))


def parts(phonemes: str, most: int) -> Iterator[str]:
    """Yields at most ``most`` phonemes at a time, cut after a clause, else a word, where there is one."""
    while len(phonemes) > most:
        window = phonemes[:most]
        clause = max(window.rfind(mark + " ") for mark in ",;:—") + 1
        end = clause or window.rfind(" ") + 1 or most
        yield phonemes[:end]
        phonemes = phonemes[end:].lstrip()
    yield phonemes
