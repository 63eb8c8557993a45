"""Frames of WebSockets as the gateway takes them: uvicorn's, with bounds on those that bring little."""

import time

from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.frames import CloseCode, Frame
from websockets.protocol import State

MOST_FRAGMENTS = 4096
"""The most fragments of one message: the bound on its bytes is none on empty ones."""
MOST_PINGS = 100
"""And pongs, in a second."""
AT_ONCE_BYTES = 1 << 14
"""The bytes parsed at a time, before it is seen if the connection goes on."""


class BoundedSocket(WebSocketsSansIOProtocol):
    """One connection. What is out of bounds, or no text, closes it and says why."""

    _pings = 0
    _pings_since = 0.0

    def data_received(self, data: bytes) -> None:
        """See :class:`asyncio.Protocol`."""
        for start in range(0, len(data), AT_ONCE_BYTES):
            if self.transport.is_closing():
                return
            super().data_received(data[start : start + AT_ONCE_BYTES])

    def handle_cont(self, event: Frame) -> None:
        """The next part of a message."""
        if len(self.frames) >= MOST_FRAGMENTS:
            self._refuse(CloseCode.POLICY_VIOLATION, f"a message has at most {MOST_FRAGMENTS} fragments")
        else:
            super().handle_cont(event)

    def handle_ping(self) -> None:
        """The answer is there already, and only has to be sent."""
        if self._is_within_bounds():
            super().handle_ping()

    def handle_pong(self, event: Frame) -> None:
        """An answer to a ping, or to none."""
        if self._is_within_bounds():
            super().handle_pong(event)

    def send_receive_event_to_app(self) -> None:
        """Passes on a whole message, and refuses text that is not UTF-8."""
        if self.curr_msg_data_type == "text" and not _is_text(self.frames):
            self._refuse(CloseCode.INVALID_DATA, "text has to be UTF-8")
        else:
            super().send_receive_event_to_app()

    def _is_within_bounds(self) -> bool:
        now = time.monotonic()
        if now - self._pings_since > 1.0:
            self._pings, self._pings_since = 0, now
        self._pings += 1
        if self._pings > MOST_PINGS:
            self._refuse(CloseCode.POLICY_VIOLATION, f"more than {MOST_PINGS} pings in a second")
        return self._pings <= MOST_PINGS

    def _refuse(self, code: CloseCode, reason: str) -> None:
        self.frames = []
        if self.conn.state is State.OPEN and not self.transport.is_closing():
            self.conn.send_close(code, reason)
            self.handle_parser_exception()


def _is_text(parts: list[bytes]) -> bool:
    try:
        b"".join(parts).decode()
    except UnicodeDecodeError:
        return False
    return True
