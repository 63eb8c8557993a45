"""Runs the examples of the documents, and checks that generated parts are up to date."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import COMMAND

ROOT = Path(__file__).resolve().parent.parent
README = (ROOT / "README.md").read_text()
PYTHON = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
SHELL = re.findall(r"^audio-grpc (?:say|transcribe|listen|models|doctor).*$", README, re.MULTILINE)


SAID = (
    "Hello there. This arrives in pieces.",
    "VOICE_NOT_FOUND voice",
    "bytes speak characters 0 to 13",
    " Is anybody listening?",
    "transcript.text.done",
)


@pytest.mark.parametrize(
    ("snippet", "said"),
    list(zip(PYTHON, SAID, strict=True)),
    ids=["sync", "async", "live speech", "live hearing", "openai"],
)
def test_the_python_of_the_readme_runs(embedded: str, gateway: str, snippet: str, said: str) -> None:
    code = snippet.replace("127.0.0.1:50051", embedded).replace("127.0.0.1:8080", gateway)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert said in done.stdout


def test_the_commands_of_the_readme_run(embedded: str, tmp_path: Path) -> None:
    played = [line for line in SHELL if "--play" in line]
    assert len(SHELL) > len(played) == 1, "playing needs a loudspeaker"
    for line in SHELL:
        if line not in played:
            command = line.replace("audio-grpc", COMMAND, 1) + f" --server {embedded}"
            done = subprocess.run(
                command, shell=True, cwd=tmp_path, capture_output=True, text=True, timeout=120
            )
            assert done.returncode == 0, (line, done.stderr)


@pytest.mark.parametrize("example", sorted((ROOT / "examples").glob("*.py")), ids=lambda path: path.stem)
def test_the_examples_run(embedded: str, example: Path) -> None:
    done = subprocess.run([sys.executable, example, embedded], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert done.stdout


def test_every_setting_is_in_the_readme() -> None:
    from dataclasses import fields

    from audio_grpc.backends.base import ModelSpec
    from audio_grpc.config import Settings

    names = [*Settings.model_fields, *(field.name for field in fields(ModelSpec))]
    assert [name for name in names if f"`{name}`" not in README] == []


def test_every_setting_of_the_gateway_is_in_its_part_of_the_readme() -> None:
    from audio_gateway.config import Settings

    part = README.partition("### With OpenAI's clients")[2].partition("\n## ")[0]
    assert [name for name in Settings.model_fields if f"`{name}`" not in part] == []


def test_the_stubs_are_those_of_the_contract() -> None:
    done = subprocess.run([sys.executable, "scripts/protos.py", "--check"], cwd=ROOT, capture_output=True)
    assert done.returncode == 0, done.stderr


def test_a_change_that_would_break_callers_is_noticed(tmp_path: Path) -> None:
    """The check in `make lint` can fail."""
    for folder in ("protos", "third_party"):
        shutil.copytree(ROOT / folder, tmp_path / folder)
    shutil.copy(ROOT / "buf.yaml", tmp_path)
    command = [
        str(Path(COMMAND).with_name("buf")),
        "breaking",
        "protos",
        "--against",
        "protos/audio_grpc.binpb",
    ]
    assert subprocess.run(command, cwd=tmp_path, capture_output=True).returncode == 0
    contract = tmp_path / "protos/audio_grpc/v1/text_to_speech.proto"
    contract.write_text(contract.read_text().replace("  string voice = 3;", "  bytes voice = 3;"))
    broken = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert broken.returncode != 0
    assert "voice" in broken.stdout


def test_every_method_of_the_contract_has_a_comment() -> None:
    """A caller reads the .proto files."""
    for path in sorted((ROOT / "protos").rglob("*.proto")):
        previous = ""
        for line in path.read_text().splitlines():
            if re.match(r"  rpc ", line):
                assert previous.strip().startswith("//"), f"{path.name}: {line.strip()}"
            previous = line
