"""A stack in which nothing can be written, as in a container with ``readOnlyRootFilesystem``."""

import subprocess
from pathlib import Path

import pytest

from audio_grpc.backends.embedded_whisper import whisper_base
from tests.supervisor.conftest import Start

READ_ONLY = (
    *("unshare", "--mount", "sh", "-ec"),
    """
    mount --make-rprivate /
    mount -o remount,bind,ro /
    for folder in /tmp "$HOME" "$PWD"; do
        mount --bind "$folder" "$folder"
        mount -o remount,bind,ro "$folder"
    done
    if touch "$HOME/written" 2>/dev/null; then exit 1; fi
    exec "$@"
    """,
    "sh",
)


def may_mount() -> bool:
    """Tells if mounting is possible: only for root, and not in every container."""
    try:
        return subprocess.run([*READ_ONLY, "true"], capture_output=True, timeout=60).returncode == 0
    except FileNotFoundError:
        return False


@pytest.mark.skipif(not may_mount(), reason="it takes the right to mount file systems")
def test_with_the_model_in_the_cache_nothing_has_to_be_written(start: Start) -> None:
    whisper_base()
    stack = start("--self-check", within=READ_ONLY, models="")
    stack.wait_for("heard +The quick brown fox")
    stack.wait_for("spoke +through /v1/audio/speech")
    assert stack.ready().stop() == 0


def test_without_it_one_line_says_what_to_do(start: Start, tmp_path: Path) -> None:
    model = '[transcribers.whisper-base]\noptions = {cache_path = "/proc/self/nowhere"}\n'
    stack = start(models=model)
    stack.wait_for(r"cannot be put there \(.*\): name a folder that .* the option cache_path")
    assert stack.ended() == 1
    assert not [line for line in stack.log if "Traceback" in line]
