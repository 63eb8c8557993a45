"""TLS between the gateway and the server, with certificates of the test's own authority."""

import subprocess
from pathlib import Path

import httpx2
import pytest

from tests.certificates import server_files
from tests.conftest import GATEWAY_COMMAND, Start
from tests.gateway.conftest import Open, gateway_process

SPEECH = "/v1/audio/speech"
BODY = {"model": "tts-1", "input": "Hi.", "response_format": "wav"}


async def test_the_gateway_speaks_tls_to_a_server_that_it_trusts(open_door: Open, files: Path) -> None:
    door = await open_door({"server_tls_ca": files / "ca.pem"}, **server_files(files))
    assert (await door.http.get("/readyz")).status_code == 200
    speech = (await door.http.post(SPEECH, json=BODY)).content
    form = {"model": "listener", "response_format": "text"}
    heard = await door.http.post("/v1/audio/transcriptions", files={"file": speech}, data=form)
    assert heard.text.strip() == "Hi."


@pytest.mark.parametrize("ca", [None, "stranger.pem"])
async def test_a_server_that_the_gateway_does_not_trust_is_not_ready(
    open_door: Open, files: Path, ca: str | None
) -> None:
    door = await open_door({"server_tls_ca": ca and files / ca}, **server_files(files))
    assert (await door.http.get("/readyz")).status_code == 503
    assert (await door.http.post(SPEECH, json=BODY)).status_code == 503


async def test_a_server_that_asks_for_certificates_lets_in_a_gateway_that_has_one(
    open_door: Open, files: Path
) -> None:
    server = {**server_files(files), "tls_client_ca": files / "ca.pem"}
    trusting = {"server_tls_ca": files / "ca.pem"}
    stranger = await open_door(trusting, **server)
    assert (await stranger.http.post(SPEECH, json=BODY)).status_code == 503
    own = {"server_tls_certificate": files / "gateway.pem", "server_tls_key": files / "gateway.key"}
    known = await open_door({**trusting, **own}, **server)
    assert (await known.http.post(SPEECH, json=BODY)).status_code == 200


async def test_the_command_speaks_tls(start: Start, files: Path) -> None:
    server, _ = await start(**server_files(files))
    process = gateway_process("--server", server.address, "--server-tls-ca", str(files / "ca.pem"))
    try:
        async with httpx2.AsyncClient(base_url=f"http://{process.address}") as http:
            assert (await http.get("/readyz")).status_code == 200
    finally:
        assert process.stop() == 0


@pytest.mark.parametrize(
    ("table", "complaint"),
    [
        ('server_tls_ca = "gone.pem"', "gone.pem cannot be read: No such file"),
        ('server_tls_ca = "."', ". cannot be read: Is a directory"),
        ('server_tls_ca = "gateway.key"', "gateway.key has no certificate in PEM"),
        ('server_tls_certificate = "gateway.pem"', "both server_tls_certificate and server_tls_key"),
        ('server_tls_key = "gateway.key"', "both server_tls_certificate and server_tls_key"),
        (
            'server_tls_certificate = "gateway.pem"\nserver_tls_key = "gone.key"',
            "gone.key cannot be read: No such file",
        ),
        (
            'server_tls_certificate = "gateway.pem"\nserver_tls_key = "server.key"',
            "gateway.pem and server.key are no certificate",
        ),
    ],
)
def test_files_that_are_missing_or_wrong_are_named(files: Path, table: str, complaint: str) -> None:
    (files / "wrong.toml").write_text(f"[gateway]\n{table}\n")
    command = [GATEWAY_COMMAND, "--config", "wrong.toml"]
    ended = subprocess.run(command, cwd=files, capture_output=True, text=True)
    assert ended.returncode == 2
    assert complaint in ended.stderr
    assert len(ended.stderr.splitlines()) == 1
