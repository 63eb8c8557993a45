"""Engineers' tools without our client: reflection, health and channelz, by `buf curl`."""

import base64
import json
import subprocess
from pathlib import Path

from tests.conftest import COMMAND

BUF = str(Path(COMMAND).with_name("buf"))


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [BUF, "curl", "--protocol", "grpc", "--http2-prior-knowledge", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=60)


def curl(address: str, method: str, data: str = "{}") -> subprocess.CompletedProcess[str]:
    return run("--data", data, f"http://{address}/{method}")


def test_reflection_lists_every_method(embedded: str) -> None:
    methods = run("--list-methods", f"http://{embedded}").stdout.split()
    assert "audio_grpc.v1.TextToSpeechService/Synthesize" in methods
    assert "audio_grpc.v1.SpeechToTextService/Transcribe" in methods
    assert "audio_grpc.v1.ModelAdminService/LoadModel" in methods
    assert "audio_grpc.v1.VoiceService/CreateCustomVoice" in methods
    assert "audio_grpc.v1.JobService/CreateSpeechJob" in methods
    assert "grpc.health.v1.Health/Watch" in methods
    assert "grpc.channelz.v1.Channelz/GetServers" in methods


def test_a_call_by_reflection(embedded: str) -> None:
    done = curl(embedded, "audio_grpc.v1.TextToSpeechService/Synthesize", '{"text": "Hi.", "voice": "alloy"}')
    decoder, messages, rest = json.JSONDecoder(), [], done.stdout.strip()
    while rest:
        message, end = decoder.raw_decode(rest)
        messages.append(message)
        rest = rest[end:].lstrip()
    assert messages[0]["started"]["voice"] == "heart"
    assert base64.b64decode(messages[1]["audio"]).startswith(b"RIFF")
    assert messages[-1]["finished"]["usage"]["characters"] == 3


def test_an_error_by_reflection(embedded: str) -> None:
    done = curl(embedded, "audio_grpc.v1.TextToSpeechService/Synthesize", '{"text": "Hi.", "speed": 9}')
    error = json.loads(done.stderr)
    assert error["code"] == "invalid_argument"
    assert error["message"] == "speed is 9.0; it goes from 0.25 to 4.0"
    types = [detail["type"] for detail in error["details"]]
    assert types == ["google.rpc.ErrorInfo", "google.rpc.BadRequest"]


def test_health_by_service(embedded: str) -> None:
    for service in ("", "audio_grpc.v1.TextToSpeechService", "audio_grpc.v1.SpeechToTextService"):
        done = curl(embedded, "grpc.health.v1.Health/Check", json.dumps({"service": service}))
        assert json.loads(done.stdout) == {"status": "SERVING"}


def test_channelz_knows_the_server(embedded: str) -> None:
    servers = json.loads(curl(embedded, "grpc.channelz.v1.Channelz/GetServers").stdout)["server"]
    assert servers[0]["data"]["callsStarted"]
