"""Instructions to install optional parts can be followed."""

import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from audio_grpc.extras import install

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
EXTRAS = set(PROJECT["optional-dependencies"])


def texts() -> Iterator[tuple[Path, str]]:
    folders = [ROOT / name for name in ("audio_grpc", "gateway", "docs", "examples", "benchmarks", "protos")]
    files = [path for folder in folders for path in folder.rglob("*")]
    for path in [*files, *ROOT.glob("*.md"), ROOT / "Makefile", ROOT / "pyproject.toml"]:
        if (
            path.suffix in {".py", ".md", ".js", ".html", ".toml", ".proto", ".yaml"}
            or path.name == "Makefile"
        ):
            yield path, path.read_text()


def test_the_package_is_not_asked_of_an_index_that_does_not_have_it() -> None:
    named = re.compile(r"pip install\s+\S*(audio-grpc|audio_grpc)(?![\w./-]*\.whl)")
    assert [path for path, text in texts() if named.search(text)] == []


def test_every_extra_that_is_named_exists() -> None:
    used = {
        extra
        for path, text in texts()
        for extra in re.findall(r"""(?:pip install '\.\[|\binstall\(["'])([\w-]+)""", text)
    }
    assert {"postgresql", "embedded", "gateway", "telemetry", "kokoro"} <= used <= EXTRAS


@pytest.mark.parametrize("extra", sorted(EXTRAS))
def test_the_command_names_the_clone_and_the_wheel(extra: str) -> None:
    assert install(extra).startswith(f"pip install '.[{extra}]' in a clone")
    assert "wheel" in install(extra)
