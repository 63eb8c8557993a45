"""``audio-grpc history`` as a person uses it."""

import json
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from audio_grpc.client import Client
from tests.conftest import COMMAND, ServerProcess
from tests.eventually import eventually_in_a_thread

SETTINGS = """
database_url = "sqlite:///history.db"
results_url = "results"
history = true
history_audio = "speech"
history_texts = true
[synthesizers.speaker]
backend = "tone"
"""


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a server."""
    home = tmp_path_factory.mktemp("server")
    (home / "audio-grpc.toml").write_text(SETTINGS)
    server = ServerProcess(cwd=home)
    yield server.address
    assert server.stop() == 0


def run(*arguments: str) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run([COMMAND, "history", *arguments], capture_output=True, timeout=60)


def test_requests_are_listed_shown_played_and_forgotten(address: str, tmp_path: Path) -> None:
    at = ["--server", address]
    with Client(address) as client:
        sounds = [b"".join(client.synthesize(f"This is [b]number {number}.")) for number in range(3)]
        eventually_in_a_thread(lambda: len(client.list_past_requests().page().requests) == 3)
        past = client.list_past_requests(page_size=1).page().requests[0]
        assert client.get_past_request(past.id) == past
        assert b"".join(client.past_audio(past.id)) == sounds[2]
    listed = run("list", *at).stdout.decode()
    assert re.search(rf"{past.id}.*Synthesize.*speaker.*OK.*audio/wav.*This is \[b\]number 2\.", listed)
    assert past.id in run("list", "--most", "1", "--model", "speaker", "--status", "OK", *at).stdout.decode()
    shown = json.loads(run("show", past.id, *at).stdout)
    assert (shown["id"], shown["text"]) == (past.id, "This is [b]number 2.")
    out = tmp_path / "again.wav"
    assert f"wrote {out}" in run("audio", past.id, "--out", str(out), *at).stderr.decode().replace("\n", "")
    assert out.read_bytes() == sounds[2]
    assert run("audio", past.id, "--out", "-", *at).stdout == sounds[2]
    assert run("clear", past.id, *at).stderr.decode() == "1 forgotten\n"
    assert run("clear", "--older-than", "1", *at).stderr.decode() == "0 forgotten\n"
    assert run("clear", "--all", *at).stderr.decode() == "2 forgotten\n"
    with Client(address) as client:
        assert list(client.list_past_requests().page().requests) == []
        assert client.delete_past_requests([past.id]) == 0


def test_what_is_to_be_cleared_has_to_be_said(address: str) -> None:
    for wrong in ([], ["--all", "--older-than", "1"], ["req_0123456789abcdef", "--all"]):
        done = run("clear", *wrong, "--server", address)
        assert (done.returncode, done.stdout) == (2, b"")
        assert b"say which requests" in done.stderr
    gone = run("show", "req_0123456789abcdef", "--server", address)
    assert gone.returncode == 1
    assert b"there is no past request" in gone.stderr


@pytest.mark.parametrize("command", ["list", "show", "audio", "clear"])
def test_every_part_has_help_with_an_example(command: str) -> None:
    done = run(command, "--help")
    assert f"audio-grpc history {command}" in done.stdout.decode()
