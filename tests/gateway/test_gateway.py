"""Parts around the dialects: ids, health, metrics, documentation, prefixes, and the command."""

import re
import signal
import subprocess
import sys
from pathlib import Path

import httpx2
import openai
import pytest
from prometheus_client.parser import text_string_to_metric_families

from audio_grpc.extras import install
from tests.conftest import GATEWAY_COMMAND
from tests.gateway.conftest import KEY, Door, Open, gateway_process
from tests.gateway.test_speech import TEXT, heard


async def test_a_request_id_is_kept_or_made(door: Door) -> None:
    kept = await door.http.get("/v1/models", headers={"x-request-id": "from-the-caller"})
    assert kept.headers["x-request-id"] == "from-the-caller"
    made = await door.http.get("/v1/models")
    assert len(made.headers["x-request-id"]) == 36
    for bad in ("", "two words", "x" * 129):
        replaced = await door.http.get("/v1/models", headers={"x-request-id": bad})
        assert len(replaced.headers["x-request-id"]) == 36


async def test_health(door: Door) -> None:
    assert (await door.http.get("/livez")).text == "live\n"
    assert (await door.http.get("/readyz")).text == "ready\n"


async def test_metrics_count_requests_by_route_and_status(door: Door) -> None:
    for model in ("tts-1", "nothing"):
        await door.http.post("/v1/audio/speech", json={"model": model, "input": "Hi."})
    for name in ("a", "b"):
        await door.http.get(f"/no/such/path/{name}")
    families = text_string_to_metric_families((await door.http.get("/metrics")).text)
    counted = {
        (sample.labels["route"], sample.labels["status"]): sample.value
        for family in families
        for sample in family.samples
        if sample.name == "audio_gateway_requests_total"
    }
    assert counted[("/v1/audio/speech", "200")] == 1
    assert counted[("/v1/audio/speech", "404")] == 1
    assert counted[("", "404")] == 2


async def routes_counted(door: Door) -> set[tuple[str, str]]:
    """Methods and routes that have been asked for."""
    families = text_string_to_metric_families((await door.http.get("/metrics")).text)
    samples = (sample for family in families for sample in family.samples)
    counted = (one.labels for one in samples if one.name == "audio_gateway_requests_total")
    return {(labels["method"], labels["route"]) for labels in counted}


async def test_metrics_have_templates_of_routes_whatever_their_parameters_are(door: Door) -> None:
    for name in ("s", "v1", "models", "{model}", "a/b", "speech", "%2e", "x" * 300):
        await door.http.get(f"/v1/models/{name}")
        await door.http.delete(f"/openai/v1/audio/voices/{name}")
    for method in ("GET", "PROPFIND", "MKCOL"):
        await door.http.request(method, "/no/such/path")
    assert await routes_counted(door) == {
        ("GET", "/v1/models/{model}"),
        ("DELETE", "/openai/v1/audio/voices/{voice}"),
        *((method, "") for method in ("GET", "DELETE", "_OTHER")),  # a voice of two parts has no path
    }


async def test_the_documentation_needs_no_other_host(door: Door) -> None:
    document = (await door.http.get("/openapi.json")).json()
    paths = {"/v1/audio/speech", "/v1/audio/transcriptions", "/v1/audio/translations", "/v1/models"}
    assert paths <= set(document["paths"])
    for page in ("/docs", "/redoc"):
        html = (await door.http.get(page)).text
        for asset in re.findall(r'(?:src|href)="([^"]+\.(?:js|css))"', html):
            assert (await door.http.get(asset)).status_code == 200, asset


async def test_the_dialect_is_whole_under_its_own_prefix(door: Door) -> None:
    async with openai.AsyncOpenAI(base_url=f"{door.url}/openai/v1", api_key=KEY) as client:
        reply = await client.audio.speech.create(
            model="tts-1", voice="tone", input=TEXT, response_format="wav"
        )
        assert await heard(door, reply.content) == TEXT
        assert [model.id async for model in client.models.list()] == [
            *("speaker", "tts-1", "tts-1-hd", "gpt-4o-mini-tts"),
            *("listener", "whisper-1", "gpt-4o-transcribe", "gpt-4o-mini-transcribe"),
        ]


async def test_models_answer_to_each_of_their_names(door: Door) -> None:
    model = await door.openai.models.retrieve("tts-1")
    assert (model.id, model.object, model.owned_by) == ("tts-1", "model", "audio-grpc")
    assert model.to_dict()["root"] == "speaker"


async def test_models_tell_what_memory_they_take(open_door: Open) -> None:
    door = await open_door(options={"weight_bytes": 64 << 20})
    await door.openai.audio.speech.create(model="tts-1", voice="tone", input="a")
    speaker, *_, listener = [model.to_dict() async for model in door.openai.models.list()]
    assert (speaker["state"], listener["state"]) == ("ready", "unloaded")
    taken = speaker["host_memory_bytes"]
    assert isinstance(taken, int)
    assert taken >= 32 << 20
    assert listener["host_memory_bytes"] is None


def test_help_has_examples_and_defaults() -> None:
    shown = subprocess.run([GATEWAY_COMMAND, "--help"], capture_output=True, text=True, check=True).stdout
    assert "audio-gateway --port 9000 --server 10.0.0.5:50051" in shown
    assert "[text]" in shown, "a default in brackets is no markup"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--port", "70000"], "port"),
        (["--log-level", "loud"], "log_level"),
        (["--log-format", "xml"], "log_format"),
        (["--otlp-endpoint", "localhost:4318"], "otlp_endpoint"),
        (["--config", "/no/such/file"], "cannot be read"),
    ],
)
def test_a_wrong_setting_is_one_line_and_status_2(arguments: list[str], message: str) -> None:
    ended = subprocess.run([GATEWAY_COMMAND, *arguments], capture_output=True, text=True)
    assert ended.returncode == 2
    assert message in ended.stderr
    assert len(ended.stderr.splitlines()) == 1


def test_settings_come_from_the_table_of_the_file(tmp_path: Path) -> None:
    (tmp_path / "audio-grpc.toml").write_text("[gateway]\nport = 70000\n")
    ended = subprocess.run([GATEWAY_COMMAND], capture_output=True, text=True, cwd=tmp_path)
    assert (ended.returncode, "port" in ended.stderr) == (2, True)


def test_sigterm_lets_a_running_answer_finish(embedded: str) -> None:
    process = gateway_process("--server", embedded)
    size = _spoken_across_sigterm(f"http://{process.address}/v1/audio/speech", process.process)
    assert size > 60 * 48000
    assert process.stop() == 0


def _spoken_across_sigterm(url: str, process: subprocess.Popen[str]) -> int:
    """Signals the process while it speaks; returns the number of bytes of audio that came."""
    body = {"model": "tts-1", "input": "A sentence of some length. " * 100, "response_format": "pcm"}
    with httpx2.stream("POST", url, json=body, timeout=60) as reply:
        chunks = reply.iter_bytes()
        size = len(next(chunks))
        process.send_signal(signal.SIGTERM)
        return size + sum(map(len, chunks))


def test_without_its_extra_it_says_what_to_install() -> None:
    absent = "import sys; sys.modules['fastapi'] = None; from audio_gateway.__main__ import main; main()"
    done = subprocess.run([sys.executable, "-c", absent], capture_output=True, text=True, timeout=60)
    assert done.returncode == 1
    assert done.stderr.endswith("install the gateway with: " + install("gateway") + "\n")
