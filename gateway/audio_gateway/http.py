"""HTTP/1.1 as the gateway speaks it: uvicorn's, with bounds on what comes with a request beside its body."""

from audio_gateway.header_timeout import HeaderTimeoutProtocol

MAX_HEAD_BYTES = 1 << 16
LINGERING_SECONDS = 0.5
TOO_LARGE = (
    b"HTTP/1.1 431 Request Header Fields Too Large\r\n"
    b"content-type: text/plain; charset=utf-8\r\ncontent-length: 66\r\nconnection: close\r\n\r\n"
    b"the address and the headers have more than 64 KiB; send less there"
)


class BoundedHttp(HeaderTimeoutProtocol):
    """One connection; a head that is too large ends it, and so do trailers, or what comes between chunks."""

    _head_bytes = 0
    _bytes_beside = 0
    """The bytes since the body grew: uvicorn would keep trailers, and httptools a line without an end."""

    def on_message_begin(self) -> None:
        """See httptools."""
        self._head_bytes = self._bytes_beside = 0
        super().on_message_begin()

    def on_body(self, body: bytes) -> None:
        """See httptools."""
        self._bytes_beside = 0
        super().on_body(body)

    def data_received(self, data: bytes) -> None:
        """See :class:`asyncio.Protocol`; bytes count for the head if it has not ended with them."""
        if self._head_bytes > MAX_HEAD_BYTES:
            return
        self._bytes_beside += len(data)
        super().data_received(data)
        if self.transport.is_closing():
            return
        if self._waiting is None:
            if self._bytes_beside > MAX_HEAD_BYTES + len(data):
                self._close()
            return
        self._head_bytes += len(data)
        if self._head_bytes > MAX_HEAD_BYTES:
            self.transport.write(TOO_LARGE)
            self._stop_waiting()
            # Closed at once, the connection would be reset, and the answer lost with it.
            self._waiting = self.loop.call_later(LINGERING_SECONDS, self._close)
