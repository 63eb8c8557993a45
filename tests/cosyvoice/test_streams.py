"""Streams of speech beside others that run, leave or break."""

import sys
import threading
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest

from audio_grpc.backends.cosyvoice import CosyVoice
from audio_grpc.backends.cosyvoice.request import Request
from audio_grpc.types import Speech, SynthesisOptions
from tests.cosyvoice.conftest import LATE, TEXT, TOKEN_RATIO, TOKENS_PER_SECOND, sizes, speak

END_OF_PROMPT = 151646
"""Version 3 has the number of its token in its code."""
PER_REQUEST = ("tts_speech_token_dict", "llm_end_dict", "hift_cache_dict")


def start(backend: CosyVoice, text: str = TEXT) -> Generator[Speech, None, None]:
    """A stream that can be closed."""
    return cast("Generator[Speech, None, None]", backend.synthesize(text, SynthesisOptions("trained")))


def breaking(inference: Callable[..., Iterator[Any]], after: int) -> Callable[..., Iterator[Any]]:
    """Returns the language model's inference so that it breaks after ``after`` tokens."""

    def tokens(**inputs: Any) -> Iterator[Any]:
        for number, token in enumerate(inference(**inputs)):
            if number == after:
                raise FloatingPointError("told to fail")
            yield token

    return tokens


def test_the_first_chunk_is_small_and_the_next_is_larger(backend: CosyVoice) -> None:
    first, second, *_ = sizes(speak(backend, "Every word of this, and of that as well, is noise only."))
    assert first < 2 * backend.info.sample_rate_hertz
    assert second > 1.5 * first


def test_chunks_are_made_as_soon_as_their_tokens_are_there(
    backend: CosyVoice, usual: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The library looks for them every tenth of a second."""
    module = sys.modules["cosyvoice.cli.model"]
    naps: list[float] = []
    monkeypatch.setattr(module, "time", SimpleNamespace(sleep=naps.append))
    assert sizes(speak(backend)) == usual
    assert not naps


def test_every_request_begins_with_a_small_chunk(backend: CosyVoice, usual: list[int]) -> None:
    """The library goes on with the chunks of the request before, until all are large."""
    assert sizes(speak(backend)) == usual


def test_sound_lasts_as_long_as_its_tokens(speech: list[Speech], version: int) -> None:
    tokens = sum(chunk.input_tokens for chunk in speech)
    assert tokens > 5
    seconds = sum(chunk.audio.seconds for chunk in speech)
    expected = tokens * TOKEN_RATIO[version] / TOKENS_PER_SECOND[version]
    assert seconds == pytest.approx(expected, abs=0.1)
    assert all(np.abs(chunk.audio.samples).max() <= 1.0 for chunk in speech)


def test_what_is_too_loud_is_clipped(backend: CosyVoice, monkeypatch: pytest.MonkeyPatch) -> None:
    """Louder samples would change their sign as 16-bit integers."""
    import torch

    def loud(_: Any, **__: Any) -> Iterator[Any]:
        yield {"tts_speech": torch.full((1, 2000), 1.5)}

    monkeypatch.setattr(type(backend._library.model), "tts", loud)
    (chunk,) = speak(backend)
    assert (chunk.audio.samples == 1.0).all()


def test_speed_works_while_streaming(backend: CosyVoice, usual: list[int]) -> None:
    speed = 0.5
    changed = sizes(speak(backend, speed=speed))
    assert sum(changed) == round(sum(usual) / speed)
    assert changed[0] > 0.7 * usual[0] / speed, "no chunk waits for the next"


def test_a_stream_that_is_closed_early_leaves_nothing_behind(backend: CosyVoice) -> None:
    before = set(threading.enumerate())
    stream = start(backend)
    next(stream)
    stream.close()
    assert not any(thread.is_alive() for thread in set(threading.enumerate()) - before)
    assert [getattr(backend._library.model, name) for name in PER_REQUEST] == [{}, {}, {}]


def test_closing_stops_the_language_model(backend: CosyVoice, monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[Any] = []
    going_on = threading.Event()
    llm = type(backend._library.model.llm)
    inference = llm.inference

    def watched(self: Any, **inputs: Any) -> Iterator[Any]:
        for token in inference(self, **inputs):
            made.append(token)
            yield token
            if len(made) == 150:
                going_on.wait(30)

    monkeypatch.setattr(llm, "inference", watched)
    stream = start(backend, TEXT * 4)
    next(stream)
    closing = threading.Thread(target=stream.close)
    closing.start()
    going_on.set()
    closing.join(30)
    assert not closing.is_alive()
    assert len(made) < 300, "the whole text makes more"


def test_a_stream_that_ended_leaves_nothing_behind(backend: CosyVoice) -> None:
    before = set(threading.enumerate())
    speak(backend, "Noise.")
    assert set(threading.enumerate()) <= before
    assert [getattr(backend._library.model, name) for name in PER_REQUEST] == [{}, {}, {}]


@pytest.mark.parametrize("late", [False, True], ids=["at once", "after the first chunk"])
def test_a_language_model_that_breaks_breaks_the_stream(
    backend: CosyVoice, version: int, monkeypatch: pytest.MonkeyPatch, late: bool
) -> None:
    """The library would wait for ever."""
    llm = backend._library.model.llm
    monkeypatch.setattr(llm, "inference", breaking(llm.inference, LATE[version] if late else 0))
    with pytest.raises(FloatingPointError, match="told to fail"):
        speak(backend)
    assert [getattr(backend._library.model, name) for name in PER_REQUEST] == [{}, {}, {}]


def test_an_acoustic_model_that_breaks_stops_the_language_model(
    backend: CosyVoice, usual: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    def inference(**_: Any) -> None:
        raise FloatingPointError("told to fail")

    before = set(threading.enumerate())
    with monkeypatch.context() as broken:
        broken.setattr(backend._library.model.flow, "inference", inference)
        with pytest.raises(FloatingPointError):
            speak(backend)
    assert set(threading.enumerate()) <= before
    assert sizes(speak(backend)) == usual, "the next request does not suffer"


def test_requests_at_the_same_time_do_not_touch_each_other(backend: CosyVoice, usual: list[int]) -> None:
    short = sizes(speak(backend, "Noise."))
    with ThreadPoolExecutor(3) as pool:
        together = list(pool.map(lambda text: sizes(speak(backend, text)), [TEXT, "Noise.", TEXT]))
    assert together == [usual, short, usual]


def test_a_request_survives_one_that_is_closed_beside_it(backend: CosyVoice, usual: list[int]) -> None:
    left, stays = start(backend), start(backend)
    next(left)
    heard = [next(stays)]
    left.close()
    assert sizes([*heard, *stays]) == usual


@pytest.mark.parametrize("text", ["", "   ", "...", "?!", "😀"])
def test_text_without_sound_yields_nothing(backend: CosyVoice, text: str) -> None:
    assert speak(backend, text) == []


def test_chinese_and_numbers_are_spoken(backend: CosyVoice) -> None:
    for text in ("你好，26。", "It costs 2."):
        assert sum(sizes(speak(backend, text))) > 0.5 * backend.info.sample_rate_hertz


class Engine:
    """Stands in for the engine of vLLM, which is not installed, and records the ids that are aborted."""

    def __init__(self) -> None:
        self.aborted: list[str] = []

    def abort_request(self, ids: list[str]) -> None:
        self.aborted.extend(ids)


class EngineLlm:
    """A language model on vLLM, as the library has it."""

    def __init__(self) -> None:
        self.vllm, self.lock = Engine(), threading.Lock()
        self.vllm_output_queue: dict[str, Any] = {}

    def inference(self, *, uuid: str, **_: Any) -> Iterator[int]:
        self.vllm_output_queue[uuid] = None
        while True:
            yield 0


class BatchingEngine:
    """Stands in for vLLM's engine: each step makes a token for every request that was added."""

    def __init__(self, requests: int) -> None:
        self.batches: list[int] = []
        self._expected = requests
        self._left: dict[str, int] = {}

    def add_request(self, uuid: str, prompt: Any, sampling: Any) -> None:
        self._expected -= 1
        self._left[uuid] = sampling.max_tokens

    def step(self) -> list[Any]:
        if self._expected > 0:
            return []
        self.batches.append(len(self._left))
        outputs = [SimpleNamespace(token_ids=[7])]
        made = [SimpleNamespace(request_id=uuid, outputs=outputs) for uuid in self._left]
        self._left = {uuid: left - 1 for uuid, left in self._left.items() if left > 1}
        return made


def test_requests_meet_in_the_engine_of_vllm(
    backend: CosyVoice, version: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    if version == 1:
        pytest.skip("version 1 does not run on vLLM")
    stand_in = SimpleNamespace(SamplingParams=SimpleNamespace, RequestOutput=object)
    monkeypatch.setitem(sys.modules, "vllm", stand_in)
    llm = backend._library.model.llm
    engine = BatchingEngine(requests=3)
    monkeypatch.setattr(llm, "lock", threading.Lock(), raising=False)
    monkeypatch.setattr(llm, "vllm", engine, raising=False)
    with ThreadPoolExecutor(3) as pool:
        spoken = list(pool.map(lambda _: sizes(speak(backend)), range(3)))
    assert spoken[0] == spoken[1] == spoken[2]
    assert set(engine.batches) == {3}


class EngineModel:
    """Just enough of a model to hold it."""

    def __init__(self) -> None:
        self.llm = EngineLlm()
        self.token_hop_len = 25
        self.llm_end_dict: dict[str, bool] = {}

    def llm_job(self, uuid: str) -> None:
        for _ in self.llm.inference(uuid=uuid):
            pass

    def tts(self, stream: bool) -> Iterator[Any]:
        import torch

        threading.Thread(target=self.llm_job, args=("one",)).start()
        while "one" not in self.llm.vllm_output_queue:
            pass
        while stream:
            yield {"tts_speech": torch.zeros(1, 10)}


def test_an_early_end_is_told_to_vllm() -> None:
    """The engine would otherwise finish the sentence for nobody."""
    model = EngineModel()
    chunks = Request(model, 20).chunks({})
    next(chunks)
    chunks.close()
    assert (model.llm.vllm.aborted, model.llm.vllm_output_queue) == (["one"], {})


@pytest.mark.parametrize("is_recorded", [False, True], ids=["no recording", "recording"])
def test_the_generator_of_text_wants_much_text_for_a_recorded_voice(
    backend: CosyVoice, version: int, is_recorded: bool
) -> None:
    """Which is why live speech gives the library sentences instead, see docs/guides/cosyvoice.md."""
    if version == 1:
        pytest.skip("version 1 has no generator of text")
    import torch

    written = 0

    def text() -> Iterator[Any]:
        nonlocal written
        while written < 100:
            written += 1
            yield torch.tensor([[72]])

    preamble = [END_OF_PROMPT] if version == 3 else []
    transcript = torch.tensor([preamble + [72] * 18 * is_recorded], dtype=torch.int32)
    recording = torch.ones(1, 125 * is_recorded, dtype=torch.int32)
    made = backend._library.model.llm.inference_bistream(
        text=text(),
        prompt_text=transcript,
        prompt_text_len=torch.tensor([transcript.shape[1]]),
        prompt_speech_token=recording,
        prompt_speech_token_len=torch.tensor([recording.shape[1]]),
        embedding=torch.zeros(0, 192),
    )
    next(made)
    assert written == (27 if is_recorded else 5 if version == 2 else 1)
