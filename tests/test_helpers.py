"""Processes that the tests start are ended, even those that fail to start."""

import sys

import psutil
import pytest

from tests.conftest import ServerProcess

MUTE = "import os, time; os.close(1); os.close(2); time.sleep(600)"
"""Says nothing, and goes on."""


def test_a_process_that_does_not_come_up_is_ended() -> None:
    before = set(psutil.Process().children())
    with pytest.raises(AssertionError, match="ended before it logged"):
        ServerProcess(command=(sys.executable, "-c", MUTE))
    assert set(psutil.Process().children()) <= before
