"""gRPC-Web from a page in a real browser, on another port than Envoy's, as pages are."""

import json
import shutil
import subprocess
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from queue import SimpleQueue
from typing import Any

import pytest

from audio_grpc.v1.text_to_speech_pb2 import SynthesizeRequest, SynthesizeResponse
from tests.conftest import PATIENCE_SECONDS
from tests.envoy.conftest import Gate
from tests.envoy.front import Front

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or ""
needs_chromium = pytest.mark.skipif(
    not CHROMIUM, reason="there is no Chromium; on Debian: apt install chromium"
)
SANDBOX = ("--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage")
# Reports each piece of the body as it arrives, and the status at the end.
PAGE = """<!doctype html><script type="module">
const tell = (what) => fetch("/told", {{method: "POST", body: JSON.stringify(what)}});
try {{
  const answer = await fetch("{url}", {{
    method: "POST",
    headers: {{"content-type": "application/grpc-web+proto", "x-grpc-web": "1", "x-request-id": "browser"}},
    body: new Uint8Array({request}),
  }});
  await tell({{status: answer.status, id: answer.headers.get("x-request-id")}});
  for await (const piece of answer.body) await tell({{piece: Array.from(piece)}});
  await tell({{end: true}});
}} catch (error) {{
  await tell({{error: String(error)}});
}}
</script>"""


class Site:
    """A page, and what it told."""

    def __init__(self, page: str) -> None:
        self.told: SimpleQueue[dict[str, Any]] = SimpleQueue()
        told = self.told

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self._answer(page.encode())

            def do_POST(self) -> None:
                told.put(json.loads(self.rfile.read(int(self.headers["content-length"]))))
                self._answer(b"")

            def _answer(self, body: bytes) -> None:
                self.send_response(200)
                self.send_header("content-type", "text/html")
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://localhost:{self.server.server_port}/"
        self._thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.01})
        self._thread.start()

    def close(self) -> None:
        self.server.shutdown()
        self._thread.join()
        self.server.server_close()


@pytest.fixture
def site(front: Front) -> Iterator[Site]:
    message = SynthesizeRequest(text="abc", model="gated").SerializeToString()
    request = b"\0" + len(message).to_bytes(4) + message
    url = f"http://{front.address}/audio_grpc.v1.TextToSpeechService/Synthesize"
    site = Site(PAGE.format(url=url, request=list(request)))
    yield site
    site.close()


@needs_chromium
def test_a_page_hears_speech_while_it_is_made(site: Site, gate: Gate, tmp_path: Path) -> None:
    gate.opened.clear()
    browser = subprocess.Popen(
        [CHROMIUM, *SANDBOX, f"--user-data-dir={tmp_path}", "--remote-debugging-port=0", site.url],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        assert site.told.get(timeout=PATIENCE_SECONDS) == {"status": 200, "id": "browser"}
        body = bytes(site.told.get(timeout=PATIENCE_SECONDS)["piece"])
        assert not gate.opened.is_set(), "the model has not gone on yet"
        gate.opened.set()
        while "piece" in (told := site.told.get(timeout=PATIENCE_SECONDS)):
            body += bytes(told["piece"])
        assert told == {"end": True}
    finally:
        browser.kill()
        browser.wait()
    *messages, trailers = frames(body)
    events = [SynthesizeResponse.FromString(message) for message in messages]
    assert events[0].started.model == "gated"
    assert events[-1].finished.usage.characters == 3
    assert trailers.startswith(b"grpc-status:0\r\n")


def frames(body: bytes) -> list[bytes]:
    """https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-WEB.md: a flag, a length, and so many bytes."""
    found = []
    while body:
        end = 5 + int.from_bytes(body[1:5])
        found.append(body[5:end])
        body = body[end:]
    return found
