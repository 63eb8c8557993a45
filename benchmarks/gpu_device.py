"""Describes the GPU, and measures the memory of it that is in use."""

import os
import platform
import re
import resource
import subprocess
import threading
from collections.abc import Callable
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from types import TracebackType
from typing import Any, Self

POLL_SECONDS = 0.02
PACKAGES = (
    *("audio-grpc", "torch", "torchaudio", "transformers", "onnxruntime", "xinference"),
    *("ctranslate2", "faster-whisper"),
)
NO_GPU = "; on a machine without a GPU, try the script out with: --device cpu --tiny"


def torch_sees_gpu() -> bool:
    """Tells if torch is installed, in a build for CUDA, and finds a GPU."""
    if find_spec("torch") is None:
        return False
    import torch

    return bool(torch.cuda.is_available())


def nvidia_smi(*fields: str) -> list[str]:
    """Returns the driver's answers about the GPU. Raises RuntimeError if there is no driver, or no GPU."""
    gpu = os.environ.get("CUDA_VISIBLE_DEVICES", "").partition(",")[0] or "0"
    query = f"--query-gpu={','.join(fields)}"
    command = ["nvidia-smi", f"--id={gpu}", query, "--format=csv,noheader,nounits"]
    try:
        answer = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    except FileNotFoundError as error:
        raise RuntimeError(f"there is no nvidia-smi; install NVIDIA's driver{NO_GPU}") from error
    except subprocess.CalledProcessError as error:
        raise RuntimeError(f"nvidia-smi: {(error.stdout + error.stderr).strip()}{NO_GPU}") from error
    return [value.strip() for value in answer.splitlines()[0].split(",")]


def memory_reader(device: str) -> Callable[[], float]:
    """A function that gives the memory in use, in megabytes (10^6 bytes).

    On a GPU that is all which is in use on it, by whomever. On a CPU it is the most that this process ever
    had.
    """
    if device == "cpu":
        return lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6
    if torch_sees_gpu():
        import torch

        def through_torch() -> float:
            free, total = torch.cuda.mem_get_info(0)
            return float(total - free) / 1e6

        return through_torch
    return lambda: float(nvidia_smi("memory.used")[0]) * 2**20 / 1e6


class PeakMemory:
    """Watches the memory in use while the context lasts; afterwards ``megabytes`` is the most of it."""

    def __init__(self, device: str) -> None:
        self.megabytes = 0.0
        self._used = memory_reader(device)
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> Self:
        self._look()  # here, so that it is the caller who learns that it cannot be read
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        self._thread.join()
        self._look()

    def _watch(self) -> None:
        while not self._over.wait(POLL_SECONDS):
            self._look()

    def _look(self) -> None:
        self.megabytes = max(self.megabytes, self._used())


def machine(device: str) -> dict[str, Any]:
    """Returns facts about the machine on which the figures are measured."""
    cpuinfo = Path("/proc/cpuinfo")
    models = re.findall(r"model name\s*: (.*)", cpuinfo.read_text()) if cpuinfo.is_file() else []
    return {
        "date": datetime.now(UTC).date().isoformat(),
        **(_gpu() if device == "cuda" else {"gpu": None}),
        "cpu": models[0] if models else platform.processor(),
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        "packages": {name: number for name in PACKAGES if (number := _version(name))},
    }


def _gpu() -> dict[str, Any]:
    if not torch_sees_gpu():
        name, memory, driver = nvidia_smi("name", "memory.total", "driver_version")
        return {"gpu": name, "gpu_gigabytes": round(float(memory) * 2**20 / 1e9), "driver": driver}
    import torch

    properties = torch.cuda.get_device_properties(0)
    try:
        (driver,) = nvidia_smi("driver_version")
    except RuntimeError:  # a container may have the GPU without its tools
        driver = "unknown"
    return {
        "gpu": properties.name,
        "gpu_gigabytes": round(properties.total_memory / 1e9),
        "driver": driver,
        "cuda": torch.version.cuda,
    }


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return ""
