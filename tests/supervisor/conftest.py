"""Houses: one for the tests that leave it as they found it, and others for those that end theirs."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.supervisor.house import House


@pytest.fixture(scope="package")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """Two replicas."""
    house = House(tmp_path_factory.mktemp("house"), "--replicas", "2").ready()
    yield house
    house.stop()


Start = Callable[..., House]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Start a house with its files in the test's folder; none outlives the test."""
    houses = []

    def start(*arguments: str, **options: Any) -> House:
        houses.append(house := House(tmp_path, *arguments, **options))
        return house

    yield start
    for house in houses:
        if house.process.poll() is None:
            house.process.kill()
            house.ended()
