"""Measures memory, and gives it back to the system (Linux, and NVIDIA's GPUs)."""

import ctypes
import gc
import os
import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from audio_grpc.machine import ask_nvidia_smi, control_groups, read

LIMIT_FILES = {
    2: ("memory.max", "memory.current", "memory.stat"),
    1: ("memory.limit_in_bytes", "memory.usage_in_bytes", "memory.stat"),
}
M_ARENA_MAX = -8
"""From malloc.h."""
ARENAS = 2
FILE_CACHE = {2: "inactive_file", 1: "total_inactive_file"}

# What others have left out stays so; gc.get_freeze_count does not tell whose it is.
_left_out = False


@dataclass(frozen=True)
class Footprint:
    """The bytes of memory that a model takes, as far as they are known."""

    host: int | None = None
    device: int | None = None


class Memory(Protocol):
    """The memory of this process and of the machine; None for what cannot be read."""

    def used(self) -> int | None:
        """Returns the bytes of the host's memory that this process uses; None if that cannot be told."""

    def free(self, device: int | None) -> int | None:
        """Returns the free bytes of the host's memory (``device`` None) or a GPU's; None if not known."""


class SystemMemory:
    """Read from the files below ``root``, and from nvidia-smi. ``limit`` is what this process may have."""

    def __init__(self, root: Path = Path("/"), limit: int | None = None) -> None:
        self._root = root
        self._limit = limit

    def used(self) -> int | None:
        """The resident set: https://man7.org/linux/man-pages/man5/proc_pid_statm.5.html."""
        pages = self._read("proc/self/statm").split()
        return int(pages[1]) * os.sysconf("SC_PAGE_SIZE") if pages else None

    def free(self, device: int | None) -> int | None:
        """Returns the free bytes; of the host, the least that the machine or any enclosing group has left."""
        if device is not None:
            return _gpu_free(device)
        available = re.search(r"^MemAvailable:\s+(\d+) kB", self._read("proc/meminfo"), re.MULTILINE)
        machine = [int(available[1]) * 1024] if available else []
        used = self.used()
        told = [] if self._limit is None or used is None else [max(self._limit - used, 0)]
        return min([*machine, *self._left_of_limits(), *told], default=None)

    def _left_of_limits(self) -> Iterator[int]:
        """Yields the bytes left under each limit: those of the control group, and of the groups around it."""
        for version, folder in control_groups(self._root, "memory"):
            most, used, kept = (read(folder / name).strip() for name in LIMIT_FILES[version])
            if most.isdecimal() and used.isdecimal():
                # The kernel drops what it keeps of files before it refuses memory.
                files = re.search(rf"^{FILE_CACHE[version]} (\d+)$", kept, re.MULTILINE)
                yield max(int(most) - int(used) + (int(files[1]) if files else 0), 0)

    def _read(self, path: str) -> str:
        return read(self._root / path)


def device_number(device: str) -> int | None:
    """Returns the number of the GPU of a model's ``device``, as CUDA counts; None for the CPU.

    "auto" is the first GPU where the machine has NVIDIA's driver.
    """
    if device == "auto":
        return 0 if shutil.which("nvidia-smi") else None
    found = re.fullmatch(r"cuda(?::(\d+))?", device)
    return int(found[1] or 0) if found else None


def _gpu_free(device: int) -> int | None:
    # CUDA counts the GPUs that it may see: https://docs.nvidia.com/cuda/cuda-c-programming-guide/#env-vars.
    visible = [one.strip() for one in os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",") if one.strip()]
    gpu = visible[device] if device < len(visible) else str(device)
    told = ask_nvidia_smi(f"--id={gpu}", "--query-gpu=memory.free")
    return int(told) << 20 if told.strip().isdecimal() else None


def leave_out() -> None:
    """Leave what exists out of garbage collection, until something of it is given back.

    To look through all that a server has loaded stops it for 40 to 80 ms each time.
    """
    global _left_out
    gc.collect()
    gc.freeze()
    _left_out = True


def settle() -> None:
    """Free what is garbage, but for what was left out, so that what is measured next is in use."""
    gc.collect()
    # glibc keeps most of what has been freed, for itself, unless it is told not to:
    # https://man7.org/linux/man-pages/man3/malloc_trim.3.html.
    _glibc("malloc_trim", 0)


def share_arenas() -> None:
    """Have all threads share two arenas of glibc, unless the environment says otherwise.

    By itself it makes eight for each core, each of which keeps what was freed in it from the threads of the
    others: https://man7.org/linux/man-pages/man3/mallopt.3.html.
    """
    if not {"MALLOC_ARENA_MAX", "GLIBC_TUNABLES"} & os.environ.keys():
        _glibc("mallopt", M_ARENA_MAX, ARENAS)


def _glibc(name: str, *arguments: int) -> None:
    """Calls a function of glibc's; other systems have none of that name."""
    if os.name == "posix" and (function := getattr(ctypes.CDLL(None), name, None)) is not None:
        function(*arguments)


def give_back() -> None:
    """Return what nobody uses any more to the system: of what was left out, too."""
    if _left_out:
        gc.unfreeze()
    settle()
    if _left_out:
        gc.freeze()
