"""A turn on a model's thread ends after bounded work, though it has no result yet."""

import asyncio
import threading
from collections.abc import Callable, Generator, Iterator
from typing import Any

import numpy as np
import pytest

from audio_grpc.audio import blocks, encode
from audio_grpc.backends import whisper_engine
from audio_grpc.backends.base import ModelSpec, Transcript
from audio_grpc.backends.tone import ToneListener, ToneSpeaker
from audio_grpc.client import AsyncClient
from audio_grpc.giving_way import give_way
from audio_grpc.runtime.blame import Outcome
from audio_grpc.runtime.worker import ResultStream, Worker
from audio_grpc.text import pieces
from audio_grpc.types import Audio, Encoding, Segment, Speech, SynthesisOptions, TranscriptionOptions
from audio_grpc.v1.speech_to_text_pb2 import DecodingParameters
from tests.conftest import PATIENCE_SECONDS, Start
from tests.eventually import eventually


class House:
    """A worker with one thread, and what its calls did, in order."""

    def __init__(self) -> None:
        self.worker = Worker("house", threads=1, read_ahead=8)
        self.done: list[str] = []
        self.ends: list[Outcome] = []

    def long(self, name: str, steps: int, begun: Callable[[], object] = lambda: None) -> ResultStream[str]:
        def generate() -> Generator[str, None, None]:
            begun()
            for step in range(steps):
                self.done.append(f"{name}{step}")
                give_way()
            yield name

        return self.worker.start(generate, self.ends.append)


async def collected(stream: ResultStream[str]) -> list[str]:
    return [one async for ready in stream for one in ready]


async def test_calls_without_results_take_turns() -> None:
    house = House()
    all_here = threading.Event()
    calls = [house.long(name, 4, all_here.wait) for name in "abc"]
    all_here.set()
    assert [await collected(call) for call in calls] == [["a"], ["b"], ["c"]]
    assert house.done == [f"{name}{step}" for step in range(4) for name in "abc"]
    await house.worker.close()


async def test_whoever_leaves_ends_work_that_has_no_result(monkeypatch: pytest.MonkeyPatch) -> None:
    house = House()
    loop = asyncio.get_running_loop()
    begun = asyncio.Event()
    endless = house.long("endless", 10**9, lambda: loop.call_soon_threadsafe(begun.set))
    await begun.wait()
    endless.close()
    assert await collected(house.long("b", 1)) == ["b"]
    assert [type(outcome.error) for outcome in house.ends][:1] == [GeneratorExit]
    await house.worker.close()


async def test_no_thread_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    house = House()
    await asyncio.gather(*(collected(house.long(str(number), 5)) for number in range(20)))
    await house.worker.close()
    assert not house.worker._threads


def silence(seconds: float) -> bytes:
    samples = np.zeros(round(16000 * seconds), np.float32)
    return b"".join(encode([Audio(samples, 16000)], Encoding.FLAC, 16000))


def hum(seconds: float) -> bytes:
    """Returns noise, no two windows of which are equal: those would be encoded once."""
    samples = np.random.default_rng(0).normal(0, 1e-3, round(16000 * seconds)).astype(np.float32)
    return b"".join(encode([Audio(samples, 16000)], Encoding.FLAC, 16000))


async def heard(client: AsyncClient, recording: bytes) -> list[Segment]:
    return [segment async for segment in client.transcribe(recording)]


async def test_a_long_silence_is_decoded_in_turns(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    _, client = await start(concurrency=2)
    order: list[str] = []
    under_way = asyncio.Event()
    loop = asyncio.get_running_loop()

    def counted() -> None:
        order.append("step")
        if len(order) == 3:
            loop.call_soon_threadsafe(under_way.set)
            while "short" not in order:  # else it might be through before the other has come
                give_way()
        give_way()

    def noted(listener: ToneListener, audio: Audio, options: TranscriptionOptions) -> Transcript:
        order.append("short" if audio.seconds < 100 else "block")
        return transcribe(listener, audio, options)

    transcribe = ToneListener.transcribe
    monkeypatch.setattr(ToneListener, "transcribe", noted)
    monkeypatch.setattr(blocks, "give_way", counted)
    long = asyncio.create_task(heard(client, silence(600)))
    async with asyncio.timeout(PATIENCE_SECONDS):
        await under_way.wait()
    assert await heard(client, silence(1)) == []
    assert "block" not in order, "the other had its turn while the first block was being decoded"
    await long
    assert order.count("block") >= 2
    assert order.count("step") > 50


async def test_windows_in_which_nobody_speaks_are_heard_in_turns(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    server, client = await start(transcribers={"listener": ModelSpec("faster-whisper", concurrency=2)})
    call = whisper_engine.Engine._call
    both, under_way, loop = threading.Event(), asyncio.Event(), asyncio.get_running_loop()
    order: list[str] = []

    def held(*arguments: Any) -> list[Any]:
        loop.call_soon_threadsafe(under_way.set)
        assert both.wait(PATIENCE_SECONDS)
        return call(*arguments)

    async def listen(name: str, seconds: float) -> None:
        # Its windows have no result, whatever the model makes of silence.
        options: dict[str, Any] = {"language_code": "en", "temperature": 0.0, "beam_size": 1}
        nothing = DecodingParameters(no_speech_threshold=0.0, log_prob_threshold=0.0)
        hearing = client.transcribe(
            hum(seconds), voice_activity_detection=False, decoding_parameters=nothing, **options
        )
        assert [segment async for segment in hearing] == []
        order.append(name)

    assert [model.state async for model in client.load_model("listener")]
    monkeypatch.setattr(whisper_engine.Engine, "_call", held)
    long = asyncio.create_task(listen("long", 120))
    await asyncio.wait_for(under_way.wait(), PATIENCE_SECONDS)
    short = asyncio.create_task(listen("short", 1))
    await eventually(lambda: server.models.transcriber("").admission.running >= 2)
    both.set()
    await asyncio.gather(long, short)
    assert order == ["short", "long"]


async def test_the_pieces_of_a_long_text_are_counted_in_turns(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, client = await start(concurrency=2)
    under_way, loop = asyncio.Event(), asyncio.get_running_loop()
    spoken = threading.Event()
    synthesize = ToneSpeaker.synthesize

    def counted() -> None:
        loop.call_soon_threadsafe(under_way.set)
        give_way()
        while not spoken.is_set():  # else all might be counted before the other has come
            give_way()

    def noted(speaker: ToneSpeaker, text: str, options: SynthesisOptions) -> Iterator[Speech]:
        if text == "Hi.":
            spoken.set()
        return synthesize(speaker, text, options)

    monkeypatch.setattr(ToneSpeaker, "synthesize", noted)
    monkeypatch.setattr(pieces, "give_way", counted)
    long = client.synthesize("This is a sentence. " * 400, target_size=20)
    await anext(long)
    await asyncio.wait_for(under_way.wait(), PATIENCE_SECONDS)
    assert await anext(client.synthesize("Hi.")), "the other has its turn before all are counted"
    long.cancel()
