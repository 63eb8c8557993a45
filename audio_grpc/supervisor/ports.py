"""The ports of a stack: none is taken by others, or by two of its own; some are kept for later."""

import socket
from collections.abc import Iterator

from audio_grpc.config import Settings
from audio_grpc.envoy.render import LOOPBACK
from audio_grpc.errors import ConfigurationError
from audio_grpc.listening import require_free


def require_ports(settings: Settings, *, llm: bool) -> None:
    """Raises ConfigurationError, naming the settings, for a port that is in use or stands in two settings."""
    settings_of: dict[int, str] = {}
    for host, port, setting in _wanted(settings, llm=llm):
        if port in settings_of:
            raise ConfigurationError(
                f"port {port} is that of {settings_of[port]} and of {setting}; change one"
            )
        settings_of[port] = setting
        require_free(host, port, setting)


def _wanted(settings: Settings, *, llm: bool) -> Iterator[tuple[str, int, str]]:
    envoy = settings.envoy
    gateway_host, _, gateway_port = envoy.gateway.rpartition(":")
    yield envoy.host, envoy.port, "[envoy] port (--port)"
    yield LOOPBACK, envoy.inside_port, "[envoy] inside_port"
    yield LOOPBACK, envoy.admin_port, "[envoy] admin_port"
    yield gateway_host, int(gateway_port), "[gateway] port (AUDIO_GATEWAY_PORT), or [envoy] gateway"
    for number in range(settings.replicas if settings.port else 0):
        yield LOOPBACK, settings.port + number, f"port (AUDIO_GRPC_PORT), of server-{number + 1}"
    for number in range(settings.replicas + 1 if settings.metrics_port else 0):
        port = (settings.metrics_port or 0) + number
        yield settings.metrics_host, port, "metrics_port, which each server and the spare adds its number to"
    if llm:
        yield LOOPBACK, settings.llm.port, "[llm] port"


class KeptPort:
    """Some free port of the loopback, which the system gives to nobody else until it is released."""

    def __init__(self) -> None:
        self.number = 0
        self._socket: socket.socket | None = None
        self.keep()

    def keep(self) -> None:
        """Take it (again). Nobody can connect to it, since nobody listens."""
        self._socket = socket.socket()
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._socket.bind((LOOPBACK, self.number))
        self.number = self._socket.getsockname()[1]

    def release(self) -> None:
        """Frees the port for the process that it was kept for."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None
