"""The calls of the documents from the shell, through every door of a running service."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.conftest import COMMAND
from tests.snippets import PAGES, snippets
from tests.supervisor.stack import RunningStack

CALLS = sorted(
    {
        line
        for page in PAGES
        for block in snippets("sh", page)
        for line in block.replace("\\\n", "").splitlines()
        if line.startswith(("curl ", "buf curl ", "grpcurl "))
    }
)


@pytest.mark.parametrize("call", CALLS, ids=lambda call: call[:30])
def test_a_call_from_the_shell_is_answered(stack: RunningStack, call: str, tmp_path: Path) -> None:
    path = f"{Path(COMMAND).parent}{os.pathsep}{os.environ['PATH']}"  # with buf
    if shutil.which(tool := call.split()[0], path=path) is None:
        pytest.skip(f"{tool} is not installed")
    done = subprocess.run(
        call.replace("127.0.0.1:8080", stack.address),
        shell=True,
        cwd=tmp_path,
        env={**os.environ, "PATH": path},
        capture_output=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    sound = tmp_path / "hello.mp3"
    assert b'"finished"' in done.stdout or sound.read_bytes().startswith((b"ID3", b"\xff"))
