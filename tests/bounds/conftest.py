"""Fixtures of the tests of bounds."""

from pathlib import Path

import pytest

from audio_grpc.access import key_file
from audio_grpc.access.limits import KeyLimits


@pytest.fixture
def keys(tmp_path: Path) -> Path:
    """A file with one key, which nobody here has."""
    key_file.add(tmp_path / "keys.json", "somebody", KeyLimits())
    return tmp_path / "keys.json"
