"""A long silence, of which Whisper makes nothing, does not keep others from their turn."""

import asyncio
from typing import Any

import numpy as np
import pytest

from audio_grpc.audio import encode
from audio_grpc.backends.base import ModelSpec
from audio_grpc.backends.whisper_engine import EngineSession
from audio_grpc.client import AsyncClient
from audio_grpc.types import Audio, Encoding
from audio_grpc.v1.speech_to_text_pb2 import DecodingParameters
from tests.conftest import DATA, Start
from tests.eventually import eventually

WHISPER = {"listener": ModelSpec("faster-whisper", threads=1, concurrency=4)}
HUM = np.random.default_rng(0).normal(0, 1e-3, 16000 * 240).astype(np.float32)
SILENCE = b"".join(encode([Audio(HUM, 16000)], Encoding.FLAC, 16000))
"""Eight windows, no two of which are equal: those would be encoded once."""
NO_RESULT = DecodingParameters(no_speech_threshold=0.0, log_prob_threshold=0.0)
"""Every window is taken for silence."""


@pytest.fixture
def steps(monkeypatch: pytest.MonkeyPatch) -> list[EngineSession]:
    """Collects what is asked of the model, as the calls that ask."""
    asked: list[EngineSession] = []
    generate = EngineSession.generate

    def noted(session: EngineSession, *given: Any, **options: Any) -> list[Any]:
        asked.append(session)
        return generate(session, *given, **options)

    monkeypatch.setattr(EngineSession, "generate", noted)
    return asked


async def heard(client: AsyncClient, recording: bytes, **options: Any) -> str:
    options |= {"language_code": "en", "voice_activity_detection": False, "temperature": 0.0}
    return "".join([one.text async for one in client.transcribe(recording, **options)])


async def test_windows_of_silence_take_turns_with_another_call(
    start: Start, steps: list[EngineSession]
) -> None:
    server, client = await start(transcribers=WHISPER)
    await server.models.transcriber("").load()
    steps.clear()
    long = asyncio.create_task(heard(client, SILENCE, decoding_parameters=NO_RESULT))
    await eventually(lambda: steps)
    text = await heard(client, (DATA / "sense_and_sensibility_0880.flac").read_bytes())
    assert text.strip()
    so_far = list(steps)
    assert not long.done()
    silence = so_far[0]
    others = [place for place, session in enumerate(so_far) if session is not silence]
    between = sum(session is silence for session in so_far[others[0] : others[-1]])
    assert between <= len(others), "step by step"
    assert await long == ""
    assert sum(session is silence for session in steps) >= 8


async def test_who_leaves_a_silence_ends_the_work_on_it(start: Start, steps: list[EngineSession]) -> None:
    server, client = await start(transcribers=WHISPER)
    model = server.models.transcriber("")
    await model.load()
    steps.clear()
    long = asyncio.create_task(heard(client, SILENCE, decoding_parameters=NO_RESULT))
    await eventually(lambda: steps)
    long.cancel()
    await eventually(lambda: not model.admission.running)
    assert len(steps) < 8
