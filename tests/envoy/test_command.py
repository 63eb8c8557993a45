"""``audio-grpc envoy``: what it prints, checks and refuses."""

import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from audio_grpc.envoy.files import binary
from tests.snippets import ROOT
from tests.test_cli import run


def test_the_file_in_the_repository_is_valid_by_itself() -> None:
    """The file's first lines say so: from the root of the repository, and without this package."""
    command = [binary(), "--mode", "validate", "-c", "envoy.yaml", "--disable-hot-restart"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr


def test_every_option_together_is_valid(files: Path) -> None:
    options = (
        *("--host", "::", "--port", "9080", "--inside-port", "9082", "--admin-port", "9902"),
        *("--server", "10.0.0.5:50051", "--server", "speech.internal:50051", "--gateway", "[::1]:8081"),
        *("--tls-certificate", "server.pem", "--tls-key", "server.key", "--tls-client-ca", "ca.pem"),
        *("--otlp-endpoint", "http://127.0.0.1:4318/v1/traces", "--cors-origin", "https://app.example.com"),
    )
    done = run("envoy", "--validate", *options, cwd=files)
    assert done.returncode == 0, done.stderr
    printed: Any = yaml.safe_load(run("envoy", "--print", *options, cwd=files).stdout)
    public, inside = printed["static_resources"]["listeners"]
    assert public["address"]["socket_address"] == {"address": "::", "port_value": 9080}
    assert inside["address"]["socket_address"] == {"address": "127.0.0.1", "port_value": 9082}
    server = printed["static_resources"]["clusters"][0]["load_assignment"]["endpoints"][0]["lb_endpoints"]
    assert [each["endpoint"]["address"]["socket_address"]["address"] for each in server] == [
        "10.0.0.5",
        "speech.internal",
    ]


def test_the_pages_that_may_call_are_the_same_at_each_filter(tmp_path: Path) -> None:
    options = ("--cors-origin", "https://app.example.com", "--cors-origin", "https://b.example.com")
    assert run("envoy", "--validate", *options, cwd=tmp_path).returncode == 0
    printed: Any = yaml.safe_load(run("envoy", "--print", *options, cwd=tmp_path).stdout)
    public = printed["static_resources"]["listeners"][0]
    routes = public["filter_chains"][0]["filters"][0]["typed_config"]["route_config"]["virtual_hosts"][0]
    cors = routes["typed_per_filter_config"]["envoy.filters.http.cors"]["allow_origin_string_match"]
    assert [match["safe_regex"]["regex"] for match in cors] == [
        r"https://app\.example\.com",
        r"https://b\.example\.com",
    ]
    refused = [header for header in routes["routes"][0]["match"]["headers"] if header["name"] == "origin"]
    assert [header["string_match"] for header in refused] == cors
    assert all(header["invert_match"] for header in refused)


def test_what_is_printed_runs_anywhere(tmp_path: Path) -> None:
    """The paths in it are absolute."""
    (tmp_path / "mine.yaml").write_bytes(run("envoy", "--print", cwd=tmp_path).stdout)
    command = [binary(), "--mode", "validate", "-c", "mine.yaml", "--disable-hot-restart"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        (["--host", "everywhere"], "'everywhere' is no IP address"),
        (["--host", "0.0.0.0"], "nothing protects the server there"),
        (["--port", "0"], "envoy.port"),
        (["--server", "somewhere"], "'somewhere' is not HOST:PORT"),
        (["--tls-certificate", "a.pem"], "tls_certificate and tls_key go together"),
        (["--tls-certificate", "a.pem", "--tls-key", "b.pem"], "a.pem cannot be read"),
        (["--otlp-endpoint", "https://example.com/v1/traces"], "http:// only"),
    ],
)
def test_what_cannot_work_is_said(tmp_path: Path, options: list[str], complaint: str) -> None:
    done = run("envoy", "--print", *options, cwd=tmp_path)
    assert (done.returncode, done.stdout) == (2, b"")
    assert complaint in done.stderr.decode()
