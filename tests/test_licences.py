"""THIRD_PARTY.md names what is installed, and nothing copyleft slips in with an update."""

import re
from importlib.metadata import distributions
from pathlib import Path

import pytest
from packaging.licenses import canonicalize_license_expression

ROOT = Path(__file__).resolve().parent.parent
CARRIES_GPL = {"av"}  # its wheels bring x264 and x265; THIRD_PARTY.md has a section on it


def _pinned() -> set[str]:
    return set(re.findall(r"^([a-z0-9-]+)==", (ROOT / "constraints.txt").read_text(), re.MULTILINE))


def _rows() -> list[tuple[str, str]]:
    """Package and licence of each row of the table of packages."""
    section = re.search(r"^## Packages$(.*?)^## ", (ROOT / "THIRD_PARTY.md").read_text(), re.M | re.S)
    assert section
    return re.findall(r"^\| ([a-z0-9][a-z0-9-]*) \| ([^|]+) \| [^|]+ \|$", section[1], re.MULTILINE)


LICENCES = dict(_rows())


def test_every_pinned_package_has_one_row_and_no_row_is_stale() -> None:
    assert sorted(name for name, _ in _rows()) == sorted(_pinned())


@pytest.mark.parametrize("name", sorted(LICENCES))
def test_a_licence_is_a_valid_expression_and_not_the_gpl(name: str) -> None:
    assert canonicalize_license_expression(LICENCES[name]) == LICENCES[name]
    assert ("GPL" in LICENCES[name]) == (name in CARRIES_GPL)


def test_the_licences_are_those_that_the_installed_packages_state() -> None:
    stated = {
        package.name: expression
        for package in distributions()
        for expression in package.metadata.get_all("License-Expression", [])
        if package.name in LICENCES
    }
    assert len(stated) > len(LICENCES) / 2
    missed = {name: stated[name] for name in stated if not _names(stated[name]) <= _names(LICENCES[name])}
    assert missed == {}


def test_the_gpl_of_a_wheel_has_a_section_before_the_table() -> None:
    before_the_table = (ROOT / "THIRD_PARTY.md").read_text().partition("## Packages")[0]
    assert re.search(r"^## PyAV.*GPL$", before_the_table, re.MULTILINE)


def _names(expression: str) -> set[str]:
    return set(re.findall(r"[\w.+-]+", expression)) - {"AND", "OR", "WITH"}
