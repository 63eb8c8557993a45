"""Windows of different calls that go through Whisper as one batch, and short ones that are not filled up."""

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import numpy as np
import pytest

from audio_grpc.audio import decode
from audio_grpc.audio.encode import wav_header
from audio_grpc.backends import whisper_engine
from audio_grpc.backends.base import ModelSpec
from audio_grpc.client import AsyncClient, Segment
from audio_grpc.config import Settings
from audio_grpc.server import Server
from tests.conftest import DATA

CLIPS = [(DATA / f"sense_and_sensibility_{name}.flac").read_bytes() for name in ("0870", "0880", "0930")]
FOREVER = 3600.0
FULL_FRAMES = 3000
RATE_HERTZ = 16_000
Shapes = dict[str, list[tuple[int, ...]]]


@asynccontextmanager
async def whisper(**options: Any) -> AsyncIterator[AsyncClient]:
    """A client of a server with one Whisper of these options, and with places for eight calls."""
    settings = Settings(
        port=0,
        synthesizers={"speaker": ModelSpec("tone")},
        transcribers={"whisper": ModelSpec("faster-whisper", concurrency=8, options=options)},
    )
    server = Server(settings)
    await server.start()
    try:
        async with AsyncClient(server.address) as client:
            assert [model.state async for model in client.load_model("whisper")]
            yield client
    finally:
        await server.stop(0)


@pytest.fixture
def shapes(monkeypatch: pytest.MonkeyPatch) -> Callable[[], Shapes]:
    """Returns a function that tells, by operation, the shapes given to the model since its last call."""
    seen: Shapes = defaultdict(list)
    call = whisper_engine.Engine._call

    def noted(self: Any, operation: str, options: Any, rows: Any, extras: Any) -> Any:
        seen[operation].append(rows.shape)
        return call(self, operation, options, rows, extras)

    def taken() -> Shapes:
        found = dict(seen)
        seen.clear()
        return found

    monkeypatch.setattr(whisper_engine.Engine, "_call", noted)
    return taken


def wav(samples: Any) -> bytes:
    data: bytes = (samples * 32767).astype("<i2").tobytes()
    return wav_header(RATE_HERTZ, len(samples)) + data


async def heard(client: AsyncClient, audio: bytes, **options: Any) -> list[Segment]:
    return [segment async for segment in client.transcribe(audio, beam_size=1, **options)]


async def test_calls_that_wait_together_are_one_batch_and_hear_the_same(
    shapes: Callable[[], Shapes],
) -> None:
    async with whisper(batch_size=4, batch_wait_seconds=FOREVER) as client:
        alone = [await heard(client, clip, word_timestamps=True) for clip in CLIPS]
        assert {shape[0] for seen in shapes().values() for shape in seen} == {1}
        together = await asyncio.gather(*(heard(client, clip, word_timestamps=True) for clip in CLIPS))
        batches = shapes()
    for one, other in zip(alone, together, strict=True):
        assert [(segment.text, segment.tokens) for segment in one] == [
            (segment.text, segment.tokens) for segment in other
        ]
        for word, same in zip(one[0].words, other[0].words, strict=True):
            assert word.text == same.text
            assert word.start == pytest.approx(same.start, abs=0.05)
    assert set(batches) == {"encode", "detect_language", "generate", "align"}
    assert all(max(shape[0] for shape in seen) > 1 for seen in batches.values()), batches


async def test_a_caller_who_leaves_does_not_disturb_the_others() -> None:
    async with whisper(batch_size=4, batch_wait_seconds=FOREVER) as client:
        expected = await heard(client, CLIPS[1])
        leaver = asyncio.create_task(heard(client, CLIPS[0]))
        other = asyncio.create_task(heard(client, CLIPS[1]))
        async with client.transcribe(CLIPS[1], beam_size=1) as transcript:
            await transcript.start()
            leaver.cancel()
            rest = [segment async for segment in transcript]
        for segments in (rest, await other):
            assert [segment.text for segment in segments] == [segment.text for segment in expected]


async def test_a_window_is_encoded_once_though_its_language_is_detected(
    shapes: Callable[[], Shapes],
) -> None:
    async with whisper() as client:
        shapes()
        await heard(client, CLIPS[0])
        seen = shapes()
    assert len(seen["encode"]) == len(seen["detect_language"]) == 1


async def test_short_windows_are_not_filled_up_on_a_cpu(shapes: Callable[[], Shapes]) -> None:
    async with whisper() as client:
        shapes()
        segments = await heard(client, CLIPS[0], word_timestamps=True)
        ((_, _, frames),) = shapes()["encode"]
    assert FULL_FRAMES / 4 < frames < FULL_FRAMES / 2
    assert "leisure to consider how much there might be prudently" in segments[0].text
    assert segments[-1].words[-1].end == pytest.approx(6.8, abs=0.3)


@pytest.mark.parametrize("batched", [False, True])
async def test_a_short_window_with_a_word_that_goes_on_as_no_word_does_is_heard_again_in_full(
    shapes: Callable[[], Shapes], batched: bool
) -> None:
    noise = np.random.default_rng(0).normal(0, 0.05, 10 * RATE_HERTZ)
    clip = decode(CLIPS[2], max_seconds=60).samples
    noisy = wav(clip + noise[: len(clip)])
    async with whisper() as client:
        shapes()
        segments = await heard(client, noisy, language_code="en", batched=batched)
        short, full = shapes()["encode"]
    assert short[-1] < full[-1] == FULL_FRAMES
    async with whisper(short_context=False) as client:
        expected = await heard(client, noisy, language_code="en", batched=batched)
    assert [segment.tokens for segment in segments] == [segment.tokens for segment in expected]


async def test_a_language_that_is_not_certain_is_detected_in_the_full_window(
    shapes: Callable[[], Shapes],
) -> None:
    word = wav(decode(CLIPS[0], max_seconds=60).samples[: RATE_HERTZ * 6 // 10])
    async with whisper() as client:
        shapes()
        await heard(client, word)
        seen = shapes()
    short, full = (frames for _, _, frames in seen["encode"][:2])
    assert short < full == FULL_FRAMES
    assert [2 * frames for _, frames, _ in seen["detect_language"]] == [short, full]


@pytest.mark.parametrize("options", [{"short_context": False}, {"batch_size": 2, "batch_wait_seconds": 0}])
async def test_windows_that_are_to_meet_are_full(
    shapes: Callable[[], Shapes], options: dict[str, Any]
) -> None:
    async with whisper(**options) as client:
        shapes()
        await heard(client, CLIPS[1])
        assert {frames for _, _, frames in shapes()["encode"]} == {FULL_FRAMES}
