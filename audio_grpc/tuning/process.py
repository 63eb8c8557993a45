"""Runs what measures in a process of its own, so that models leave nothing behind for the next candidate."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from tempfile import TemporaryDirectory
from typing import Any

from pydantic import TypeAdapter

from audio_grpc.settings_file import PREFIX
from audio_grpc.supervisor import exit_with_parent
from audio_grpc.tuning.measuring import Figures, MeasuredTask


class MeasuringFailed(Exception):
    """Raised if a candidate cannot be measured; the text says why."""


def run(task: MeasuredTask, on_step: Callable[[str], None]) -> Figures | None:
    """Do a task; ``on_step`` is told what is going on. MeasuringFailed.

    The process ends with this one, and at once if this is left by an exception, such as KeyboardInterrupt.
    """
    this_python = [sys.executable, "-m", "audio_grpc.tuning"]
    # What the environment says of the configuration is in the task already.
    environment = {name: value for name, value in os.environ.items() if not name.startswith(PREFIX)}
    # Whatever ends it, its files are removed here.
    with (
        TemporaryDirectory() as folder,
        subprocess.Popen(  # noqa: S603
            [sys.executable, str(exit_with_parent.__file__), str(os.getpid()), *this_python],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=environment | {"TMPDIR": folder},
            start_new_session=True,  # Ctrl-C is for this process alone
        ) as process,
    ):
        try:
            return _follow(process, task, on_step)
        finally:
            process.kill()


def _follow(
    process: subprocess.Popen[bytes], task: MeasuredTask, on_step: Callable[[str], None]
) -> Figures | None:
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(TypeAdapter(MeasuredTask).dump_json(task))
    process.stdin.close()
    for line in process.stdout:
        told = _read(line)
        if "error" in told:
            raise MeasuringFailed(told["error"])
        if "figures" in told:
            return TypeAdapter(Figures | None).validate_python(told["figures"])
        on_step(told.get("step", ""))
    raise MeasuringFailed(f"its process ended with status {process.wait()}; is there enough memory?")


def _read(line: bytes) -> dict[str, Any]:
    """A line of ours; empty for what a library has printed."""
    try:
        told = json.loads(line)
    except ValueError:
        return {}
    return told if isinstance(told, dict) else {}
