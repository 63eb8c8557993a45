"""The local language model: served by the command, and a spoken question answered in speech."""

import io
import json
import signal
import subprocess
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from audio_grpc.audio import decode
from audio_grpc.client import AsyncClient, Encoding
from audio_grpc.v1.conversation_pb2 import ReplyAudio, ReplyDone, TurnFinished
from audio_grpc.v1.speech_to_text_pb2 import UtteranceTranscript
from tests.conftest import COMMAND, PATIENCE_SECONDS, ServerProcess
from tests.conversation.conftest import rest, sound

RATE = 16000


@pytest.fixture(scope="module")
def llm() -> Iterator[ServerProcess]:
    process = ServerProcess(command=(COMMAND, "llm"), ready=r"language model on (\S+)")
    yield process
    assert process.stop(signal.SIGTERM) == 0


@pytest.fixture(scope="module")
def talker(llm: ServerProcess, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a server with the default models, whose conversations ask that model."""
    file = tmp_path_factory.mktemp("talker") / "audio-grpc.toml"
    file.write_text(
        f'[pipelines.voice-agent-fast.llm]\nbase_url = "{llm.address}"\nmax_tokens = 30\ntemperature = 0.0\n'
    )
    process = ServerProcess("--config", str(file))
    yield process.address
    process.stop()


@pytest.mark.slow
def test_the_command_serves_the_model_and_its_health(llm: ServerProcess) -> None:
    with urllib.request.urlopen(
        f"{llm.address.removesuffix('/v1')}/health", timeout=PATIENCE_SECONDS
    ) as health:
        assert json.load(health) == {"status": "ok"}


@pytest.mark.slow
async def test_a_spoken_question_is_answered_in_speech(talker: str) -> None:
    async with AsyncClient(talker) as client:
        question = b"".join([data async for data in client.synthesize("What is the capital of France?")])
        samples = decode(question, max_seconds=60, sample_rate_hertz=RATE).samples
        async with client.converse(
            sample_rate_hertz=RATE, speaking={"encoding": Encoding.WAV}
        ) as conversation:
            pcm = (samples * 32767).astype("<i2").tobytes()
            for start in range(0, len(pcm), RATE // 5):
                await conversation.write(pcm[start : start + RATE // 5])
            await conversation.write(bytes(RATE * 2))
            await conversation.end()
            events, finished = await rest(conversation)
        spoken = io.BytesIO(sound(events)).getvalue()
        said = "".join([segment.text async for segment in client.transcribe(spoken)])
    [transcript] = [event.text for event in events if isinstance(event, UtteranceTranscript)]
    assert "capital of France" in transcript
    [reply] = [event.text for event in events if isinstance(event, ReplyDone)]
    assert "Paris" in reply
    assert "Paris" in said
    assert isinstance(events[-1], TurnFinished)
    assert next(event for event in events if isinstance(event, ReplyAudio)).audio.mark.text_start == 0
    assert finished.thinking.completion_tokens > 0


@pytest.mark.slow
def test_a_file_that_is_not_there_is_said(tmp_path: Path) -> None:
    done = subprocess.run(
        [COMMAND, "llm", "--path", str(tmp_path / "none.gguf")], capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 2
    assert "there is no file" in done.stderr
