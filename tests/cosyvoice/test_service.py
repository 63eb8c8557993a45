"""The whole way: a server with a miniature model, and a client."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from audio_grpc.audio import encode
from audio_grpc.backends.base import ModelSpec
from audio_grpc.backends.cosyvoice import CosyVoice
from audio_grpc.client import AsyncClient, Encoding, ServiceError
from audio_grpc.types import SynthesisOptions
from tests.conftest import Start
from tests.cosyvoice.conftest import sample, spec

RATE = 24000


@pytest.fixture
async def client(start: Start, directory: Callable[[int], Path]) -> AsyncClient:
    """A client of a server with CosyVoice 2 and the tone listener."""
    given = spec(directory(2), max_token_ratio=2.5)
    model = ModelSpec("cosyvoice", path=given.path, options=given.options, concurrency=2)
    return (await start(synthesizers={"cosyvoice": model}))[1]


async def spoken(client: AsyncClient, text: str = "Only noise.", **options: Any) -> bytes:
    options = {"encoding": Encoding.PCM_S16LE, **options}
    return b"".join([data async for data in client.synthesize(text, **options)])


async def test_a_sample_becomes_a_voice_that_speaks(
    client: AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[SynthesisOptions] = []
    synthesize = CosyVoice.synthesize

    def overheard(self: CosyVoice, text: str, options: SynthesisOptions) -> Any:
        asked.append(options)
        return synthesize(self, text, options)

    monkeypatch.setattr(CosyVoice, "synthesize", overheard)
    wav = b"".join(encode([sample().audio], Encoding.WAV, RATE))
    voice = await client.create_voice("Anna", wav)
    assert len(await spoken(client, voice="Anna")) > RATE
    assert asked[0].sample is not None
    assert (asked[0].voice, asked[0].sample.audio.sample_rate_hertz) == (voice.id, RATE)
    assert asked[0].sample.transcript, "the tone listener hears something in any noise"
    listed = [voice.name for voice in await client.list_voices()]
    assert listed == ["trained", "recorded", voice.id]


async def test_options_reach_the_model(client: AsyncClient) -> None:
    normal = await spoken(client, voice="recorded")
    slow = await spoken(client, voice="recorded", speed=0.5, instructions="Be happy.")
    assert len(slow) == 2 * len(normal)
    assert np.abs(np.frombuffer(slow, "<i2")).max() > 1000
    async with client.synthesize("Noise.", speed=2.0, seed=1) as speech:
        assert list((await speech.start()).ignored_fields) == ["seed"]
    with pytest.raises(ServiceError) as refusal:
        await spoken(client, voice="trained", instructions="Be happy.")
    assert (refusal.value.reason, refusal.value.field) == ("OPTION_UNSUPPORTED", "instructions")


async def test_a_caller_who_leaves_makes_room(client: AsyncClient) -> None:
    for _ in range(3):  # more than there are places
        async with client.synthesize("Every word of this is only noise. " * 3) as speech:
            await speech.start()
    assert await spoken(client)


async def test_a_model_that_breaks_breaks_the_call_and_not_the_next(
    client: AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    await spoken(client)
    import cosyvoice.llm.llm as module

    with monkeypatch.context() as broken:
        broken.setattr(module.Qwen2LM, "inference", lambda *_, **__: iter([1 / 0]))
        with pytest.raises(ServiceError) as failure:
            await spoken(client)
    assert (failure.value.code.name, failure.value.reason) == ("INTERNAL", "MODEL_FAILED")
    assert await spoken(client)


async def test_a_broken_gpu_has_the_model_loaded_again(
    client: AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    await spoken(client)
    import cosyvoice.llm.llm as module

    def inference(*_: object, **__: object) -> None:
        raise RuntimeError("CUDA error: an illegal memory access was encountered")

    with monkeypatch.context() as broken:
        broken.setattr(module.Qwen2LM, "inference", inference)
        with pytest.raises(ServiceError) as failure:
            await spoken(client)
    assert (failure.value.code.name, failure.value.reason) == ("INTERNAL", "MODEL_CRASHED")
    assert await spoken(client)


async def test_text_without_a_word_is_silence(client: AsyncClient) -> None:
    assert set(await spoken(client, "😀")) == {0}
