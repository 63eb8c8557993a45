"""The names that callers have for languages, and which of a model's own they mean."""

import pytest

from audio_grpc.languages import asked_language, known_language
from tests.conftest import Start

KNOWN = ["en", "de", "es", "he", "id", "jv", "nn", "no", "pt", "ro", "tl", "zh"]


@pytest.mark.parametrize(
    ("asked", "meant"),
    [
        ("en", "en"),
        ("EN-gb", "en"),
        ("en_US", "en"),
        ("eng", "en"),
        ("English", "en"),
        ("castilian", "es"),
        ("mandarin", "zh"),
        ("pt-BR", "pt"),
        ("nb", "no"),
        ("nb-NO", "no"),
        ("nn-NO", "nn"),
        ("fil", "tl"),
        ("fil-PH", "tl"),
        ("iw", "he"),
        ("in", "id"),
        ("mo", "ro"),
        ("jw", "jv"),
        ("cmn", "zh"),
        ("yue", "zh"),
        ("zh-Hans-CN", "zh"),
        ("ja", None),
        ("xx", None),
        ("klingon", None),
        ("@@", None),
        ("e" * 100_000, None),
    ],
)
def test_a_language_is_found_by_any_of_its_codes_and_names(asked: str, meant: str | None) -> None:
    assert known_language(asked, KNOWN) == meant


def test_regions_do_not_matter_and_codes_are_as_the_model_has_them() -> None:
    assert known_language("en-GB", ["en-US", "yue", "zh"]) == "en-US"
    assert known_language("yue-HK", ["en-US", "yue", "zh"]) == "yue"


@pytest.mark.parametrize("asked", ["", "auto", "AUTO", " auto ", "und"])
def test_detection_can_be_asked_for(asked: str) -> None:
    assert asked_language(asked) is None


@pytest.mark.parametrize("code", ["en_US", "english", "eng", "auto"])
async def test_every_door_takes_them(start: Start, code: str) -> None:
    _, client = await start()
    speech = b"".join([chunk async for chunk in client.synthesize("Hello.", language_code=code)])
    assert "".join([one.text async for one in client.transcribe(speech, language_code=code)]) == "Hello."
