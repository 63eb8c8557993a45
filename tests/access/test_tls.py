"""TLS with certificates of the test's own authority, made by the openssl command."""

from collections.abc import Iterator
from pathlib import Path

import grpc
import pytest

from audio_grpc.client import AsyncClient, Client, ServiceError, Tls
from audio_grpc.errors import ConfigurationError
from audio_grpc.server import Server
from tests.certificates import openssl, server_files, tls
from tests.conftest import ServerProcess, Start, tone_settings
from tests.test_cli import run

TONES = '[synthesizers.a]\nbackend = "tone"\n[transcribers.b]\nbackend = "tone"\n'


async def unreachable(server: Server, how: Tls | None) -> bool:
    async with AsyncClient(server.address, tls=how) as client:
        with pytest.raises(ServiceError) as failure:
            await client.is_serving()
    return failure.value.code is grpc.StatusCode.UNAVAILABLE


async def test_speech_over_tls(start: Start, files: Path) -> None:
    server, _ = await start(**server_files(files))
    async with AsyncClient(server.address, tls=tls(files)) as client:
        audio = b"".join([data async for data in client.synthesize("Hi.")])
        assert [segment.text async for segment in client.transcribe(audio)] == ["Hi."]
    assert await unreachable(server, None), "plain text"
    assert await unreachable(server, tls(files, ca="stranger")), "a server that the caller does not trust"


async def test_mutual_tls_lets_in_who_has_a_certificate(start: Start, files: Path) -> None:
    server, _ = await start(**server_files(files), tls_client_ca=files / "ca.pem")
    async with AsyncClient(server.address, tls=tls(files, own="caller")) as client:
        assert await client.list_models()
    assert await unreachable(server, tls(files)), "no certificate"
    assert await unreachable(server, tls(files, own="impostor")), "one of another authority"


async def test_tls_protects_an_address_that_others_reach(files: Path) -> None:
    assert Server(tone_settings(host="0.0.0.0", **server_files(files)))


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"tls_key": None}, "both tls_certificate and tls_key"),
        ({"tls_certificate": None}, "both tls_certificate and tls_key"),
        ({"tls_certificate": None, "tls_key": None, "tls_client_ca": "ca.pem"}, "both tls_certificate"),
        ({"tls_certificate": "gone.pem"}, r"gone\.pem cannot be read: No such file"),
        ({"tls_client_ca": "gone.pem"}, r"gone\.pem cannot be read: No such file"),
        ({"tls_key": "caller.key"}, "no certificate in PEM and its unencrypted private key"),
        ({"tls_key": "server.pem"}, "no certificate in PEM and its unencrypted private key"),
        ({"tls_key": "locked.key"}, "no certificate in PEM and its unencrypted private key"),
        ({"tls_client_ca": "server.key"}, r"server\.key has no certificate in PEM"),
    ],
)
def test_files_that_are_missing_or_wrong_are_named(
    files: Path, changes: dict[str, str | None], complaint: str
) -> None:
    locked = ("-aes256", "-passout", "pass:secret", "-out", "locked.key")
    openssl(files, "ec", "-in", "server.key", *locked)
    given = {name: file and files / file for name, file in changes.items()}
    with pytest.raises(ConfigurationError, match=complaint):
        Server(tone_settings(**{**server_files(files), **given}))


def test_a_certificate_without_its_key_is_refused_and_the_key_is_not_shown() -> None:
    with pytest.raises(ValueError, match="go together"):
        Tls(certificate=b"PEM")
    assert "secret" not in repr(Tls(certificate=b"PEM", key=b"secret"))


@pytest.fixture
def process(tmp_path: Path, files: Path) -> Iterator[ServerProcess]:
    """The command, with TLS and a key, checking itself."""
    (tmp_path / "audio-grpc.toml").write_text(f'keys_file = "{tmp_path}/keys.json"\n{TONES}')
    secret = run("keys", "add", "alice", cwd=tmp_path).stdout.decode().strip()
    (tmp_path / "secret").write_text(secret)
    certificate = ("--tls-certificate", str(files / "server.pem"), "--tls-key", str(files / "server.key"))
    server = ServerProcess("--self-check", *certificate, cwd=tmp_path)
    yield server
    server.stop()


def test_the_commands_speak_tls(process: ServerProcess, tmp_path: Path, files: Path) -> None:
    process.wait_for("no certificate with which to call itself")
    process.wait_for("--tls-ca CA.pem --key KEY")
    secret, ca = (tmp_path / "secret").read_text(), files / "ca.pem"
    at = ["--server", process.address]
    for command in (["models"], ["voices"], ["say", "Hi.", "--out", "hi.wav"], ["transcribe", "hi.wav"]):
        done = run(*command, *at, "--tls-ca", str(ca), "--key", secret, cwd=tmp_path)
        assert done.returncode == 0, done.stderr
    plain = run("models", *at, "--key", secret, cwd=tmp_path)
    assert plain.returncode == 1
    assert b"--tls-ca" in plain.stderr
    with Client(process.address, api_key=secret, tls=Tls(ca=ca.read_bytes())) as client:
        assert client.is_serving()
