"""Addresses on which the gateway refuses to listen."""

import subprocess
from pathlib import Path

import httpx2
import pytest

from tests.conftest import GATEWAY_COMMAND
from tests.gateway.conftest import gateway_process


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "10.0.0.5", "speech.example.com"])
def test_it_refuses_an_address_that_others_reach_and_says_what_to_do(host: str) -> None:
    command = [GATEWAY_COMMAND, "--host", host, "--port", "0"]
    ended = subprocess.run(command, capture_output=True, text=True)
    assert ended.returncode == 2
    for advice in (repr(host), "Put Envoy in front", "--keys-file", "--allow-open"):
        assert advice in ended.stderr
    assert len(ended.stderr.splitlines()) == 1


def test_it_listens_there_when_it_is_told_so_and_warns(tmp_path: Path) -> None:
    told = tmp_path / "told.toml"
    told.write_text('[gateway]\nhost = "0.0.0.0"\nallow_open = true\n')
    for arguments in (("--host", "0.0.0.0", "--allow-open"), ("--config", str(told))):
        process = gateway_process(*arguments)
        port = process.address.rpartition(":")[2]
        try:
            assert httpx2.get(f"http://127.0.0.1:{port}/livez").status_code == 200
        finally:
            assert process.stop() == 0
        assert any("no TLS on 0.0.0.0" in line for line in process.log)


def test_it_listens_on_localhost_unasked() -> None:
    process = gateway_process("--host", "localhost")
    assert process.stop() == 0
    assert not any("no TLS" in line for line in process.log)
