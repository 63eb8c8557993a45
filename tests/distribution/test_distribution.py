"""The wheel and the source distribution, each installed into an empty environment; see ``make dist``."""

import os
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ServerProcess

ROOT = Path(__file__).parents[2]
UV = Path(sys.executable).with_name("uv")
pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]


def built(pattern: str) -> Path:
    (path,) = (ROOT / "dist").glob(pattern)
    return path


def run(*command: str | Path, cwd: Path) -> str:
    """Returns what it prints; away from the clone, and from what is set here."""
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith(("AUDIO_", "PYTHON"))
    }
    done = subprocess.run(
        [*map(str, command)], cwd=cwd, env=environment, capture_output=True, text=True, timeout=600
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module", params=["*.whl", "*.tar.gz"], ids=["wheel", "sdist"])
def environment(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The commands of one with what is installed alone."""
    return installed(tmp_path_factory.mktemp("environment"), "[gateway,envoy]", built(request.param))


@pytest.fixture(scope="module")
def light(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The commands of the wheel without any extra."""
    return installed(tmp_path_factory.mktemp("light"), "", built("*.whl"))


def installed(folder: Path, extras: str, file: Path) -> Path:
    """Installs the file into a new environment, and returns the folder of its commands."""
    run(UV, "venv", "--quiet", "--python", sys.executable, folder / "venv", cwd=folder)
    python = folder / "venv" / "bin" / "python"
    package = f"audio-grpc{extras} @ {file.as_uri()}"
    run(UV, "pip", "install", "--quiet", "--python", python, package, cwd=folder)
    return python.parent


def test_commands_say_what_they_do(environment: Path, tmp_path: Path) -> None:
    assert "transcribe" in run(environment / "audio-grpc", "--help", cwd=tmp_path)
    assert "--port" in run(environment / "audio-gateway", "--help", cwd=tmp_path)


def test_the_doctor_runs(environment: Path, tmp_path: Path) -> None:
    report = run(environment / "audio-grpc", "doctor", "--no-load", cwd=tmp_path)
    assert "0.1.0" in report


def test_envoy_has_its_configuration_and_the_contract(environment: Path, tmp_path: Path) -> None:
    rendered = run(environment / "audio-grpc", "envoy", "--print", cwd=tmp_path)
    assert "static_resources" in rendered
    assert str(environment.parent / "share" / "audio-grpc" / "protos" / "audio_grpc.binpb") in rendered
    assert (environment.parent / "share" / "audio-grpc" / "protos" / "audio_grpc.binpb").is_file()


def test_the_migrations_are_there(environment: Path, tmp_path: Path) -> None:
    make = (
        "import asyncio; from audio_grpc.storage import Database; "
        "asyncio.run(Database('sqlite:///audio.db').run('open it', lambda connection: None))"
    )
    run(environment / "python", "-c", make, cwd=tmp_path)
    with sqlite3.connect(tmp_path / "audio.db") as file:
        assert file.execute("SELECT count(*) FROM jobs").fetchone() == (0,)
    file.close()


def test_the_page_is_there(environment: Path, tmp_path: Path) -> None:
    look = "import audio_gateway; print(audio_gateway.__path__[0])"
    page = Path(run(environment / "python", "-c", look, cwd=tmp_path).strip()) / "playground" / "page"
    assert ROOT not in page.parents
    expected = {path.name for path in (ROOT / "gateway/audio_gateway/playground/page").iterdir()}
    assert {path.name for path in page.iterdir()} == expected


def test_types_and_licence_are_there(environment: Path, tmp_path: Path) -> None:
    look = "import audio_grpc; print(audio_grpc.__path__[0])"
    package = Path(run(environment / "python", "-c", look, cwd=tmp_path).strip())
    assert (package / "py.typed").is_file()
    assert (package / "v1" / "speech_to_text_pb2.pyi").is_file()
    assert list(package.parent.glob("audio_grpc-*.dist-info/licenses/LICENSE"))


def test_an_absent_extra_is_named_with_a_command_that_works(environment: Path, tmp_path: Path) -> None:
    done = subprocess.run(
        [environment / "audio-grpc", "doctor"], cwd=tmp_path, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 1
    assert "pip install '.[embedded]'" in " ".join(done.stdout.split())


def test_the_light_client_calls_a_server(environment: Path, light: Path, tmp_path: Path) -> None:
    tone = '[synthesizers.speaker]\nbackend = "tone"\n[transcribers.listener]\nbackend = "tone"\n'
    (tmp_path / "audio-grpc.toml").write_text(tone)
    server = ServerProcess(command=(str(environment / "audio-grpc"), "serve"), cwd=tmp_path)
    call = (
        "import sys; from audio_grpc.client import Client; client = Client(sys.argv[1]); "
        "print(*(one.text for one in client.transcribe(b''.join(client.synthesize('abc')))))"
    )
    try:
        assert "abc" in run(light / "python", "-c", call, server.address, cwd=tmp_path)
    finally:
        assert server.stop() == 0


def test_the_light_client_has_no_package_of_the_server(light: Path, tmp_path: Path) -> None:
    names = "from importlib.metadata import distributions; print(*(one.name for one in distributions()))"
    packages = set(run(light / "python", "-c", names, cwd=tmp_path).split())
    assert {"audio-grpc", "grpcio", "protobuf"} <= packages
    assert not packages & {"av", "numpy", "pydantic", "rich", "SQLAlchemy", "typer"}
    assert (light / "audio-grpc").is_file()
