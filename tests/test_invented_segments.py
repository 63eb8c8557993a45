"""Whisper may go on talking after the end of a recording; what nobody can have said is left out."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from audio_grpc.backends import whisper_model
from audio_grpc.client import Client
from tests.conftest import DATA
from tests.test_joined_calls import CLIPS, whisper

# At its end Whisper base says the last sentence up to three times more (on the machine where it was found).
SPEECH = (DATA / "harvard_sentences_hibari.opus").read_bytes()
SPEECH_SECONDS = 26.65
CLIP_SECONDS = 2.99


def test_the_last_sentence_is_heard_once(client: Client) -> None:
    segments = list(client.transcribe(SPEECH, language_code="en"))
    assert "".join(segment.text for segment in segments).count("The boy was there when the sun rose.") == 1
    assert segments[-1].start < SPEECH_SECONDS


@pytest.fixture
def inventions(monkeypatch: pytest.MonkeyPatch) -> list[tuple[float, str, float]]:
    """Starts, texts and mean log probabilities of segments that follow those that are there."""
    more: list[tuple[float, str, float]] = []
    transcribe = whisper_model.Whisper.transcribe

    def goes_on(self: Any, samples: Any, **options: Any) -> Any:
        found, info = transcribe(self, samples, **options)
        return talking_on(found), info

    def talking_on(found: Iterator[Any]) -> Iterator[Any]:
        for segment in found:
            yield segment
        for start, text, sure in more:
            yield replace(segment, start=start, end=start + 2, text=text, avg_logprob=sure)

    monkeypatch.setattr(whisper_model.Whisper, "transcribe", goes_on)
    return more


async def test_what_is_too_long_for_the_rest_of_the_recording_is_left_out(
    inventions: list[tuple[float, str, float]],
) -> None:
    async with whisper() as client:
        alone = [segment.text async for segment in client.transcribe(CLIPS[1], language_code="en")]
        late = CLIP_SECONDS - 0.1
        sure, unsure = -0.3, -1.5
        inventions += [
            (late, " He was not an ill-disposed young man.", sure),
            (late, " Yes.", sure),
            (late, " Orange winter.", unsure),
            (late + 2, " No.", unsure),
        ]
        heard = [segment.text async for segment in client.transcribe(CLIPS[1], language_code="en")]
    assert heard == [*alone, " Yes."]
