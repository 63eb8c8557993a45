"""Any text is spoken by the default model, or refused with what to do; none fails it."""

import json
import unicodedata
from collections.abc import Iterator
from pathlib import Path

import grpc
import onnxruntime
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from audio_grpc.backends.base import ModelSpec
from audio_grpc.backends.hibari import MOST_PHONEMES, Hibari
from audio_grpc.client import Client, Encoding, ServiceError
from audio_grpc.errors import TextUnspeakable
from audio_grpc.runtime.loaded import FAILURES_IN_A_ROW
from audio_grpc.text import clean
from audio_grpc.types import SynthesisOptions
from tests.conftest import Start

AWKWARD = (
    *("cm⁻¹", "10⁻⁶", "m·s⁻¹", "¹⁴C", "[⁷]", "⑴", "1" * 37, "9" * 5000, "−", "⅓", "₽", "℃", "≤", "√", "‰"),
    *(
        "donʼt",
        "don‑t",
        "do\u00adnt",
        "a\u200bb",
        "Ｆｕｌｌ",
        "ﬁne",
        "e\u0301\u0302\u0303",
        "👩‍👩‍👧",
        "MOLIÈRE",
    ),
    *("שלום", "\ue000", "a\x00b", "\U000e0041\U000e007f", "a\ufe0f", "\u202eabc", "$", "ʰ", "\u3164", "1/0"),
    *(
        "0" * 40,
        "1." * 40,
        "-" * 50,
        "'" * 50,
        "A" * 300,
        "[a](b)",
        "[1](/x/)",
        "[⁷](/⁷/)",
        "1st2nd",
        "٣" * 40,
    ),
)


REFUSALS = [(grpc.StatusCode.INVALID_ARGUMENT, reason) for reason in ("TEXT_UNSPEAKABLE", "TEXT_EMPTY")]


@pytest.fixture(scope="module")
def hibari() -> Iterator[Hibari]:
    backend = Hibari(ModelSpec("hibari"))
    backend.load()
    yield backend
    backend.close()


def phonemes(hibari: Hibari, text: str) -> list[str] | None:
    """Returns what is said of the text; None if it is refused."""
    text = clean(text)
    if hibari.unpronounceable(text):
        return None
    try:
        return list(hibari._readers["heart"].phonemes(text))
    except TextUnspeakable:
        return None


def test_a_word_that_nobody_knows_needs_no_model_that_is_not_loaded(
    hibari: Hibari, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr(onnxruntime, "InferenceSession")
    assert phonemes(hibari, "The flurbish quombat.") is not None


@pytest.mark.parametrize("text", AWKWARD)
def test_each_is_spoken_or_refused_at_the_door(embedded: str, text: str) -> None:
    with Client(embedded) as client:
        for _ in range(3):
            refusal = None
            sound = b""
            try:
                sound = b"".join(client.synthesize(text, encoding=Encoding.PCM_S16LE))
            except ServiceError as error:
                refusal = (error.code, error.reason)
            assert sound or refusal in REFUSALS


def tokens(client: Client, text: str) -> int:
    """Returns how much of the text the model is given to say."""
    with client.synthesize(text, encoding=Encoding.PCM_S16LE) as speech:
        assert b"".join(speech)
        return speech.finished.usage.input_tokens


@pytest.mark.parametrize("sign", "−⅓₽℃≤√‰")
def test_a_sign_does_not_vanish_on_its_way_to_the_model(embedded: str, sign: str) -> None:
    with Client(embedded) as client:
        assert tokens(client, f"Write 5 {sign} 6 here.") >= tokens(client, "Write 5 6 here.") + len("two")


def test_a_letter_for_an_apostrophe_is_one(embedded: str) -> None:
    with Client(embedded) as client:
        assert tokens(client, "I donʼt know.") == tokens(client, "I don't know.")


async def test_what_the_phonemiser_fails_at_is_the_fault_of_the_text(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    from hibari import Hibari as Engine

    phonemize = Engine.phonemize

    def failing(engine: Engine, text: str) -> list[str]:
        if "stumble" in text:
            raise IndexError("told to fail by a test")
        return phonemize(engine, text)  # type: ignore[no-any-return]

    monkeypatch.setattr(Engine, "phonemize", failing)
    server, client = await start(synthesizers={"speaker": ModelSpec("hibari")})
    loaded = await server.models.synthesizer("").load()
    for number in range(FAILURES_IN_A_ROW + 1):
        with pytest.raises(ServiceError, match="write that in words") as refusal:
            await anext(client.synthesize(f"It may stumble at number {number}."))
        assert (refusal.value.code, refusal.value.reason) == REFUSALS[0]
    assert await server.models.synthesizer("").load() is loaded
    assert await anext(client.synthesize("All is well."))


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=st.text(st.characters(exclude_categories=["Cs"]), max_size=30))
def test_no_text_fails_the_phonemiser(hibari: Hibari, text: str) -> None:
    phonemes(hibari, text)


MEANT = st.characters(categories=["L", "N", "Sc", "Sm"])


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(sign=MEANT, around=st.sampled_from(["big {} dog", "{}", "5 {} 6", "cat {}"]))
def test_what_has_a_meaning_is_heard_or_refused(hibari: Hibari, sign: str, around: str) -> None:
    heard = phonemes(hibari, around.format(sign))
    assert heard is None or heard != phonemes(hibari, around.format("")), unicodedata.name(sign, sign)


def test_what_is_long_in_words_is_spoken_bit_by_bit(hibari: Hibari) -> None:
    sound = hibari.synthesize("∰" * 50, SynthesisOptions(voice="heart"))
    sizes = [speech.input_tokens for speech in sound]
    assert len(sizes) > 1
    assert max(sizes) <= MOST_PHONEMES + 2


@pytest.mark.parametrize("text", ["да", "Москва", "Γειά", "Բարեւ", "ხევი"])
def test_letters_of_other_scripts_are_refused_though_some_are_spelled(hibari: Hibari, text: str) -> None:
    assert set(hibari.unpronounceable(text)) == set(text)


def test_a_capital_is_read_as_its_small_letter(hibari: Hibari) -> None:
    assert phonemes(hibari, "STRAẞE") == phonemes(hibari, "STRAßE") != phonemes(hibari, "STRAE")


@pytest.mark.parametrize("mark", "/.(^#")
def test_a_line_of_marks_does_not_last(hibari: Hibari, mark: str) -> None:
    assert len("".join(phonemes(hibari, f"one {mark * 400} two") or "")) < 60


def test_forms_that_people_write_are_all_spoken(hibari: Hibari) -> None:
    file = Path(__file__).parent / "data" / "written_forms.json"
    for form in json.loads(file.read_text()):
        assert phonemes(hibari, form["written"]), form["written"]


def test_a_language_model_may_write_what_it_likes(hibari: Hibari) -> None:
    for text in AWKWARD:
        for letter in hibari.unpronounceable(clean(text)):
            text = text.replace(letter, " ")
        phonemes(hibari, text)
