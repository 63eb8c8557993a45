"""A process that is kept up."""

import asyncio
import os
import signal
import sys
import time
from collections import deque
from collections.abc import Sequence
from pathlib import Path

from audio_grpc.supervisor import exit_with_parent
from audio_grpc.supervisor.liveness import Probe, until_hung
from audio_grpc.supervisor.log import Log

FIRST_PAUSE, LONGEST_PAUSE = 0.5, 5.0
LONGEST_PAUSE_OF_A_DOOR = 1.0
"""The longest pause before a process restarts that all calls come through: nobody is served meanwhile."""
STEADY_SECONDS = 60.0
"""A process that ran for so many seconds before it ended is not crashing in a loop, and restarts soon."""
LAST_LINES = 20
READ_BYTES = 1 << 16


class ServiceEnded(Exception):
    """A process ended before it was ready; the message has its last lines."""


def tethered(command: Sequence[str]) -> list[str]:
    """The command, so that it ends with this process. Its first word is a path."""
    return [sys.executable, "-S", "-E", str(Path(exit_with_parent.__file__)), str(os.getpid()), *command]


class ManagedProcess:
    """One process of the stack: its lines go to the log, and if it ends or hangs it is started again.

    It hangs if ``probe`` has no answer for ``patience_seconds``; 0: it is never asked. ``settled`` says that
    it has been ready once. Before that its end is an error that starting again would not mend.
    """

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        log: Log,
        *,
        probe: Probe | None = None,
        patience_seconds: float = 0,
        longest_pause: float = LONGEST_PAUSE,
    ) -> None:
        self.name = name
        self.settled = False
        self._command = command
        self._log = log
        self._probe = probe
        self._patience_seconds = patience_seconds
        self._longest_pause = longest_pause
        self._last_lines: deque[str] = deque(maxlen=LAST_LINES)
        self._process: asyncio.subprocess.Process | None = None
        self._task: asyncio.Task[None] | None = None
        self._leaving = False

    def start(self) -> asyncio.Task[None]:
        """Run it; the task ends when it was stopped, or with ServiceEnded."""
        self._leaving = False
        self._task = asyncio.create_task(self._keep_up(), name=self.name)
        return self._task

    async def stop(self, number: int, grace_seconds: float) -> None:
        """Send it a signal, and wait until it has ended; kill it after the grace period."""
        if self._task is None:
            return
        self._leaving = True
        if self._process is None or self._process.returncode is not None:
            self._task.cancel()
        else:
            self._process.send_signal(number)
        _, late = await asyncio.wait((self._task,), timeout=grace_seconds)
        if late:
            self._log.say(f"{self.name} has not ended after {grace_seconds:g} s; killing it")
            await self.cut()

    def tell(self, number: int) -> None:
        """Send it a signal that does not end it, if it runs."""
        if self._process is not None and self._process.returncode is None:
            self._process.send_signal(number)

    async def cut(self) -> None:
        """Kills the process, if it runs."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _keep_up(self) -> None:
        pause = FIRST_PAUSE
        while True:
            began = time.monotonic()
            status = await self._run()
            if self._leaving:
                return
            if not self.settled:
                lines = "".join(f"\n  {line}" for line in self._last_lines)
                raise ServiceEnded(f"{self.name} ended {_how(status)} before it was ready:{lines}")
            if time.monotonic() - began > STEADY_SECONDS:
                pause = FIRST_PAUSE
            self._log.say(f"{self.name} ended {_how(status)}; starting it again in {pause:g} s")
            await asyncio.sleep(pause)
            pause = min(2 * pause, self._longest_pause)

    async def _run(self) -> int:
        """Runs the process; returns its exit status once it has ended and all its output is in the log."""
        process = await asyncio.create_subprocess_exec(
            *tethered(self._command),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            # Ctrl-C in a terminal goes to all of its processes; these end in their order, when we say so.
            start_new_session=True,
        )
        self._process = process
        watch = asyncio.create_task(self._kill_if_it_hangs(process))
        try:
            assert process.stdout is not None
            await self._copy(process.stdout)
            return await process.wait()
        finally:
            watch.cancel()
            if process.returncode is None:
                process.kill()
                await process.wait()

    async def _kill_if_it_hangs(self, process: asyncio.subprocess.Process) -> None:
        if self._probe is None or not self._patience_seconds:
            return
        await until_hung(self._probe, self._patience_seconds)
        # One that ends has a time limit of its own.
        if not self._leaving:
            self._log.say(f"{self.name} has not answered for {self._patience_seconds:g} s; killing it")
            process.kill()

    async def _copy(self, output: asyncio.StreamReader) -> None:
        """Copies every line into the log, however long it is."""
        begun: list[bytes] = []
        while data := await output.read(READ_BYTES):
            first, *others = data.split(b"\n")
            begun.append(first)
            for other in others:
                self._write(begun)
                begun = [other]
        if any(begun):
            self._write(begun)

    def _write(self, pieces: list[bytes]) -> None:
        line = b"".join(pieces).decode(errors="replace").rstrip("\r")
        self._last_lines.append(line)
        self._log.write(self.name, line)


def _how(status: int) -> str:
    return f"with status {status}" if status >= 0 else f"by {signal.Signals(-status).name}"
