"""``audio-grpc up`` with the embedded models, and programs that call it with packages of their own.

``make test-clients`` installs those; the tests themselves run in the usual environment.
"""

import shutil
import subprocess
import wave
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from audio_grpc.audio import decode_blocks
from tests.conftest import DATA
from tests.snippets import ROOT
from tests.supervisor.stack import RunningStack
from tests.test_live_recognition import pcm

RATE_HERTZ = 24000
HERE = Path(__file__).parent
PYTHON = ROOT / ".venv-clients" / "bin" / "python"
WYOMING_PYTHON = ROOT / ".venv-wyoming" / "bin" / "python"
RECORDING = DATA / "sense_and_sensibility_0880.flac"
needs_wyoming = pytest.mark.skipif(not WYOMING_PYTHON.exists(), reason="Python 3.12 was not found")
needs_node = pytest.mark.skipif(shutil.which("node") is None, reason="node is not installed")

Program = Callable[[str], list[str]]


@pytest.fixture(scope="package")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningStack]:
    """A stack with the default models."""
    stack = RunningStack(tmp_path_factory.mktemp("stack"), models="").ready()
    yield stack
    stack.stop()


@pytest.fixture(scope="package")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The recording as bare samples with a header, at the rate of OpenAI's realtime API."""
    path = tmp_path_factory.mktemp("sound") / "a.wav"
    blocks = decode_blocks(RECORDING.read_bytes(), sample_rate_hertz=RATE_HERTZ, max_seconds=60)
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, RATE_HERTZ, 0, "NONE", ""))
        file.writeframes(pcm(*(block.audio.samples for block in blocks)))
    return path


@pytest.fixture
def program(stack: RunningStack, sound: Path) -> Program:
    """Runs a program, and returns the lines that it prints."""

    def run(name: str) -> list[str]:
        url = f"http://{stack.address}"
        if name.endswith(".py"):
            python = WYOMING_PYTHON if name.startswith("wyoming") else PYTHON
            command = [str(python), str(HERE / "programs" / name), url, str(sound)]
        else:
            command = [
                "node",
                str(HERE / "node" / name),
                url,
                str(sound),
                str(ROOT / "protos/audio_grpc.binpb"),
            ]
        done = subprocess.run(command, capture_output=True, text=True, timeout=150)
        assert done.returncode == 0, done.stderr[-4000:]
        return done.stdout.splitlines()

    return run
