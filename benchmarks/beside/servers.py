"""The peers and ourselves, each started as it comes, with the same weights."""

import os
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import psutil

from audio_grpc.backends.embedded_whisper import whisper_base
from benchmarks import doors, served
from benchmarks.beside.clients import HOST, Client, Grpc, OpenAI, Wyoming
from benchmarks.beside.environments import Place, Unavailable

START = Path(__file__).with_name("start.py")
START_SECONDS = 180.0
OURS = {
    "whisper": """
[synthesizers.tone]
backend = "tone"
[transcribers.whisper-base]
resident = true
""",
    "kokoro": """
[synthesizers.kokoro]
backend = "kokoro"
resident = true
[transcribers.tone]
backend = "tone"
""",
}
PORTS = f"""
port = {doors.SERVER}
[envoy]
port = {doors.ENVOY}
inside_port = {doors.INSIDE}
admin_port = {doors.ADMIN}
gateway = "{HOST}:{doors.GATEWAY}"
"""
LOG_LEVEL = 'log_level = "WARNING"\n'


@dataclass(frozen=True)
class Running:
    """A server that takes calls."""

    client: Client
    processes: list[psutil.Process]
    versions: str


Start = Callable[[Place], AbstractContextManager[Running]]


@contextmanager
def _ours_grpc(model: str) -> Iterator[Running]:
    with served.configured(LOG_LEVEL + OURS[model]) as (server, address):
        yield Running(Grpc(address), [server], _our_versions())


@contextmanager
def _ours_http(model: str) -> Iterator[Running]:
    name = "kokoro" if model == "kokoro" else "whisper-base"
    config = LOG_LEVEL + PORTS + OURS[model]
    with tempfile.TemporaryDirectory() as folder, doors.house(Path(folder), config) as processes:
        yield Running(OpenAI(doors.ENVOY, name), list(processes.values()), _our_versions())


def _our_versions() -> str:
    packages = ("audio-grpc", "faster-whisper", "ctranslate2", "onnxruntime")
    return ", ".join(f"{name} {version(name)}" for name in packages)


@contextmanager
def _wyoming(place: Place) -> Iterator[Running]:
    python, port = place.pinned("wyoming-faster-whisper"), _free_port()
    options = ("--model", str(whisper_base()), "--data-dir", str(place.cache), "--local-files-only")
    command = (str(python), "-m", "wyoming_faster_whisper", "--uri", f"tcp://{HOST}:{port}", *options)
    with _started(port, *command, "--compute-type", "int8", "--language", "en") as process:
        named = _versions(place, python, "wyoming-faster-whisper", "faster-whisper", "ctranslate2")
        yield Running(Wyoming(port), [process], named)


@contextmanager
def _vox_box(place: Place) -> Iterator[Running]:
    python, port = place.pinned("vox-box"), _free_port()
    data = str(place.cache / "vox-box-data")
    with _started(port, str(python), str(START), "vox-box", str(port), str(whisper_base()), data) as process:
        named = _versions(place, python, "vox-box", "faster-whisper", "ctranslate2")
        yield Running(OpenAI(port, "whisper-base"), [process], named)


@contextmanager
def _speaches(place: Place, model: str) -> Iterator[Running]:
    python, port = place.of_speaches(), _free_port()
    assert place.speaches is not None, "of_speaches() has seen it"
    environment = {
        "PYTHONPATH": str(place.speaches.resolve() / "src"),
        "PYTHONDONTWRITEBYTECODE": "1",
        "HF_HUB_CACHE": str(place.hub(model)),
        "HF_HUB_OFFLINE": "1",
        "WHISPER__COMPUTE_TYPE": "int8",
        "WHISPER__INFERENCE_DEVICE": "cpu",
        "ENABLE_UI": "false",
        "LOG_LEVEL": "warning",
        "STT_MODEL_TTL": "-1",
        "TTS_MODEL_TTL": "-1",
    }
    command = (str(python), str(START), "speaches", str(port))
    with _started(port, *command, folder=place.speaches, environment=environment) as process:
        named = _versions(place, python, "faster-whisper", "ctranslate2", "kokoro-onnx", "onnxruntime")
        commit = ("git", "-C", str(place.speaches), "log", "-1", "--format=%h of %cs")
        found = subprocess.run(commit, capture_output=True, text=True).stdout.strip()
        yield Running(OpenAI(port, model), [process], f"speaches {found or 'of no commit'}, {named}")


@contextmanager
def _kokoro_onnx(place: Place) -> Iterator[Running]:
    python, port = place.pinned("kokoro-onnx"), _free_port()
    weights = map(str, place.kokoro())
    with _started(port, str(python), str(START), "kokoro-onnx", str(port), *weights) as process:
        named = _versions(place, python, "kokoro-onnx", "onnxruntime")
        yield Running(OpenAI(port, "kokoro"), [process], named)


HEARING: Mapping[str, Start] = {
    "audio-grpc": lambda _: _ours_grpc("whisper"),
    "audio-grpc-http": lambda _: _ours_http("whisper"),
    "speaches": lambda place: _speaches(place, "bench/whisper-base"),
    "wyoming-faster-whisper": _wyoming,
    "vox-box": _vox_box,
}
SPEAKING: Mapping[str, Start] = {
    "audio-grpc": lambda _: _ours_grpc("kokoro"),
    "audio-grpc-http": lambda _: _ours_http("kokoro"),
    "speaches": lambda place: _speaches(place, "bench/kokoro"),
    "kokoro-onnx": _kokoro_onnx,
}


def _versions(place: Place, python: Path, *packages: str) -> str:
    return ", ".join(f"{name} {place.version(python, name)}" for name in packages)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        port: int = probe.getsockname()[1]
        return port


@contextmanager
def _started(
    port: int, *command: str, folder: Path | None = None, environment: Mapping[str, str] | None = None
) -> Iterator[psutil.Process]:
    """A process once it takes connections; Unavailable, with its last words, if it ends before that."""
    variables = {**os.environ, **(environment or {})}
    with (
        tempfile.TemporaryFile("w+") as log,
        subprocess.Popen(command, stdout=log, stderr=log, cwd=folder, env=variables) as started,
    ):
        try:
            until = time.monotonic() + START_SECONDS
            while not _takes_connections(port):
                if started.poll() is not None or time.monotonic() > until:
                    log.seek(0)
                    words = filter(None, log.read().split("\n")[-4:])
                    raise Unavailable(f"it did not start: {' '.join(words)}")
                time.sleep(0.1)
            yield psutil.Process(started.pid)
        finally:
            started.terminate()
            try:
                started.wait(10)
            except subprocess.TimeoutExpired:
                started.kill()


def _takes_connections(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex((HOST, port)) == 0
