"""Examples of the API's documentation, unchanged but for the address."""

import asyncio
import json
import shutil
import subprocess
import sys
import wave
from pathlib import Path

import pytest

from tests.conftest import PATIENCE_SECONDS
from tests.gateway.chatterbox.examples import CURL, EVENTS, PLAYBACK, STREAMING
from tests.gateway.conftest import Door
from tests.gateway.test_speech import heard

LOUDSPEAKER = """
class RawOutputStream:
    def __init__(self, samplerate, channels, dtype):
        print(f"opened: {samplerate} {channels} {dtype}")
        self.file = open("played.pcm", "wb")

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.file.close()

    def write(self, data):
        self.file.write(data)
"""


async def run(door: Door, folder: Path, *command: str) -> str:
    done = await asyncio.to_thread(
        subprocess.run, command, cwd=folder, capture_output=True, text=True, timeout=PATIENCE_SECONDS
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


async def python(door: Door, folder: Path, code: str) -> str:
    return await run(door, folder, sys.executable, "-c", code.replace("http://localhost:4123", door.url))


async def test_basic_streaming(door: Door, tmp_path: Path) -> None:
    assert "Received chunk" in await python(door, tmp_path, STREAMING)
    said = (tmp_path / "streaming_output.wav").read_bytes()
    assert await heard(door, said) == "This streams as it's generated!"


async def test_events(door: Door, tmp_path: Path) -> None:
    printed = await python(door, tmp_path, EVENTS)
    assert "'sample_rate': 24000, 'channels': 1, 'bits_per_sample': 16" in printed
    assert "Streaming complete" in printed
    said = tmp_path / "sse_output.wav"
    with wave.open(str(said)) as file:
        assert file.getframerate() == 24000
    assert await heard(door, said.read_bytes()) == "This streams as Server-Side Events with raw audio!"


async def test_playback_while_it_comes(door: Door, tmp_path: Path) -> None:
    (tmp_path / "sounddevice.py").write_text(LOUDSPEAKER)
    printed = await python(door, tmp_path, PLAYBACK)
    assert "Audio stream info: 24000Hz, 1ch, int16" in printed
    assert "opened: 24000 1 int16" in printed
    assert "Playback finished." in printed
    played = (tmp_path / "played.pcm").read_bytes()
    said = "This plays in real-time as it streams using the sounddevice library!"
    assert await heard(door, played, "pcm") == said


@pytest.mark.skipif(shutil.which("curl") is None, reason="the examples are for curl")
@pytest.mark.parametrize("command", CURL)
async def test_curl(door: Door, tmp_path: Path, command: str) -> None:
    printed = await run(door, tmp_path, "sh", "-c", command.replace("http://localhost:4123", door.url))
    if "sse" in command:
        assert '"type":"speech.audio.info"' in printed
    else:
        said = (tmp_path / command.split()[-1]).read_bytes()
        assert await heard(door, said) == json.loads(command.split("'")[1])["input"]
