"""``audio-grpc jobs`` as a person uses it."""

import re
import subprocess
import wave
from collections.abc import Iterator
from pathlib import Path

import pytest

from audio_grpc.client import Client
from tests.conftest import COMMAND, ServerProcess
from tests.jobs.conftest import TEXT

SLOW_SERVER = """
database_url = "sqlite:///jobs.db"
results_url = "results"
[synthesizers.speaker]
backend = "tone"
options = { delay_seconds = 0.001 }
"""


@pytest.fixture(scope="module")
def at(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[str]]:
    """The options that name a server."""
    home = tmp_path_factory.mktemp("server")
    (home / "audio-grpc.toml").write_text(SLOW_SERVER)
    server = ServerProcess(cwd=home)
    yield ["--server", server.address]
    assert server.stop() == 0


def run(*arguments: str, stdin: bytes | None = None) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run([COMMAND, "jobs", *arguments], input=stdin, capture_output=True, timeout=60)


def created(*arguments: str, stdin: bytes | None = None) -> str:
    done = run("create", *arguments, stdin=stdin)
    assert done.returncode == 0, done.stderr
    return done.stdout.decode().strip()


def test_a_file_is_spoken_watched_and_downloaded(at: list[str], tmp_path: Path) -> None:
    (tmp_path / "book.txt").write_text(f"\ufeff{TEXT}", encoding="utf-8")
    job_id = created(str(tmp_path / "book.txt"), "--size", "40", *at)
    assert re.fullmatch("job_[0-9a-f]{16}", job_id)
    watched = run("watch", job_id, *at)
    assert watched.returncode == 0
    assert f"{len(TEXT) / 10:.2f} s of audio" in watched.stderr.decode()
    listed = run("list", *at).stdout.decode()
    assert re.search(rf"{job_id}.*completed.*12/12.*This is sentence number 0", listed)
    out = tmp_path / "book.wav"
    done = run("download", job_id, "--out", str(out), *at)
    assert f"wrote {out}" in done.stderr.decode().replace("\n", "")
    with wave.open(str(out)) as file:
        assert file.getnframes() == 2400 * len(TEXT)
    assert run("download", job_id, "--out", "-", "--format", "mp3", *at).stdout[:2] == b"\xff\xf3"
    assert run("delete", job_id, *at).returncode == 0
    assert job_id not in run("list", *at).stdout.decode()


def test_standard_input_is_spoken_and_followed_into_a_pipe(at: list[str]) -> None:
    job_id = created("-", *at, stdin=b"Spoken from a pipe.")
    done = run("download", job_id, "--follow", "--out", "-", "--format", "pcm", *at)
    assert len(done.stdout) == 2 * 2400 * len("Spoken from a pipe.")


def test_a_job_is_paused_resumed_and_cancelled(at: list[str]) -> None:
    job_id = created("-", *at, stdin=(TEXT * 20).encode())
    for command, state in (("pause", "paused"), ("resume", "queued"), ("cancel", "cancelled")):
        done = run(command, job_id, *at)
        assert f"{job_id} is {state}" in done.stderr.decode()
    watched = run("watch", job_id, *at)
    assert (watched.returncode, b"the job is cancelled" in watched.stderr) == (1, True)
    refused = run("retry", job_id, *at)
    assert (refused.returncode, b"error: the job is cancelled" in refused.stderr) == (1, True)
    download = run("download", job_id, "--out", "-", *at)
    assert (download.returncode, download.stdout) == (1, b"")


def test_the_list_goes_over_many_pages(at: list[str]) -> None:
    with Client(at[1]) as client:
        made = [client.create_job(f"Number {number}.").id for number in range(103)]
    listed = re.findall("job_[0-9a-f]{16}", run("list", "--most", "103", *at).stdout.decode())
    assert listed == made[::-1]
    assert len(re.findall("job_[0-9a-f]{16}", run("list", *at).stdout.decode())) == 20


def test_what_is_wrong_is_said_in_a_line(at: list[str], tmp_path: Path) -> None:
    (tmp_path / "latin.txt").write_bytes("Käse".encode("latin-1"))
    for arguments, problem in (
        (("create", str(tmp_path / "latin.txt")), "is not UTF-8"),
        (("create", str(tmp_path / "missing.txt")), "No such file"),
        (("watch", "job_0123456789abcdef"), "there is no job of this id"),
        (("download", "../../etc", "--out", "x.wav"), "is no id of a job"),
    ):
        done = run(*arguments, *at)
        assert done.returncode == 1
        assert problem in done.stderr.decode().replace("\n", " ")
        assert "Traceback" not in done.stderr.decode()
    assert not Path("x.wav").exists()


@pytest.mark.parametrize(
    "command",
    ["", "create", "list", "watch", "pause", "resume", "retry", "cancel", "delete", "download"],
)
def test_every_command_has_an_example(command: str) -> None:
    assert f"audio-grpc jobs {command}" in run(*command.split(), "--help").stdout.decode()
