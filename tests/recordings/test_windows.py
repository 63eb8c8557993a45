"""Recordings of several windows, which are heard several at once without being asked to."""

from typing import Any

import numpy as np
import pytest

from audio_grpc.audio import decode, encode
from audio_grpc.backends.base import ModelSpec
from audio_grpc.backends.whisper_engine import EngineSession
from audio_grpc.client import AsyncClient, Segment
from audio_grpc.types import Audio, Encoding
from audio_grpc.v1.speech_to_text_pb2 import DecodingParameters
from tests.conftest import DATA, Start
from tests.test_live_recognition import SPOKEN, error_rate, plain

RATE = 16_000
CLIPS = sorted(DATA.glob("sense_*.flac"))
TIMES = 6
LONG_SECONDS = 30.0


@pytest.fixture(scope="module")
def recording() -> bytes:
    """Five sentences six times, with pauses: two to three minutes."""
    pause = np.zeros(RATE // 2, np.float32)
    clips = [decode(clip.read_bytes(), max_seconds=60).samples for clip in CLIPS]
    sound = np.concatenate([part for _ in range(TIMES) for clip in clips for part in (clip, pause)])
    return b"".join(encode([Audio(sound, RATE)], Encoding.FLAC, RATE))


@pytest.fixture
def windows(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Collects of how many windows the model was asked to make text at once."""
    counts: list[int] = []
    generate = EngineSession.generate

    def noted(session: EngineSession, encoded: Any, *given: Any, **options: Any) -> list[Any]:
        counts.append(len(encoded.rows))
        return generate(session, encoded, *given, **options)

    monkeypatch.setattr(EngineSession, "generate", noted)
    return counts


@pytest.fixture
async def client(start: Start) -> AsyncClient:
    listener = ModelSpec("faster-whisper", options={"batch_size": 4})
    server, client = await start(transcribers={"listener": listener})
    await server.models.transcriber("").load()
    return client


async def heard(client: AsyncClient, recording: bytes, **options: Any) -> list[Segment]:
    return [one async for one in client.transcribe(recording, language_code="en", **options)]


async def test_the_first_window_is_heard_alone_and_later_ones_together(
    client: AsyncClient, recording: bytes, windows: list[int]
) -> None:
    windows.clear()
    segments = await heard(client, recording)
    assert windows[0] == 1
    assert max(windows) > 1
    said = " ".join(SPOKEN[clip.name] for clip in CLIPS)
    assert error_rate(plain(" ".join([said] * TIMES)), plain("".join(one.text for one in segments))) < 0.1
    starts = [one.start for one in segments]
    assert starts == sorted(starts)
    assert max(one.end - one.start for one in segments) < LONG_SECONDS / 2, "sentences, not windows"
    assert not any(one.words for one in segments)


async def test_what_needs_one_window_after_the_other_has_it(
    client: AsyncClient, recording: bytes, windows: list[int]
) -> None:
    conditioned = DecodingParameters(condition_on_previous_text=True)
    assert await heard(client, recording, decoding_parameters=conditioned)
    assert set(windows) == {1}


async def test_a_window_that_looks_wrong_is_heard_again_by_itself(
    client: AsyncClient, recording: bytes, windows: list[int]
) -> None:
    windows.clear()
    never_sure_enough = DecodingParameters(temperatures=[0.0, 0.1], log_prob_threshold=0.0)
    segments = await heard(client, recording, decoding_parameters=never_sure_enough, beam_size=1)
    assert {one.temperature for one in segments} == {0.1}
    assert windows.count(1) > len(windows) / 2
