"""LiteLLM in an environment of its own, since it wants another version of the openai package.

``make test-litellm`` makes that environment; the tests themselves run in the usual one.
"""

import os
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import CommandProcess, ServerProcess
from tests.gateway.conftest import gateway_process

ENVIRONMENT = Path(__file__).resolve().parents[2] / ".venv-litellm" / "bin"
OFFLINE = {"LITELLM_LOCAL_MODEL_COST_MAP": "True", "PYTHONPATH": ""}
PROXY_KEY = "sk-of-the-proxy"
SETTINGS = """
[synthesizers.speaker]
backend = "tone"
[synthesizers.slow]
backend = "tone"
concurrency = 1
options = { delay_seconds = 0.5 }
[transcribers.listener]
backend = "tone"
"""
PROXY_SETTINGS = """
model_list:
  - model_name: voice
    litellm_params: {{model: openai/tts-1, api_base: "http://{address}/v1", api_key: any}}
  - model_name: ear
    litellm_params: {{model: openai/whisper-1, api_base: "http://{address}/v1", api_key: any}}
    model_info: {{mode: audio_transcription}}
general_settings: {{master_key: {key}}}
"""


@pytest.fixture(scope="session")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Address of a gateway in front of a server on the tone backends, one of which takes its time."""
    settings = tmp_path_factory.mktemp("service") / "audio-grpc.toml"
    settings.write_text(SETTINGS)
    server = ServerProcess("--config", str(settings))
    gateway = gateway_process("--server", server.address)
    yield gateway.address
    gateway.stop()
    server.stop()


@pytest.fixture(scope="session")
def proxy(service: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """URL of LiteLLM's proxy in front of that gateway."""
    settings = tmp_path_factory.mktemp("proxy") / "proxy.yaml"
    settings.write_text(PROXY_SETTINGS.format(address=service, key=PROXY_KEY))
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    command = (str(ENVIRONMENT / "litellm"), "--config", str(settings), "--host", "127.0.0.1")
    base = {"OPENAI_API_BASE": f"http://{service}/", "OPENAI_API_KEY": "any"}
    process = CommandProcess(*command, "--port", str(port), "--telemetry", "False", env=OFFLINE | base)
    process.wait_for("Uvicorn running on")
    yield f"http://127.0.0.1:{port}"
    process.stop()


def litellm(code: str, *arguments: str) -> str:
    """Runs a program that uses LiteLLM; returns its output."""
    command = [str(ENVIRONMENT / "python"), "-c", code, *arguments]
    done = subprocess.run(command, env=os.environ | OFFLINE, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()
