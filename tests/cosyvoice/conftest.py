"""Miniature models, loaded through the library's own code; they need torch (``make test-cosyvoice``).

With COSYVOICE_PATH, a checkout of the official code, they run on that, and version 3 runs as well.
"""

import os
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from audio_grpc.backends.base import ModelSpec
from audio_grpc.backends.cosyvoice import CosyVoice
from audio_grpc.types import Audio, Speech, SynthesisOptions, VoiceSample

if find_spec("torch") is None:
    collect_ignore_glob = ["test_*.py"]

CHECKOUT = Path(os.environ["COSYVOICE_PATH"]) if "COSYVOICE_PATH" in os.environ else None
NO_VERSION_3 = "version 3 is in the official code only; name a checkout in COSYVOICE_PATH"
TOKENS_PER_SECOND = {1: 50, 2: 25, 3: 25}
TOKEN_RATIO = {1: 22.0, 2: 2.5, 3: 2.5}
"""The ratio that makes two or three chunks of a short text; version 1 has larger chunks."""
TEXT = "Every word of this is only noise."
LATE = {1: 150, 2: 60, 3: 60}
"""A token of TEXT after the first chunk."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The library is older than torch, and leaves files to the garbage collector."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.filterwarnings("ignore::FutureWarning"))
            item.add_marker(pytest.mark.filterwarnings("ignore::DeprecationWarning"))
            item.add_marker(pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"))


@pytest.fixture(scope="session")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Callable[[int], Path]:
    """The directory of the miniature model of a version."""
    from tests.cosyvoice import miniature

    made: dict[int, Path] = {}

    def of(version: int) -> Path:
        if version not in made:
            made[version] = miniature.write(tmp_path_factory.mktemp(f"v{version}"), version, CHECKOUT)
        return made[version]

    return of


def spec(path: Path | str, **options: Any) -> ModelSpec:
    """A model as the configuration has it."""
    if CHECKOUT is not None:
        options.setdefault("cosyvoice_path", str(CHECKOUT))
    return ModelSpec("cosyvoice", path=str(path), options=options)


@pytest.fixture(
    scope="session",
    params=[1, 2, pytest.param(3, marks=pytest.mark.skipif(CHECKOUT is None, reason=NO_VERSION_3))],
    ids=["v1", "v2", "v3"],
)
def version(request: pytest.FixtureRequest) -> int:
    """Each version that the library has."""
    number: int = request.param
    return number


@pytest.fixture(scope="session")
def backend(version: int, directory: Callable[[int], Path]) -> CosyVoice:
    """The miniature model of that version, in memory."""
    import torch

    torch.set_num_threads(1)  # the layers are too small to share
    loaded = CosyVoice(spec(directory(version), max_token_ratio=TOKEN_RATIO[version]))
    loaded.load()
    return loaded


@pytest.fixture(scope="session")
def speech(backend: CosyVoice) -> list[Speech]:
    """TEXT, spoken by itself."""
    return speak(backend)


@pytest.fixture(scope="session")
def usual(speech: list[Speech]) -> list[int]:
    """Returns the number of samples of each chunk."""
    return sizes(speech)


def speak(backend: CosyVoice, text: str = TEXT, *, voice: str = "trained", **options: Any) -> list[Speech]:
    """All that it says."""
    return list(backend.synthesize(text, SynthesisOptions(voice, **options)))


def sizes(chunks: list[Speech]) -> list[int]:
    """Returns the number of samples of each chunk."""
    return [len(chunk.audio.samples) for chunk in chunks]


def sample(transcript: str = "", seconds: float = 2.0, voice_id: str = "voice_1") -> VoiceSample:
    """A recording of somebody who says nothing but noise."""
    noise = np.random.default_rng(7).uniform(-0.3, 0.3, round(seconds * 24000)).astype(np.float32)
    return VoiceSample(voice_id, Audio(noise, 24000), transcript)
