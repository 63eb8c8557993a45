"""Installs with few extras, or none: the packages of the others are hidden from the program."""

import subprocess
import sys
import tomllib
from importlib.metadata import distribution, packages_distributions
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from audio_grpc.extras import install

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
COMMANDS = "from audio_grpc.cli import main; main()"
SERVER_COMMANDS = {"up", "serve", "envoy", "llm", "doctor", "tune", "keys"}
CLIENT_COMMANDS = {"say", "transcribe", "listen", "models", "voices", "jobs", "history", "status"}


def installed_by(*extras: str) -> set[str]:
    """Returns the names of the packages that these extras bring, with all that they need."""
    seen: set[tuple[str, str]] = set()
    waiting = [(PROJECT["name"], extra) for extra in ("", *extras)]
    while waiting:
        package = waiting.pop()
        if package not in seen:
            seen.add(package)
            waiting += [
                (canonicalize_name(one.name), extra) for one in needs(*package) for extra in ("", *one.extras)
            ]
    return {name for name, _ in seen} - {PROJECT["name"]}


def needs(name: str, extra: str) -> list[Requirement]:
    """Returns what the package needs on this machine, or what its extra adds to that."""
    if name == PROJECT["name"]:
        lines = PROJECT["optional-dependencies"][extra] if extra else PROJECT["dependencies"]
    else:
        lines = distribution(name).requires or []
    return [one for one in map(Requirement, lines) if not one.marker or one.marker.evaluate({"extra": extra})]


def run(
    program: str, *arguments: str, extras: tuple[str, ...] = (), cwd: Path | None = None
) -> subprocess.CompletedProcess[str]:
    """Runs it where only the packages of these extras can be imported."""
    kept = {PROJECT["name"], *installed_by(*extras)}
    hidden = [
        module
        for module, names in packages_distributions().items()
        if module not in sys.stdlib_module_names and not kept & {canonicalize_name(name) for name in names}
    ]
    hide = f"import sys; sys.modules.update(dict.fromkeys({hidden!r})); "
    return subprocess.run(
        [sys.executable, "-c", hide + program, *arguments],
        capture_output=True,
        text=True,
        cwd=cwd,
        timeout=120,
    )


def test_the_client_needs_none_of_the_extras() -> None:
    done = run("import audio_grpc.client")
    assert done.returncode == 0, done.stderr


def test_the_client_brings_little() -> None:
    assert installed_by() == {
        *("googleapis-common-protos", "grpcio", "grpcio-health-checking", "opentelemetry-api", "protobuf"),
        "typing-extensions",
    }


def test_the_client_loads_nothing_of_the_server() -> None:
    """All is installed here, and stays unused."""
    done = run("import audio_grpc.client, sys; print(*sys.modules)", extras=("all",))
    loaded = set(done.stdout.split())
    assert "audio_grpc.client.aio" in loaded
    parts = {name.split(".")[1] for name in loaded if name.startswith("audio_grpc.")}
    assert parts == {"client", "convert", "types", "v1"}
    assert not loaded & {"av", "numpy", "pydantic", "rich", "sqlalchemy", "typer"}


def test_without_the_command_line_it_says_what_to_install() -> None:
    done = run(COMMANDS, "say", "Hello.")
    assert done.returncode == 1
    assert done.stderr.endswith("install the command line with: " + install("cli") + "\n")


def test_the_command_line_tells_which_commands_need_the_server() -> None:
    done = run(COMMANDS, "--help", extras=("cli",))
    assert done.returncode == 0, done.stderr
    lines = [line.strip("│ ").split(maxsplit=1) for line in done.stdout.splitlines() if line.startswith("│")]
    said = {words[0]: words[1] for words in lines if words[0] in SERVER_COMMANDS | CLIENT_COMMANDS}
    assert {name for name in said if said[name] == "Needs the extra [server]."} == SERVER_COMMANDS
    assert set(said) == SERVER_COMMANDS | CLIENT_COMMANDS


@pytest.mark.parametrize("arguments", [("serve", "--port", "0"), ("up", "--help"), ("listen", __file__)])
def test_what_needs_the_server_says_how_to_install_it(arguments: tuple[str, ...]) -> None:
    done = run(COMMANDS, *arguments, extras=("cli",))
    assert done.returncode == 2
    assert f"install it with: {install('server')}" in done.stderr


def test_the_command_line_speaks_and_listens_without_the_server(embedded: str, tmp_path: Path) -> None:
    at = ("--server", embedded)
    said = run(COMMANDS, "say", "Hello there.", "--out", "a.wav", *at, extras=("cli",), cwd=tmp_path)
    assert said.returncode == 0, said.stderr
    heard = run(COMMANDS, "transcribe", "a.wav", *at, extras=("cli",), cwd=tmp_path)
    assert "hello there" in heard.stdout.lower(), heard.stderr


def test_the_gateway_needs_nothing_of_the_server() -> None:
    done = run("from audio_gateway.__main__ import main; main()", "--help", extras=("gateway",))
    assert done.returncode == 0, done.stderr
    assert not installed_by("gateway") & {"av", "numpy", "sqlalchemy"}


def test_all_brings_what_is_pinned() -> None:
    pinned = {
        line.split("==")[0] for line in (ROOT / "constraints.txt").read_text().splitlines() if "==" in line
    }
    assert installed_by("all") <= pinned
