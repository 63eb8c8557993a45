"""Runs the examples of the documents, and checks that generated parts are up to date."""

import re
import shlex
import shutil
import subprocess
import sys
from dataclasses import fields
from pathlib import Path

import pytest
from typer.testing import CliRunner

from audio_gateway import cli as gateway_cli
from audio_gateway import config as gateway_config
from audio_grpc import config
from audio_grpc.backends import registry
from audio_grpc.backends.base import ModelSpec
from audio_grpc.cli.app import SUBCOMMANDS, app
from tests.conftest import COMMAND
from tests.snippets import PAGES, ROOT, snippets

SAID = {
    "README.md": ("Hello there.", "Hello there. This arrives in pieces."),
    "docs/tutorials/first-calls.md": ("characters spoken", "VOICE_NOT_FOUND voice"),
    "docs/guides/openai.md": ("transcript.text.done",),
    "docs/guides/live.md": ("bytes speak characters 0 to 13", " Is anybody listening?"),
    "docs/guides/grpc.md": ("bytes, 12 characters spoken",),
}
"""What the Python of each page prints, in its order."""
ELSEWHERE = {"docs/tutorials/voice-assistant.md"}
"""Pages whose Python needs more than a server: tests/conversation/test_tutorial.py."""
PYTHON = [
    (page, snippet, said)
    for page, lines in SAID.items()
    for snippet, said in zip(snippets("python", page), lines, strict=True)
]
RUN = ("README.md", "docs/tutorials/first-calls.md")
TOML = [(page, snippet) for page in PAGES for snippet in snippets("toml", page)]
COMMANDS = {
    line
    for page, text in PAGES.items()
    for line in (
        *(line for block in snippets("sh", page) for line in block.splitlines()),
        *re.findall(r"`([^`\n]+)`", text),
    )
    if re.match(r"audio-(grpc|gateway) (?!COMMAND)", line)
}


def test_all_python_of_the_documents_is_run() -> None:
    assert {page for page in PAGES if snippets("python", page)} == SAID.keys() | ELSEWHERE


@pytest.mark.parametrize(("page", "snippet", "said"), PYTHON, ids=lambda text: text[:40])
def test_the_python_of_the_documents_runs(
    embedded: str, gateway: str, page: str, snippet: str, said: str
) -> None:
    code = snippet.replace("127.0.0.1:50051", embedded).replace("127.0.0.1:8080", gateway)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, (page, done.stderr)
    assert said in done.stdout


def test_the_first_commands_of_the_documents_run(embedded: str, tmp_path: Path) -> None:
    shell = "".join(block for page in RUN for block in snippets("sh", page))
    lines = re.findall(r"^audio-grpc (?:say|transcribe|listen|models|doctor).*$", shell, re.MULTILINE)
    played = [line for line in lines if "--play" in line]
    assert len(lines) > len(played) == 1, "playing needs a loudspeaker"
    for line in dict.fromkeys(lines):
        if line not in played:
            command = line.replace("audio-grpc", COMMAND, 1) + f" --server {embedded}"
            done = subprocess.run(
                command, shell=True, cwd=tmp_path, capture_output=True, text=True, timeout=120
            )
            assert done.returncode == 0, (line, done.stderr)


@pytest.mark.parametrize("line", sorted(COMMANDS))
def test_every_command_of_the_documents_exists(line: str) -> None:
    """With all of its options; they are read before the help is shown."""
    name, *words = shlex.split(line, comments=True)
    command = {"audio-grpc": app, "audio-gateway": gateway_cli.app}[name]
    done = CliRunner().invoke(command, [*words, "--help"])
    assert done.exit_code == 0, done.output


@pytest.mark.parametrize(("page", "snippet"), TOML, ids=lambda text: text[:40])
def test_every_configuration_of_the_documents_is_accepted(page: str, snippet: str, tmp_path: Path) -> None:
    file = tmp_path / "audio-grpc.toml"
    file.write_text(snippet)
    settings = config.load(file)
    gateway_config.load(file)
    for spec in settings.synthesizers.values():
        registry.synthesizer(spec.backend)(spec)
    for spec in settings.transcribers.values():
        registry.transcriber(spec.backend)(spec)


def test_every_link_of_the_documents_leads_somewhere() -> None:
    """`make docs` sees to those between the pages of docs/."""
    for name in ("README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "CHANGELOG.md"):
        for target in re.findall(r"\]\((?!https?:|#)([^)#]+)", (ROOT / name).read_text()):
            assert (ROOT / target).exists(), (name, target)


def test_the_readme_is_short() -> None:
    assert len(PAGES["README.md"].splitlines()) <= 150


@pytest.mark.parametrize("example", sorted((ROOT / "examples").glob("*.py")), ids=lambda path: path.stem)
def test_the_examples_run(embedded: str, example: Path) -> None:
    done = subprocess.run([sys.executable, example, embedded], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert done.stdout


@pytest.fixture(scope="module")
def reference(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The generated pages."""
    folder = tmp_path_factory.mktemp("reference")
    subprocess.run([sys.executable, "scripts/reference.py", str(folder)], cwd=ROOT, check=True, timeout=120)
    return folder


def test_every_setting_is_in_the_reference_with_what_it_does(reference: Path) -> None:
    page = (reference / "settings.md").read_text()
    rows = dict(re.findall(r"^\| `(\w+)` \|.*\| ([^|]*) \|$", page, re.MULTILINE))
    settings = (config.Settings, config.EnvoySettings, config.LlmSettings, gateway_config.GatewaySettings)
    names = {name for one in settings for name in one.model_fields} | {one.name for one in fields(ModelSpec)}
    assert names <= rows.keys()
    assert [name for name, described in rows.items() if not described] == []


def test_every_method_and_message_is_in_the_reference(reference: Path) -> None:
    pages = "".join(path.read_text() for path in (reference / "grpc").glob("*.md"))
    for path in (ROOT / "protos").rglob("*.proto"):
        for kind, name in re.findall(r"^ *(service|rpc|message|enum) (\w+)", path.read_text(), re.MULTILINE):
            assert re.search(f"^##+ {name}$", pages, re.MULTILINE), (kind, name)
    assert "- REST: `POST /api/v1/synthesize`" in pages
    assert "INVALID_ARGUMENT (TEXT_EMPTY, TEXT_TOO_LONG)" in pages, "comments"


def test_every_path_and_command_is_in_the_reference(reference: Path) -> None:
    http = (reference / "http.md").read_text()
    paths = (
        "POST /v1/audio/speech",
        "POST /v1/audio/transcriptions",
        "GET /v1/past-requests/{past_id}/audio",
    )
    assert [path for path in paths if f"### `{path}`" not in http] == []
    assert "Text that came before, or spellings to expect." in http, "fields"
    commands = (reference / "commands.md").read_text()
    assert [name for name in SUBCOMMANDS if f"`audio-grpc {name}`" not in commands] == []
    assert "`--server-tls-ca FILE`" in commands.partition("## `audio-gateway`")[2]


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
