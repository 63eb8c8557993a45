"""The library's mode for a request, by its voice and its options; each mode streams."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from audio_grpc.backends.cosyvoice import CosyVoice
from audio_grpc.errors import OptionUnsupported
from audio_grpc.types import Audio, VoiceSample
from tests.cosyvoice.conftest import TOKENS_PER_SECOND, sample, sizes, speak

TEXT = "Noise."
PREAMBLE = {1: "", 2: "", 3: "You are a helpful assistant.<|endofprompt|>"}
Told = dict[str, Any]


@pytest.fixture
def told(backend: CosyVoice, monkeypatch: pytest.MonkeyPatch) -> list[Told]:
    """Records the inputs of the library's ``tts``, request by request."""
    requests: list[Told] = []
    model = type(backend._library.model)
    tts = model.tts

    def overheard(self: Any, **inputs: Any) -> Iterator[Any]:
        requests.append(inputs)
        yield from tts(self, **inputs)

    monkeypatch.setattr(model, "tts", overheard)
    return requests


def read(backend: CosyVoice, tokens: Any) -> str:
    """The text of tokens."""
    tokenizer = backend._library.frontend.tokenizer
    text: str = getattr(tokenizer, "tokenizer", tokenizer).decode(tokens.flatten().tolist())
    return text


def test_a_trained_speaker_speaks_with_its_embedding(
    backend: CosyVoice, version: int, told: list[Told]
) -> None:
    """inference_sft"""
    assert sum(sizes(speak(backend, TEXT, voice="trained"))) > 0
    (inputs,) = told
    assert {"llm_embedding", "flow_embedding"} < set(inputs)
    assert not {"llm_prompt_speech_token", "prompt_speech_feat"} & set(inputs)
    assert read(backend, inputs["text"]) == TEXT
    assert ("prompt_text" in inputs) == (version == 3)
    assert inputs["stream"] is True


def test_a_recorded_speaker_of_the_model_speaks_with_its_recording(
    backend: CosyVoice, told: list[Told]
) -> None:
    """inference_zero_shot with a zero_shot_spk_id"""
    assert sum(sizes(speak(backend, TEXT, voice="recorded"))) > 0
    assert told[0]["prompt_speech_feat"].shape == (1, 100, 80)
    assert told[0]["llm_prompt_speech_token"].shape == (1, 50)


def test_a_sample_with_its_transcript_is_zero_shot(
    backend: CosyVoice, version: int, told: list[Told]
) -> None:
    """inference_zero_shot"""
    assert sum(sizes(speak(backend, TEXT, sample=sample("What I say.")))) > 0
    (inputs,) = told
    assert read(backend, inputs["prompt_text"]) == f"{PREAMBLE[version]}What I say."
    seconds = inputs["llm_prompt_speech_token"].shape[1] / TOKENS_PER_SECOND[version]
    assert seconds == pytest.approx(2.0, abs=0.1)
    frames = inputs["prompt_speech_feat"].shape[1]
    frames_per_second = 22050 / 256 if version == 1 else 50
    assert frames / frames_per_second == pytest.approx(2.0, abs=0.1)
    if version > 1:
        assert frames == 2 * inputs["flow_prompt_speech_token"].shape[1]


def test_a_sample_without_a_transcript_is_cross_lingual(
    backend: CosyVoice, version: int, told: list[Told]
) -> None:
    """inference_cross_lingual"""
    assert sum(sizes(speak(backend, TEXT, sample=sample()))) > 0
    (inputs,) = told
    assert "prompt_speech_feat" in inputs
    assert "llm_prompt_speech_token" not in inputs
    assert ("prompt_text" in inputs) == (version == 3)


def test_instructions_go_with_a_sample(backend: CosyVoice, version: int, told: list[Told]) -> None:
    """inference_instruct2"""
    if version == 1:
        pytest.skip("version 1 takes them with trained speakers")
    speech = speak(backend, TEXT, sample=sample("What I say."), instructions="Be happy.")
    assert sum(sizes(speech)) > 0
    (inputs,) = told
    expected = {2: "Be happy.<|endofprompt|>", 3: "You are a helpful assistant. Be happy.<|endofprompt|>"}
    assert read(backend, inputs["prompt_text"]) == expected[version]
    assert "llm_prompt_speech_token" not in inputs
    assert "prompt_speech_feat" in inputs
    speak(backend, TEXT, sample=sample("What I say."))
    assert "What I say." in read(backend, told[1]["prompt_text"]), "the speaker is as before"


def test_instructions_go_with_a_trained_speaker(backend: CosyVoice, version: int, told: list[Told]) -> None:
    """inference_instruct"""
    if version > 1:
        pytest.skip("version 2 and 3 take them with recorded speakers")
    assert sum(sizes(speak(backend, TEXT, instructions="Be happy."))) > 0
    assert read(backend, told[0]["prompt_text"]) == "Be happy.<endofprompt>"
    assert "llm_embedding" not in told[0]


def test_instructions_that_a_speaker_cannot_take_are_refused(backend: CosyVoice, version: int) -> None:
    other: dict[str, Any] = {"sample": sample("What I say.")} if version == 1 else {}
    with pytest.raises(OptionUnsupported, match="leave the instructions out") as refusal:
        speak(backend, TEXT, instructions="Be happy.", **other)
    assert refusal.value.field == "instructions"


def test_a_sample_is_listened_to_once(backend: CosyVoice, monkeypatch: pytest.MonkeyPatch) -> None:
    listened: list[Any] = []
    frontend = type(backend._library.frontend)
    extract = frontend._extract_spk_embedding

    def counted(self: Any, sound: Any) -> Any:
        listened.append(sound.shape)
        return extract(self, sound)

    monkeypatch.setattr(frontend, "_extract_spk_embedding", counted)
    for voice_id in ("voice_once", "voice_once", "voice_other", "voice_once"):
        speak(backend, TEXT, sample=sample("What I say.", voice_id=voice_id))
    assert listened == [(1, 32000), (1, 32000)], "two seconds at 16 kHz, of each of two voices"


def test_of_a_long_sample_the_beginning_is_taken(
    backend: CosyVoice, version: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The transcript is left out, since it says more than the part that is taken."""
    told: list[Told] = []

    def silent(_: Any, **inputs: Any) -> Iterator[Any]:
        told.append(inputs)
        yield from ()

    monkeypatch.setattr(type(backend._library.model), "tts", silent)
    long = VoiceSample("voice_long", Audio(np.tile(sample().audio.samples, 20), 24000), "All that I say.")
    assert speak(backend, TEXT, sample=long) == []
    assert "llm_prompt_speech_token" not in told[0]
    seconds = told[0]["flow_prompt_speech_token"].shape[1] / TOKENS_PER_SECOND[version]
    assert seconds == pytest.approx(30, abs=0.1)


def test_what_it_can_do_is_told(backend: CosyVoice, version: int) -> None:
    info = backend.info
    assert [voice.name for voice in info.voices] == ["trained", "recorded"]
    assert info.sample_rate_hertz == info.voice_sample_rate_hertz == (22050 if version == 1 else 24000)
    assert info.options == {"speed", "instructions"}
    assert (info.cloning, info.wants_sample_transcript) == (True, True)
    assert ("de" in info.language_codes) == (version == 3)
