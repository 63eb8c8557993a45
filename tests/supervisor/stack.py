"""``audio-grpc up`` as a user starts it, on free ports, with tone models."""

from collections.abc import Iterable, Mapping
from pathlib import Path

import psutil

from audio_grpc.client import AsyncClient
from tests.conftest import COMMAND, CommandProcess
from tests.envoy.front import Answer, ask, free_ports

MODELS = """
[synthesizers.speaker]
backend = "tone"
resident = true
concurrency = 64
aliases = ["tts-1"]
[synthesizers.slow]
backend = "tone"
concurrency = 64
options = { delay_seconds = 0.2 }
[transcribers.listener]
backend = "tone"
"""


class RunningStack(CommandProcess):
    """A running stack: its settings are in ``folder``; ``settings`` are lines of TOML ahead of its tables.

    ``within`` are the words of a command that runs another one.
    """

    def __init__(
        self,
        folder: Path,
        *arguments: str,
        settings: Iterable[str] = (),
        envoy: Iterable[str] = (),
        env: Mapping[str, str] | None = None,
        models: str = MODELS,
        within: Iterable[str] = (),
    ) -> None:
        self.port, self.inside_port, self.admin_port, self.gateway_port = free_ports(4)
        self.address, self.admin, self.gateway = (
            f"127.0.0.1:{port}" for port in (self.port, self.admin_port, self.gateway_port)
        )
        self.file = folder / "audio-grpc.toml"
        lines = (
            *("port = 0", *settings, "[envoy]", f"port = {self.port}", f"inside_port = {self.inside_port}"),
            *(f"admin_port = {self.admin_port}", *envoy, "[gateway]", f"port = {self.gateway_port}"),
        )
        self.file.write_text("\n".join(lines) + f"\n{models}")
        super().__init__(*within, COMMAND, "up", *arguments, cwd=folder, env=env)

    def ready(self) -> "RunningStack":
        """This, once it serves."""
        with self.ended_if_it_fails():
            self.wait_for("Serving on")
        return self

    def processes(self) -> list[psutil.Process]:
        """All that it has started."""
        return psutil.Process(self.process.pid).children(recursive=True)

    def servers(self) -> list[psutil.Process]:
        return self.running("serve")

    def running(self, word: str) -> list[psutil.Process]:
        """Returns the processes whose command has this word, or the program of this name."""
        return [one for one in self.processes() if any(Path(part).name == word for part in _command(one))]

    def client(self) -> AsyncClient:
        return AsyncClient(self.address)

    def ask(self, method: str, path: str, body: object = None, **headers: str) -> Answer:
        return ask(self.address, method, path, body, **headers)

    def healthy_servers(self) -> int:
        name = "cluster.server.membership_healthy"
        return int(ask(self.admin, "GET", f"/stats?filter=^{name}$").body.rpartition(b":")[2])


def _command(process: psutil.Process) -> list[str]:
    """The words of a process's command; none if it has ended meanwhile."""
    try:
        return process.cmdline()
    except psutil.NoSuchProcess:
        return []
