"""Envoy's handling of all HTTP callers: the gateway, health, origins, ids, the log and the metrics."""

import socket
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from io import BufferedRWPair
from pathlib import Path

import pytest

from audio_grpc.client import AsyncClient, ServiceError
from tests.conftest import COMMAND, PATIENCE_SECONDS
from tests.envoy.front import Answer, Front, ask
from tests.eventually import eventually_in_a_thread

HERE, ELSEWHERE = "http://localhost:3000", "https://evil.example"
LIST_MODELS = "/audio_grpc.v1.ModelService/ListModels"
GRPC_WEB = "application/grpc-web+proto"
UNREACHABLE = "the service cannot be reached just now; try again in a second"
EMPTY = b"\0" * 5
"""The frame of an empty message."""


@contextmanager
def opened_socket(front: Front) -> Iterator[BufferedRWPair]:
    """A WebSocket through Envoy, without frames, once it has been accepted."""
    host, _, port = front.address.rpartition(":")
    with socket.create_connection((host, int(port)), timeout=PATIENCE_SECONDS) as connection:
        connection.sendall(
            f"GET /v1/realtime HTTP/1.1\r\nhost: {front.address}\r\n"
            "upgrade: websocket\r\nconnection: upgrade\r\nsec-websocket-version: 13\r\n"
            "sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n".encode()
        )
        stream = connection.makefile("rwb")
        assert b"101" in stream.readline()
        while stream.readline().strip():
            pass
        yield stream


def end_once_then_accept(gateway: socket.socket) -> None:
    """A gateway that is killed when it has the first WebSocket's request, and accepts the second one."""
    asked = 0
    while asked < 2:
        connection, _ = gateway.accept()
        with connection, connection.makefile("rb") as request:
            [path, *_] = [
                line.split()[1] for line in iter(request.readline, b"\r\n") if line.startswith(b"GET ")
            ]
            asked += path == b"/v1/realtime"
            if path == b"/livez":
                connection.sendall(b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 0\r\n\r\n")
            elif asked == 2:
                connection.sendall(
                    b"HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: upgrade\r\n\r\nhi"
                )


@pytest.mark.parametrize(
    "path",
    [
        "/v1/audio/speech",
        "/tts",
        "/audio/speech/stream/upload",
        "/chatterbox/x",
        "/status/progress",
        "/other",
    ],
)
def test_all_other_paths_are_the_gateways(front: Front, path: str) -> None:
    answer = front.ask("POST", path, bytes(30 << 20), content_type="application/octet-stream")
    assert (answer.status, answer.json["path"], answer.json["bytes"]) == (200, path, 30 << 20)


def test_the_gateways_metrics_are_not_public(front: Front) -> None:
    answer = front.ask("GET", "/metrics")
    assert (answer.status, answer.json["error"]["type"]) == (404, "invalid_request_error")


def test_websockets_reach_the_gateway(front: Front) -> None:
    with opened_socket(front) as stream:
        for words in (b"first", b"second"):
            stream.write(words)
            stream.flush()
            assert stream.read(len(words)) == words


def test_a_websocket_is_asked_for_again_if_the_gateway_ended_before_it_answered() -> None:
    with socket.create_server(("127.0.0.1", 0)) as gateway:
        asked = threading.Thread(target=end_once_then_accept, args=(gateway,), daemon=True)
        asked.start()
        front = Front(["127.0.0.1:1"], gateway="{}:{}".format(*gateway.getsockname()))
        try:
            with opened_socket(front) as stream:
                assert stream.read(2) == b"hi"
            asked.join(PATIENCE_SECONDS)
        finally:
            front.stop()


def test_health(front: Front) -> None:
    assert front.ask("GET", "/livez").status == 200
    assert front.ask("GET", "/readyz").status == 200


def test_without_a_server_it_lives_and_is_not_ready_and_says_so() -> None:
    alone = Front(["127.0.0.1:1"])
    try:
        assert alone.ask("GET", "/livez").status == 200
        assert alone.ask("GET", "/readyz").status == 503
        for path in ("/v1/audio/speech", "/api/v1/models"):
            answer = alone.ask("GET", path)
            assert (answer.status, answer.headers["retry-after"]) == (503, "1")
            error = answer.json["error"]
            assert (error["message"], error["type"]) == (UNREACHABLE, "server_error")
            assert "UpstreamConnectionFailure" in error["code"]
        web = alone.ask(
            "POST",
            "/audio_grpc.v1.ModelService/ListModels",
            b"\0" * 5,
            content_type="application/grpc-web+proto",
        )
        assert (web.headers["grpc-status"], web.headers["grpc-message"]) == ("14", UNREACHABLE)
    finally:
        alone.stop()


@pytest.mark.parametrize("path", ["/v1/audio/speech", "/api/v1/synthesize", LIST_MODELS])
def test_pages_of_this_machine_may_call(front: Front, path: str) -> None:
    preflight = {"access_control_request_method": "POST", "access_control_request_headers": "authorization"}
    allowed = front.ask("OPTIONS", path, origin=HERE, **preflight)
    assert allowed.status == 200
    assert allowed.headers["access-control-allow-origin"] == HERE
    assert "authorization" in allowed.headers["access-control-allow-headers"]
    assert (
        "access-control-allow-origin" not in front.ask("OPTIONS", path, origin=ELSEWHERE, **preflight).headers
    )


@pytest.mark.parametrize("path", ["/api/v1/synthesize", "/v1/audio/speech", "/"])
@pytest.mark.parametrize("site", ["cross-site", "same-site"])
def test_what_a_browser_sends_for_a_foreign_page_without_asking_is_refused(
    front: Front, path: str, site: str
) -> None:
    def send(**headers: str) -> Answer:
        return front.ask("POST", path, b'{"text": "a"}', content_type="text/plain", **headers)

    refused = send(origin=ELSEWHERE, sec_fetch_site=site)
    assert (refused.status, refused.json["error"]["type"]) == (403, "invalid_request_error")
    assert "name it in cors_origins" in refused.json["error"]["message"]
    assert send(origin="null", sec_fetch_site=site).status == 403
    assert send(origin=HERE, sec_fetch_site=site).status == 200
    assert send(origin=ELSEWHERE, sec_fetch_site="same-origin").status == 200
    assert front.ask("GET", "/", sec_fetch_site=site).status == 200, "a link to the page"


def test_pages_may_read_the_status_and_the_id(front: Front) -> None:
    answer = front.ask("GET", "/api/v1/models", origin=HERE)
    exposed = answer.headers["access-control-expose-headers"].split(", ")
    assert {"grpc-status", "grpc-message", "grpc-status-details-bin", "x-request-id", "retry-after"} <= set(
        exposed
    )


def test_a_callers_id_is_kept_and_one_is_made_otherwise(front: Front) -> None:
    answer = front.ask("GET", "/v1/models", x_request_id="mine-42")
    assert answer.headers["x-request-id"] == "mine-42"
    assert {name.lower(): value for name, value in answer.json["headers"].items()}[
        "x-request-id"
    ] == "mine-42"
    made = {front.ask("GET", "/api/v1/models").headers["x-request-id"] for _ in range(2)}
    assert len(made) == 2


def test_a_call_is_one_line_of_json_in_the_log(front: Front) -> None:
    front.ask("GET", "/api/v1/voices?model=nobody", x_request_id="to-be-logged")
    line = front.logged("to-be-logged")
    assert (line["listener"], line["path"], line["protocol"]) == ("public", "/api/v1/voices", "HTTP/1.1")
    assert (line["status"], line["route"], line["flags"]) == (404, "text_to_speech", "-")
    assert line["attempts"] == 1
    assert {"duration_ms", "first_byte_ms", "received_bytes", "sent_bytes", "trace_id"} < set(line)


async def test_the_log_tells_the_status_of_grpc(front: Front) -> None:
    async with AsyncClient(front.address) as client:
        await client.with_metadata({"x-request-id": "good"}).list_models()
        assert front.logged("good")["grpc_status"] == "OK"
        with pytest.raises(ServiceError):
            await anext(client.with_metadata({"x-request-id": "bad"}).synthesize("Hi.", speed=9))
        assert front.logged("bad")["grpc_status"] == "INVALID_ARGUMENT"


def test_metrics_count_calls_by_method_and_status(front: Front) -> None:
    front.ask("GET", "/api/v1/models")
    service = 'envoy_grpc_bridge_service="audio_grpc_v1_ModelService"'
    metric = f'envoy_cluster_grpc_success{{envoy_grpc_bridge_method="ListModels",{service}'
    eventually_in_a_thread(lambda: metric in metrics(front))


def test_invented_methods_are_not_counted(front: Front) -> None:
    """Or callers could fill the memory."""
    front.ask("POST", LIST_MODELS + "Invented", EMPTY, content_type=GRPC_WEB)
    assert "Invented" not in metrics(front)


def metrics(front: Front) -> str:
    return ask(front.admin, "GET", "/stats/prometheus").body.decode()


def test_two_envoys_do_not_share_a_port(front: Front, tmp_path: Path) -> None:
    taken = front.address.rpartition(":")[2]
    again = [COMMAND, "envoy", "--port", taken, "--inside-port", "1", "--admin-port", "2"]
    done = subprocess.run(again, capture_output=True, text=True, timeout=60, cwd=tmp_path)
    assert done.returncode != 0
    assert "in use); change --port, or [envoy] port" in done.stderr


def test_http_1_0_is_served(front: Front) -> None:
    """Clients are nginx, unless it is told otherwise, and `curl -0`; a stream ends with its connection."""

    def ask_old(method: str, path: str, body: bytes = b"") -> bytes:
        host, _, port = front.address.rpartition(":")
        with socket.create_connection((host, int(port)), timeout=60) as connection:
            head = (
                f"{method} {path} HTTP/1.0\r\ncontent-type: application/json\r\ncontent-length: {len(body)}"
            )
            connection.sendall(f"{head}\r\n\r\n".encode() + body)
            return connection.makefile("rb").read()

    assert ask_old("GET", "/v1/models").startswith(b"HTTP/1.0 200 OK")
    head, _, stream = ask_old("POST", "/api/v1/synthesize", b'{"text": "Hi."}').partition(b"\r\n\r\n")
    assert b"transfer-encoding" not in head
    assert b'"started"' in stream.splitlines()[0]
    assert b'"finished"' in stream.splitlines()[-1]
