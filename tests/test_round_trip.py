"""The main job, on the real models: what is spoken is heard again."""

import json

import jiwer
import pytest

from audio_grpc.client import Client, Encoding
from tests.conftest import DATA
from tests.headers import headed

# Harvard sentences, lists 1 and 2: phonetically balanced, and without numbers or names whose spelling
# could differ while the sound is right. IEEE Recommended Practice for Speech Quality Measurements, 1969.
SENTENCES = [
    "The birch canoe slid on the smooth planks.",
    "Glue the sheet to the dark blue background.",
    "It's easy to tell the depth of a well.",
    "These days a chicken leg is a rare dish.",
    "Rice is often served in round bowls.",
    "The juice of lemons makes fine punch.",
    "The box was thrown beside the parked truck.",
    "Four hours of steady work faced us.",
    "A large size in stockings is hard to sell.",
    "The boy was there when the sun rose.",
]
WORST_WORD_ERROR_RATE = 0.05

heard: dict[Encoding, str] = {}

plain = jiwer.Compose(
    [
        jiwer.ToLowerCase(),
        jiwer.SubstituteRegexes({r"[-–]": " ", r"\bmr\b": "mister"}),
        jiwer.RemovePunctuation(),  # type: ignore[no-untyped-call]
        jiwer.RemoveMultipleSpaces(),
        jiwer.Strip(),
        jiwer.ReduceToListOfListOfWords(),
    ]
)


def word_error_rate(said: list[str], understood: list[str]) -> float:
    rate: float = jiwer.wer(said, understood, reference_transform=plain, hypothesis_transform=plain)
    return rate


def text_of(client: Client, audio: bytes) -> str:
    return "".join(segment.text for segment in client.transcribe(audio, language_code="en"))


@pytest.mark.parametrize("encoding", list(Encoding))
def test_sentences_survive_every_encoding(client: Client, encoding: Encoding) -> None:
    with client.synthesize(" ".join(SENTENCES), encoding=encoding) as speech:
        rate = speech.start().format.sample_rate_hertz
        audio = b"".join(speech)
    understood = text_of(client, headed(audio, encoding, rate))
    heard[encoding] = understood
    assert word_error_rate([" ".join(SENTENCES)], [understood]) <= 2 * WORST_WORD_ERROR_RATE, understood


def test_all_encodings_together_lose_at_most_one_word_in_twenty() -> None:
    assert set(heard) == set(Encoding), "runs after the encodings have been tried"
    said = [" ".join(SENTENCES)] * len(heard)
    assert word_error_rate(said, list(heard.values())) <= WORST_WORD_ERROR_RATE, heard


def test_recorded_human_speech_is_understood(client: Client) -> None:
    spoken: dict[str, str] = json.loads((DATA / "transcripts.json").read_text())
    understood = [text_of(client, (DATA / name).read_bytes()) for name in spoken]
    assert word_error_rate(list(spoken.values()), understood) <= WORST_WORD_ERROR_RATE, understood
