"""Envoy as ``audio-grpc envoy`` runs it, on free ports, and what tests ask it."""

import http.client
import json
import random
import socket
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from tests.conftest import COMMAND, PATIENCE_SECONDS, CommandProcess
from tests.eventually import eventually_in_a_thread

PORTS = (20_000, 32_000)


def free_ports(count: int) -> list[int]:
    """Ports below those that the system gives to whoever asks for any, which nobody takes meanwhile."""
    found: list[int] = []
    while len(found) < count:
        port = random.randrange(*PORTS)
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            found += [port] if port not in found else []
    return found


@dataclass(frozen=True)
class Answer:
    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def lines(self) -> list[Any]:
        return [json.loads(line) for line in self.body.splitlines()]


def ask(address: str, method: str, path: str, body: Any = None, **headers: str) -> Answer:
    """A request; headers are named with underscores, and a body that is no bytes is sent as JSON."""
    host, _, port = address.rpartition(":")
    connection = http.client.HTTPConnection(host, int(port), timeout=PATIENCE_SECONDS)
    try:
        data = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        connection.request(method, path, data, named)
        response = connection.getresponse()
        return Answer(
            response.status, {name.lower(): value for name, value in response.getheaders()}, response.read()
        )
    finally:
        connection.close()


class Front:
    """A running Envoy; ``options`` are those of the command."""

    def __init__(self, servers: Iterable[str], *options: str, gateway: str | None = None) -> None:
        self.servers = tuple(servers)
        port, inside, admin, nobody = free_ports(4)
        self.address, self.inside, self.admin = (f"127.0.0.1:{number}" for number in (port, inside, admin))
        gateway = gateway or f"127.0.0.1:{nobody}"
        to = [word for server in self.servers for word in ("--server", server)]
        ports = ("--port", str(port), "--inside-port", str(inside), "--admin-port", str(admin))
        self.process = CommandProcess(COMMAND, "envoy", *ports, "--gateway", gateway, *to, *options)
        with self.process.ended_if_it_fails():
            eventually_in_a_thread(self._lives)

    def ask(self, method: str, path: str, body: Any = None, **headers: str) -> Answer:
        return ask(self.address, method, path, body, **headers)

    def stats(self, pattern: str) -> dict[str, int]:
        lines = ask(self.admin, "GET", f"/stats?filter={pattern}").body.decode().splitlines()
        return {name: int(value) for name, _, value in (line.partition(": ") for line in lines)}

    def healthy(self) -> int:
        """Returns the number of replicas of the server that get calls."""
        return self.stats("^cluster.server.membership_healthy$")["cluster.server.membership_healthy"]

    def logged(self, request_id: str) -> dict[str, Any]:
        """The line of the access log about a request."""
        line: dict[str, Any] = json.loads(self.process.wait_for(f'.*"request_id":"{request_id}".*').group())
        return line

    def stop(self) -> None:
        self.process.stop()

    def _lives(self) -> bool:
        assert self.process.process.poll() is None, self.process.wait_for("never")
        try:
            return ask(self.admin, "GET", "/ready").status == 200
        except OSError:
            return False
