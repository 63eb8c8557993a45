"""Addresses on which a server listens without protection, and those on which it refuses to."""

import logging
from pathlib import Path

import pytest

from audio_grpc.access import key_file
from audio_grpc.access.limits import KeyLimits
from audio_grpc.access.protection import require_protection
from audio_grpc.addresses import is_local, target
from audio_grpc.errors import ConfigurationError
from audio_grpc.server import Server
from tests.conftest import ServerProcess, Start, tone_settings
from tests.test_cli import run

LOCAL = (
    *("127.0.0.1", "127.8.9.10", "::1", "[::1]", "0:0:0:0:0:0:0:1", "::ffff:127.0.0.1"),
    *("localhost", "LOCALHOST", "unix:/run/speech.sock", "unix:///run/speech.sock", "unix-abstract:speech"),
)
PUBLIC = (
    *("0.0.0.0", "::", "[::]", "", "10.0.0.5", "192.168.1.1", "8.8.8.8", "2001:db8::1", "::ffff:10.0.0.5"),
    *("127.0.0.1.example.com", "localhost.example.com", "example.com", "127.1", "unix", "[::1"),
)


@pytest.mark.parametrize("host", LOCAL)
def test_the_loopback_needs_no_protection(host: str) -> None:
    assert is_local(host)
    require_protection(host, keys=False, tls=False, allow_open=False)


@pytest.mark.parametrize("host", PUBLIC)
def test_an_address_that_others_reach_needs_keys_or_tls_or_a_word(host: str) -> None:
    assert not is_local(host)
    with pytest.raises(ConfigurationError, match=r"keys add NAME.*--tls-certificate.*--allow-open"):
        require_protection(host, keys=False, tls=False, allow_open=False)
    require_protection(host, keys=True, tls=False, allow_open=False)
    require_protection(host, keys=False, tls=True, allow_open=False)
    require_protection(host, keys=False, tls=False, allow_open=True)


def test_keys_that_travel_in_plain_text_are_warned_of(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        require_protection("0.0.0.0", keys=True, tls=True, allow_open=False)
        require_protection("127.0.0.1", keys=True, tls=False, allow_open=False)
        assert caplog.text == ""
        require_protection("0.0.0.0", keys=True, tls=False, allow_open=False)
    assert "no TLS on 0.0.0.0: what is said and the keys can be read" in caplog.text


async def test_a_server_refuses_to_start_open_to_others(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"'0\.0\.0\.0'.*nothing protects"):
        Server(tone_settings(host="0.0.0.0"))
    key_file.add(tmp_path / "keys.json", "alice", KeyLimits())
    assert Server(tone_settings(host="0.0.0.0", keys_file=tmp_path / "keys.json")).keys
    assert Server(tone_settings(host="::", allow_open=True)).keys is None


def test_the_command_refuses_too_and_says_what_to_do(tmp_path: Path) -> None:
    done = run("serve", "--host", "0.0.0.0", "--port", "0", cwd=tmp_path)
    assert done.returncode == 2
    assert b"--keys-file keys.json" in done.stderr
    assert b"Traceback" not in done.stderr


def test_the_command_starts_when_it_is_told_so(tmp_path: Path) -> None:
    (tmp_path / "audio-grpc.toml").write_text(
        'host = "0.0.0.0"\n[synthesizers.a]\nbackend = "tone"\n[transcribers.b]\nbackend = "tone"\n'
    )
    server = ServerProcess("--allow-open", cwd=tmp_path)
    try:
        assert run("models", "--server", server.address, cwd=tmp_path).returncode == 0
    finally:
        assert server.stop() == 0


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("127.0.0.1", "127.0.0.1:7"),
        ("example.com", "example.com:7"),
        ("::1", "[::1]:7"),
        ("[::1]", "[::1]:7"),
        ("unix:/run/speech.sock", "unix:/run/speech.sock"),
    ],
)
def test_an_address_becomes_a_target(host: str, expected: str) -> None:
    assert target(host, 7) == expected


async def test_a_server_on_a_unix_socket(start: Start, tmp_path: Path) -> None:
    server, client = await start(host=f"unix:{tmp_path}/speech.sock")
    assert server.address == f"unix:{tmp_path}/speech.sock"
    assert await client.is_serving()
