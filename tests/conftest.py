"""Fixtures of all tests: real servers on real ports.

``embedded`` is the installed command in a process of its own, with the real default models. ``start`` runs
a server in the test's own event loop, on the tone backends: what is about streams, queues and errors needs
no neural network.
"""

import gc
import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import AsyncExitStack, contextmanager
from pathlib import Path
from queue import SimpleQueue
from tempfile import TemporaryDirectory, gettempdir
from typing import Any
from uuid import uuid4

import pytest

from audio_grpc.backends.base import ModelSpec
from audio_grpc.client import AsyncClient, Client
from audio_grpc.config import Settings
from audio_grpc.server import Server
from tests import certificates, postgresql

COMMAND = str(Path(sys.executable).with_name("audio-grpc"))
GATEWAY_COMMAND = str(Path(sys.executable).with_name("audio-gateway"))
DATA = Path(__file__).parent / "data"
RECORDINGS = Path(__file__).parent / "recordings" / "data"
PATIENCE_SECONDS = 60


def leave_out_of_garbage_collection() -> None:
    """Exempts all objects that exist now from garbage collection, which would take half of the time."""
    gc.collect()
    gc.freeze()


def pytest_collection_finish() -> None:
    """All tests have been imported."""
    leave_out_of_garbage_collection()


class CommandProcess:
    """A command of ours that runs until it is told to stop, as a user starts it."""

    def __init__(self, *command: str, cwd: Path | None = None, env: Mapping[str, str] | None = None) -> None:
        self.process = subprocess.Popen(
            command,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            cwd=cwd,
            env={**os.environ, **(env or {})},
        )
        self.log: list[str] = []
        self._lines: SimpleQueue[str | None] = SimpleQueue()
        # Somebody has to empty the pipe, or the server would stop at its next line.
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        with self.process.stdout:
            for line in self.process.stdout:
                self._lines.put(line)
        self._lines.put(None)

    def wait_for(self, pattern: str) -> re.Match[str]:
        """The next line of the log that has ``pattern``."""
        while (line := self._lines.get(timeout=PATIENCE_SECONDS)) is not None:
            self.log.append(line)
            if found := re.search(pattern, line):
                return found
        self._lines.put(None)  # whoever reads on is told of the end as well
        raise AssertionError(f"it ended before it logged {pattern!r}:\n{''.join(self.log)}")

    def stop(self, number: int = signal.SIGTERM) -> int:
        """End it as an operator does; the exit status."""
        self.process.send_signal(number)
        return self.ended()

    @contextmanager
    def ended_if_it_fails(self) -> Iterator[None]:
        """Leave nothing running behind a body that raises."""
        try:
            yield
        except BaseException:
            self.process.kill()
            self.ended()
            raise

    def ended(self) -> int:
        """The exit status, once it has ended."""
        status = self.process.wait(PATIENCE_SECONDS)
        self._reader.join()
        while line := self._lines.get():
            self.log.append(line)
        return status


class ServerProcess(CommandProcess):
    """``audio-grpc serve``, on any free port, or another of our commands; it does not drain for long."""

    def __init__(
        self,
        *arguments: str,
        cwd: Path | None = None,
        command: tuple[str, ...] = (COMMAND, "serve"),
        ready: str = r"serving on ([\w.:]+)",
    ) -> None:
        without_draining = {"AUDIO_GRPC_DRAIN_SECONDS": "0"}
        super().__init__(*command, "--port", "0", *arguments, cwd=cwd, env=without_draining)
        with self.ended_if_it_fails():
            self.address = self.wait_for(ready).group(1)


@pytest.fixture(scope="session")
def embedded() -> Iterator[str]:
    """The address of a server with the default models."""
    server = ServerProcess()
    yield server.address
    server.stop()


@pytest.fixture(scope="session")
def gateway(embedded: str) -> Iterator[str]:
    """The address of ``audio-gateway`` in front of it."""
    process = ServerProcess(
        *("--server", embedded), command=(GATEWAY_COMMAND,), ready=r"running on http://(\S+)"
    )
    yield process.address
    process.stop()


@pytest.fixture(scope="session")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of certificates and keys."""
    folder = tmp_path_factory.mktemp("certificates")
    certificates.make_all(folder)
    return folder


@pytest.fixture(scope="module")
def postgresql_url() -> Iterator[str]:
    """A database of PostgreSQL; who asks for one is passed over where that is not installed."""
    programs = postgresql.programs()
    if programs is None:
        pytest.skip("PostgreSQL is not installed")
    with (
        TemporaryDirectory(prefix="audio-grpc-postgresql-") as folder,
        postgresql.running(programs, Path(folder)) as url,
    ):
        yield url


@pytest.fixture
def client(embedded: str) -> Iterator[Client]:
    """A client of the server with the default models."""
    with Client(embedded) as client:
        yield client


def tone_settings(**changes: Any) -> Settings:
    """A server's settings with one tone speaker and one tone listener; ``changes`` are of the speaker.

    Custom voices and jobs go to a folder that no other server has, and that is not made before there is one.
    """
    options = changes.pop("options", {})
    listener = changes.pop("listener", {})
    server = {name: changes.pop(name) for name in list(changes) if name in Settings.model_fields}
    folder = Path(gettempdir(), f"audio-grpc-{uuid4().hex}")
    server.setdefault("voices_path", folder / "voices")
    server.setdefault("database_url", f"sqlite:///{folder / 'jobs.db'}")
    server.setdefault("results_url", str(folder / "results"))
    speaker = ModelSpec("tone", **{"queue": 8, **changes}, options=options)
    return Settings(
        port=0,
        synthesizers=server.pop("synthesizers", {"speaker": speaker}),
        transcribers=server.pop("transcribers", {"listener": ModelSpec("tone", **listener)}),
        **server,
    )


Start = Callable[..., Awaitable[tuple[Server, AsyncClient]]]


@pytest.fixture
async def start(tmp_path: Path) -> AsyncIterator[Start]:
    """Starts a server on the tone backends; the arguments are ``tone_settings``'s."""
    async with AsyncExitStack() as stack:

        async def start_one(**changes: Any) -> tuple[Server, AsyncClient]:
            kept = {
                "voices_path": tmp_path / "voices",
                "database_url": f"sqlite:///{tmp_path / 'jobs.db'}",
                "results_url": str(tmp_path / "results"),
            }
            server = Server(tone_settings(**kept | changes))
            stack.push_async_callback(server.stop, 0)
            await server.start()
            client = await stack.enter_async_context(AsyncClient(server.address))
            return server, client

        yield start_one
