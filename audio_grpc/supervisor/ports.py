"""Ports that are kept for a process which does not run yet."""

import socket

from audio_grpc.envoy.render import LOOPBACK


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
        """Leave it to the process that it was kept for."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None
