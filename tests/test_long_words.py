"""Words of letters and digits that have no end."""

from collections.abc import Sequence

import pytest

from audio_grpc.backends.english import LONGEST_MIXED_WORD, EnglishReader


@pytest.mark.parametrize("word", ["1e" * 200, "e1." * 100, "a" * 390 + "1"])
def test_long_words_of_letters_and_digits_are_read_in_parts(word: str) -> None:
    given: list[str] = []

    def phonemize(text: str) -> Sequence[str]:
        given.append(text)
        return [text]

    EnglishReader(phonemize).phonemes(f"See {word} there.")
    assert max(map(len, given[-1].split())) <= LONGEST_MIXED_WORD
    assert given[-1].replace(" ", "") == f"See{word}there."


def test_other_words_are_read_as_they_are() -> None:
    text = f"{'a' * 100} 123e4567-e89b-12d3-a456-426614174000 there."
    assert EnglishReader(lambda written: [written]).phonemes(text) == [text]
