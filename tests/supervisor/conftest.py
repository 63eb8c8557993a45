"""Houses: one for the tests that leave it as they found it, and others for those that end theirs."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.supervisor.stack import RunningStack


@pytest.fixture(scope="package")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningStack]:
    """Two replicas."""
    stack = RunningStack(tmp_path_factory.mktemp("stack"), "--replicas", "2").ready()
    yield stack
    stack.stop()


Start = Callable[..., RunningStack]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Start a stack with its files in the test's folder; none outlives the test."""
    stacks = []

    def start(*arguments: str, **options: Any) -> RunningStack:
        stacks.append(stack := RunningStack(tmp_path, *arguments, **options))
        return stack

    yield start
    for stack in stacks:
        if stack.process.poll() is None:
            stack.process.kill()
            stack.ended()
