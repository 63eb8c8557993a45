"""Virtual environments of the peers, each with pinned packages, kept in a cache folder; and their weights."""

import hashlib
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from filelock import FileLock

from audio_grpc.backends.embedded_kokoro import embedded_voices, embedded_weights
from audio_grpc.backends.embedded_whisper import whisper_base

REQUIREMENTS = Path(__file__).parent / "requirements"
SPEACHES_PYTHON = (3, 12)
UV = Path(sys.executable).with_name("uv")
EXPORTED = ("--no-hashes", "--no-annotate", "--no-header", "--quiet")
UNUSED = ("torch", "pyannote-audio", "gradio", "onnxruntime-gpu", "opentelemetry-distro")
"""Packages that speaches needs for diarization, its web page, CUDA and traces only: over 5 GB."""
VOICES = ("af_heart",)
HUB_MODELS = {
    "bench/whisper-base": "library_name: ctranslate2\npipeline_tag: automatic-speech-recognition",
    "bench/kokoro": "library_name: onnx\npipeline_tag: text-to-speech\ntags: [speaches, kokoro]",
}
"""The cards by which speaches finds out which model is which."""


class Unavailable(Exception):
    """A peer cannot be had, or does not run; the message says why."""


@dataclass(frozen=True)
class Place:
    """The folders of environments and weights."""

    cache: Path
    say: Callable[[str], None]
    speaches: Path | None = None
    """A clone of its repository."""
    speaches_python: str | None = None

    def pinned(self, name: str) -> Path:
        """The Python of a peer whose packages are listed in ``requirements``, down to the last one."""
        listed = REQUIREMENTS / f"{name}.txt"
        return self._environment(name, sys.executable, listed.read_text(), ["--no-deps", "-r", str(listed)])

    def of_speaches(self) -> Path:
        """A Python with what speaches needs, in the versions that its own lock file names."""
        if self.speaches is None:
            raise Unavailable("it is on no package index: clone its repository, and name it by --speaches")
        lock = self.speaches / "uv.lock"
        if not lock.is_file():
            raise Unavailable(f"{self.speaches} is no clone of its repository: it has no uv.lock")
        listed = self.cache / "speaches.txt"
        listed.parent.mkdir(parents=True, exist_ok=True)
        unused = [word for name in UNUSED for word in ("--prune", name)]
        export = [str(UV), "export", "--frozen", "--no-dev", "--no-emit-project", *EXPORTED, *unused]
        listed.write_text(on_cpus(_run(export, self.speaches)))
        install = ["--no-deps", "-r", str(listed)]
        return self._environment("speaches", self._python_for_speaches(), listed.read_text(), install)

    def _python_for_speaches(self) -> str:
        wanted = "{}.{}".format(*SPEACHES_PYTHON)
        for python in filter(None, (self.speaches_python, sys.executable, f"python{wanted}")):
            if _version(python) == wanted:
                return python
        raise Unavailable(
            f"it needs Python {wanted}, which is not on the path: name one by --speaches-python"
        )

    def _environment(self, name: str, python: str, listed: str, install: Sequence[str]) -> Path:
        mark = hashlib.sha256(f"{_version(python)}\n{listed}".encode()).hexdigest()[:12]
        folder = self.cache / f"{name}-{mark}"
        installed = folder / "installed"
        self.cache.mkdir(parents=True, exist_ok=True)
        with FileLock(folder.with_suffix(".lock")):
            if not installed.exists():
                self.say(f"{name}: installing into {folder}")
                shutil.rmtree(folder, ignore_errors=True)
                _run([python, "-m", "venv", str(folder)])
                _run([str(folder / "bin" / "python"), "-m", "pip", "install", "--quiet", *install])
                installed.touch()
        return folder / "bin" / "python"

    def version(self, python: Path, package: str) -> str:
        """Returns the version of a package in an environment."""
        asked = f"from importlib.metadata import version; print(version({package!r}))"
        return _run([str(python), "-c", asked]).strip()

    def kokoro(self) -> tuple[Path, Path]:
        """Our Kokoro's graph, and its voices as kokoro-onnx reads them."""
        folder = self.cache / "kokoro"
        graph, voices = folder / "model.onnx", folder / "voices.bin"
        if not voices.exists():
            folder.mkdir(parents=True, exist_ok=True)
            try:
                graph.write_bytes(embedded_weights())
                styles = embedded_voices(VOICES)
            except RuntimeError as error:
                raise Unavailable(f"there are no weights: {error}") from error
            arrays: dict[str, Any] = {
                name: np.frombuffer(data, "<f4").reshape(-1, 1, 256) for name, data in styles.items()
            }
            with voices.open("wb") as file:
                np.savez(file, **arrays)
        return graph, voices

    def hub(self, model: str) -> Path:
        """A cache as huggingface_hub keeps it, with one of our models in it."""
        hub = self.cache / "hub"
        folder = hub / f"models--{model.replace('/', '--')}"
        snapshot = folder / "snapshots" / "0"
        snapshot.mkdir(parents=True, exist_ok=True)
        (folder / "refs").mkdir(exist_ok=True)
        (folder / "blobs").mkdir(exist_ok=True)
        (folder / "refs" / "main").write_text("0")
        (snapshot / "README.md").write_text(f"---\n{HUB_MODELS[model]}\nlanguage: en\n---\n")
        for file in self.kokoro() if "kokoro" in model else whisper_base().iterdir():
            if not (snapshot / file.name).exists():
                (snapshot / file.name).symlink_to(file)
        return hub


def on_cpus(exported: str) -> str:
    """The packages of an export, with those in place that its lock leaves to machines without CUDA."""
    return exported.replace(" ; platform_machine != 'x86_64'", "")


def _version(python: str) -> str:
    try:
        return _run([python, "-c", "import sys; print('{}.{}'.format(*sys.version_info[:2]))"]).strip()
    except Unavailable:
        return ""


def _run(command: list[str], folder: Path | None = None) -> str:
    try:
        return subprocess.run(command, check=True, capture_output=True, text=True, cwd=folder).stdout
    except FileNotFoundError as error:
        raise Unavailable(f"there is no {command[0]}") from error
    except subprocess.CalledProcessError as error:
        last = [line for line in error.stderr.splitlines() if line.strip()][-2:]
        raise Unavailable(" ".join(last) or f"{command[:3]} ended with {error.returncode}") from error
