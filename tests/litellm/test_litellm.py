"""LiteLLM in front of our service, and our service in front of LiteLLM (``make test-litellm``)."""

from pathlib import Path

import pytest

from audio_grpc.client import AsyncClient, Encoding, ServiceError
from tests.conftest import Start
from tests.litellm.conftest import PROXY_KEY, litellm
from tests.upstream.conftest import listener, speaker, upstream

pytestmark = pytest.mark.slow

TEXT = "Hello there. Goodbye."
SPEAK = """
import sys, litellm
answer = litellm.speech(
    model="openai/tts-1", voice="alloy", input=sys.argv[2], response_format="wav",
    api_base=f"http://{sys.argv[1]}/v1", api_key="any",
)
answer.stream_to_file(sys.argv[3])
"""
TRANSCRIBE = """
import sys, litellm
answer = litellm.transcription(
    model="openai/whisper-1", file=open(sys.argv[2], "rb"), response_format="verbose_json",
    timestamp_granularities=["word"], api_base=f"http://{sys.argv[1]}/v1", api_key="any",
)
print(answer.text, len(answer.words), answer.duration)
"""
REFUSED = """
import sys, litellm, openai
try:
    litellm.speech(
        model="openai/tts-1", voice="nobody", input="Hi.", api_base=f"http://{sys.argv[1]}/v1", api_key="any"
    )
except openai.NotFoundError as error:
    print(error.message)
"""


def test_litellm_speaks_and_hears_with_our_service(service: str, tmp_path: Path) -> None:
    file = tmp_path / "said.wav"
    litellm(SPEAK, service, TEXT, str(file))
    said = litellm(TRANSCRIBE, service, str(file))
    assert said == f"{TEXT} 3 {len(TEXT) / 10}"


def test_litellm_passes_on_what_our_service_says_is_wrong(service: str) -> None:
    assert "the model has no voice 'nobody'" in litellm(REFUSED, service)


@pytest.fixture
async def client(start: Start, proxy: str, monkeypatch: pytest.MonkeyPatch) -> AsyncClient:
    """A client of a service whose models are at LiteLLM's proxy."""
    monkeypatch.setenv("PROXY_KEY", PROXY_KEY)
    there = {"provider": f"{proxy}/v1", "api_key_env": "PROXY_KEY"}
    voice, ear = (upstream(**there, model=model) for model in ("voice", "ear"))
    _, client = await start(**speaker(voice, any_voice=True), **listener(ear))
    return client


async def test_our_service_speaks_and_hears_with_litellms_proxy(client: AsyncClient) -> None:
    said = b"".join([data async for data in client.synthesize(TEXT, encoding=Encoding.FLAC)])
    segments = [segment async for segment in client.transcribe(said, word_timestamps=True)]
    assert "".join(segment.text for segment in segments).strip() == TEXT
    assert [word.text.strip() for segment in segments for word in segment.words] == TEXT.split()


async def test_what_the_model_behind_the_proxy_refuses_is_told(client: AsyncClient) -> None:
    with pytest.raises(ServiceError) as failure:
        _ = [data async for data in client.synthesize(TEXT, voice="nobody")]
    assert failure.value.reason == "VOICE_NOT_FOUND"
    assert "the model has no voice 'nobody'" in failure.value.message


async def test_events_of_the_proxys_pass_through_come_while_the_model_speaks(
    start: Start, proxy: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The proxy collects bare audio. The word takes minutes; the model's one place is free at once."""
    monkeypatch.setenv("PROXY_KEY", PROXY_KEY)
    through = upstream(
        f"{proxy}/openai/v1",
        model="slow",
        api_key_env="PROXY_KEY",
        stream_format="sse",
        first_result_seconds=30,
    )
    _, client = await start(**speaker(through, voices=["tone"]))
    async with client.synthesize("o" * 400) as speech:
        assert await anext(aiter(speech))
    assert [data async for data in client.synthesize("Hi")]
