"""Ports that can be listened on."""

import socket

from audio_grpc.addresses import target
from audio_grpc.errors import ConfigurationError


def require_free(host: str, port: int, setting: str) -> None:
    """Raises ConfigurationError, which names the ``setting`` to change, if the port is taken; 0 never is."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host.strip("[]"), port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        with socket.socket(family, kind, protocol) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
            probe.listen(1)
    except OSError as error:
        said = error.strerror or str(error)
        raise ConfigurationError(
            f"cannot listen on {target(host, port)} ({said}); change {setting}"
        ) from error
