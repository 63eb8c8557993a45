"""An HTTP server that answers every request with what it was sent, and speaks the beginnings of WebSocket."""

import base64
import hashlib
import json
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

WEBSOCKET_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"  # RFC 6455, section 1.3


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        if self.headers.get("upgrade", "").lower() == "websocket":
            self._echo_bytes()
        else:
            self._tell()

    def do_POST(self) -> None:
        self._tell()

    def _tell(self) -> None:
        size = int(self.headers.get("content-length", 0))
        received = len(self.rfile.read(size))
        told = {"path": self.path, "bytes": received, "headers": dict(self.headers.items())}
        body = json.dumps(told).encode()
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _echo_bytes(self) -> None:
        key = self.headers["sec-websocket-key"].encode()
        accept = base64.b64encode(hashlib.sha1(key + WEBSOCKET_GUID).digest()).decode()
        self.send_response(101)
        for name, value in {
            "upgrade": "websocket",
            "connection": "upgrade",
            "sec-websocket-accept": accept,
        }.items():
            self.send_header(name, value)
        self.end_headers()
        while data := self.rfile.read1(1024):
            self.wfile.write(data)
        self.close_connection = True

    def log_message(self, *_: object) -> None:
        pass


class StandIn(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, host: str = "127.0.0.1", port: int = 0) -> None:
        super().__init__((host, port), Handler)

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.server_port}"
