"""``audio-grpc keys`` and ``--key``, as an operator and a caller use them, against a real server."""

import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import ServerProcess
from tests.test_cli import run
from tests.test_voices import SAMPLE

TONES = '[synthesizers.a]\nbackend = "tone"\n[transcribers.b]\nbackend = "tone"\n'


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with a configuration that names a file of keys, which holds one key."""
    (tmp_path / "audio-grpc.toml").write_text(f'keys_file = "keys.json"\n{TONES}')
    assert run("keys", "add", "somebody", cwd=tmp_path).returncode == 0
    return tmp_path


@pytest.fixture
def server(folder: Path) -> Iterator[ServerProcess]:
    """A server with those keys, that has checked itself."""
    server = ServerProcess("--self-check", cwd=folder)
    yield server
    server.stop()


def add(folder: Path, *arguments: str) -> str:
    done = run("keys", "add", *arguments, cwd=folder)
    assert done.returncode == 0, done.stderr
    return done.stdout.decode()


def test_the_self_check_works_where_keys_are_needed(server: ServerProcess) -> None:
    server.wait_for("spoke  The quick brown fox")
    server.wait_for("heard  The quick brown fox jumps over the lazy dog")
    server.wait_for("hello.wav --server .* --key KEY")
    server.wait_for("authorization: Bearer KEY")


def test_add_list_and_revoke(server: ServerProcess, folder: Path) -> None:
    limits = ("--streams", "2", "--requests-per-minute", "600", "--upload-bytes-per-minute", "1000000")
    out = add(folder, "alice [the first]", *limits)
    assert re.fullmatch(r"ag-[\w-]{43}\n", out), "the key alone, so that it can be piped"
    at = ["models", "--server", server.address]
    assert run(*at, "--key", out.strip(), cwd=folder).returncode == 0
    listed = run("keys", "list", cwd=folder).stdout.decode()
    row = next(line for line in listed.splitlines() if "alice [the first]" in line)
    cells = [cell.strip() for cell in re.split("[│|]", row)]
    assert [cell for cell in cells if cell.isdigit()] == ["2", "600", "1000000"]
    assert out.strip() not in listed
    revoked = run("keys", "revoke", re.findall(r"key_\w+", row)[0], cwd=folder)
    assert (revoked.stdout, b"revoked key_" in revoked.stderr) == (b"", True)
    done = run(*at, "--key", out.strip(), cwd=folder)
    assert done.returncode == 1
    assert b"unknown or was revoked" in done.stderr
    assert out.strip() not in "".join(server.log)


def row_of(folder: Path, name: str) -> str:
    listed = run("keys", "list", cwd=folder)
    return next(line for line in listed.stdout.decode().splitlines() if name in line)


def test_scopes_are_given_shown_and_changed(folder: Path) -> None:
    add(folder, "captions", "--scope", "transcription", "--scope", "history")
    assert "transcription, history" in row_of(folder, "captions")
    assert "speech, transcription" in row_of(folder, "somebody")  # and more below it
    assert "admin" not in run("keys", "list", cwd=folder).stdout.decode()
    done = run("keys", "scopes", "captions", "--scope", "admin", cwd=folder)
    assert (done.returncode, b"has: admin" in done.stderr) == (0, True)
    assert "transcription" not in row_of(folder, "captions")
    mistyped = run("keys", "scopes", "captions", "--scope", "speach", cwd=folder)
    assert mistyped.returncode != 0
    assert b"speech" in mistyped.stderr
    keys = folder / "keys.json"
    keys.write_text(re.sub(r',\s*"scopes": \[[^]]*\]', "", keys.read_text()))
    listed = run("keys", "list", cwd=folder)
    assert b"made before there were scopes" in listed.stderr
    assert b"somebody, captions" in listed.stderr


def test_an_operator_shares_a_voice(folder: Path) -> None:
    (folder / "audio-grpc.toml").write_text(
        'keys_file = "keys.json"\nvoices_path = "voices"\n'
        '[synthesizers.a]\nbackend = "tone"\noptions = {cloning = true}\n[transcribers.b]\nbackend = "tone"\n'
    )
    (folder / "anna.wav").write_bytes(SAMPLE)
    ordinary, other, operator = (
        add(folder, name, *options).strip()
        for name, options in (("one", ()), ("two", ()), ("operator", ("--scope", "admin")))
    )
    server = ServerProcess(cwd=folder)
    try:
        at = ("--server", server.address)
        made = run("voices", "add", "Anna", "anna.wav", *at, "--key", ordinary, cwd=folder)
        assert made.returncode == 0, made.stderr
        say = ("say", "Hi.", "--voice", "Anna", "--out", "hi.wav", *at)
        assert run(*say, "--key", other, cwd=folder).returncode == 1
        refused = run("voices", "share", "Anna", *at, "--key", ordinary, cwd=folder)
        assert (refused.returncode, b"keys scopes one" in refused.stderr) == (1, True)
        assert run("voices", "share", "Anna", *at, "--key", operator, cwd=folder).returncode == 0
        assert run(*say, "--key", other, cwd=folder).returncode == 0
    finally:
        server.stop()


def test_whoever_has_no_key_is_told_how_to_give_one(
    server: ServerProcess, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    secret = add(folder, "alice").strip()
    for command in (["say", "Hi."], ["models"], ["transcribe", "audio-grpc.toml"]):
        done = run(*command, "--server", server.address, cwd=folder)
        assert done.returncode == 1
        assert b"wants a key" in done.stderr
        assert b"--key, or in AUDIO_GRPC_API_KEY" in done.stderr
    report = run("doctor", "--server", server.address, cwd=folder).stdout.decode()
    assert f"{server.address} answers UNAUTHENTICATED" in report
    monkeypatch.setitem(os.environ, "AUDIO_GRPC_API_KEY", secret)
    assert run("say", "Hi.", "--server", server.address, cwd=folder).returncode == 0
    report = run("doctor", "--server", server.address, cwd=folder).stdout.decode()
    assert f"{server.address} is serving: a, b" in report


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["add", "somebody"], "there is a key 'somebody' already"),
        (["add", "x", "--streams", "0"], "--streams"),
        (["revoke", "[/nobody]"], "no key '[/nobody]'; there are: somebody"),
        (["list", "--keys-file", "gone.json"], "gone.json cannot be read"),
        (["list", "--keys-file", "audio-grpc.toml"], "audio-grpc.toml is malformed"),
        (["add", "x", "--config", "other.toml"], "--keys-file"),
    ],
)
def test_mistakes_are_named(folder: Path, arguments: list[str], complaint: str) -> None:
    (folder / "other.toml").write_text(TONES)
    done = run("keys", *arguments, cwd=folder)
    assert done.returncode != 0
    assert complaint in done.stderr.decode()
    assert "Traceback" not in done.stderr.decode()
    assert done.stdout == b""


@pytest.mark.parametrize("command", ["add", "list", "scopes", "revoke"])
def test_every_command_has_help_with_an_example(command: str) -> None:
    done = run("keys", command, "--help")
    assert done.returncode == 0
    assert f"audio-grpc keys {command}" in done.stdout.decode()
    assert "Example" in done.stdout.decode()
