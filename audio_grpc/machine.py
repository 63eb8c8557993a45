"""Finds the cores, memory and NVIDIA GPUs that this process may use. Control groups are read on Linux.

Containers are limited by their control groups, and by those around them:
https://docs.kernel.org/admin-guide/cgroup-v2.html and .../cgroup-v1/index.html.
"""

import math
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Self

ROOT = Path("/")
NVIDIA_SMI_SECONDS = 10.0
MIB, GIB = 1 << 20, 1 << 30


@dataclass(frozen=True)
class Gpu:
    """An NVIDIA GPU."""

    name: str
    memory_bytes: int | None
    """The memory; None where nvidia-smi does not tell."""


@dataclass(frozen=True)
class Machine:
    """The part of the machine that this process may use."""

    cores: int
    cores_are: str
    """The source of that number, in words."""
    memory_bytes: int | None = None
    """The memory; None if it cannot be read."""
    memory_is: str = "the machine's"
    """The source of that number, in words."""
    gpus: tuple[Gpu, ...] = ()
    """The GPUs that CUDA may see, in its order."""

    def without_gpus(self) -> Self:
        """Returns the same machine as one who cannot use its GPUs sees it."""
        return replace(self, gpus=())

    def __str__(self) -> str:
        """Returns a line for people."""
        memory = "unknown" if self.memory_bytes is None else f"{self.memory_bytes / GIB:.1f} GiB"
        gpus = ", ".join(gpu.name for gpu in self.gpus) or "none"
        cores = f"{self.cores} {'core' if self.cores == 1 else 'cores'}"
        return f"{cores} ({self.cores_are}), memory {memory} ({self.memory_is}), GPU: {gpus}"


def this_machine(memory_limit_bytes: int | None = None, servers: int = 1, root: Path = ROOT) -> Machine:
    """Reads what this process may use, if so many servers share the cores and the memory alike.

    ``memory_limit_bytes`` is what it is told to keep to, of which the others have nothing.
    """
    cores, cores_are = _cores(root)
    memory_bytes, memory_is = _memory(root)
    if servers > 1:
        cores, cores_are = max(cores // servers, 1), f"{cores_are}, for each of {servers} servers"
        memory_bytes = None if memory_bytes is None else memory_bytes // servers
        memory_is = f"{memory_is}, for each of {servers} servers"
    if memory_limit_bytes is not None and (memory_bytes is None or memory_limit_bytes < memory_bytes):
        memory_bytes, memory_is = memory_limit_bytes, "memory_limit_bytes"
    return Machine(cores, cores_are, memory_bytes, memory_is, tuple(_gpus(root)))


def cpus() -> int:
    """Returns how many cores this process may use."""
    return _cores(ROOT)[0]


def control_groups(root: Path, controller: str) -> Iterator[tuple[int, Path]]:
    """Yields the groups that limit this process, inner ones first: the version (1 or 2), and the folder."""
    for line in read(root / "proc/self/cgroup").splitlines():
        _, controllers, path = line.split(":", 2)
        # In a container the group's own folder may be the mount, whatever the path says.
        group = Path(path.lstrip("/"))
        if controllers == "":
            yield from ((2, root / "sys/fs/cgroup" / folder) for folder in (group, *group.parents))
        elif controller in controllers.split(","):
            mount = root / "sys/fs/cgroup" / controller
            yield from ((1, mount / folder) for folder in (group, *group.parents))


def read(file: Path) -> str:
    """Returns the text of a file; empty if there is none, or if it cannot be read."""
    try:
        return file.read_text()
    except OSError:
        return ""


def _cores(root: Path) -> tuple[int, str]:
    """Returns how many, and where that is from.

    A quota of one core and a half is two cores: two threads can use all of it, one cannot.
    """
    has = os.cpu_count() or 1
    may = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else has
    quota = min(_quotas(root), default=math.inf)
    if quota < may:
        return max(math.ceil(quota), 1), f"the control group's quota is {quota:g} of {has}"
    if may < has:
        return may, f"this process is bound to {may} of {has}"
    return has, "all of the machine's"


def _quotas(root: Path) -> Iterator[float]:
    for version, folder in control_groups(root, "cpu"):
        if version == 2:
            quota, _, period = read(folder / "cpu.max").strip().partition(" ")
        else:
            quota, period = (read(folder / f"cpu.cfs_{one}_us").strip() for one in ("quota", "period"))
        if quota.isdecimal() and period.isdecimal() and int(period):
            yield int(quota) / int(period)


def _memory(root: Path) -> tuple[int | None, str]:
    total = re.search(r"^MemTotal:\s+(\d+) kB", read(root / "proc/meminfo"), re.MULTILINE)
    limits = [(int(total[1]) * 1024, "the machine's")] if total else []
    for version, folder in control_groups(root, "memory"):
        limit = read(folder / ("memory.max" if version == 2 else "memory.limit_in_bytes")).strip()
        if limit.isdecimal():
            limits.append((int(limit), "the control group's limit"))
    return min(limits, key=lambda one: one[0], default=(None, "cannot be read"))


def _gpus(root: Path) -> Iterator[Gpu]:
    """Yields those that CUDA may see: https://docs.nvidia.com/cuda/cuda-c-programming-guide/#env-vars."""
    there = list(_told_by_nvidia_smi() or _found_by_the_driver(root))
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if visible is None:
        yield from (gpu for _, gpu in there)
        return
    for wanted in (name.strip() for name in visible.split(",")):
        matching = [gpu for names, gpu in there if wanted and any(name.startswith(wanted) for name in names)]
        if wanted.isdecimal():
            matching = [gpu for _, gpu in there[int(wanted) :]]
        if there and wanted.startswith("MIG-"):
            matching = [Gpu("part of a GPU (MIG)", None)]
        if not matching:  # CUDA sees none from the first on that is not there
            return
        yield matching[0]


def _told_by_nvidia_smi() -> list[tuple[list[str], Gpu]]:
    """Returns the names by which each can be asked for, and what it is."""
    if not shutil.which("nvidia-smi"):
        return []
    told = ask_nvidia_smi("--query-gpu=uuid,name,memory.total")
    rows = [[cell.strip() for cell in line.split(",")] for line in told.splitlines()]
    return [([row[0]], _gpu(*row[1:])) for row in rows if len(row) == 3]


def _found_by_the_driver(root: Path) -> Iterator[tuple[list[str], Gpu]]:
    """Yields what can be seen without nvidia-smi, which a container may lack."""
    told = [read(file) for file in sorted(root.glob("proc/driver/nvidia/gpus/*/information"))]
    if not told and (root / "dev/dxg").exists() and (root / "usr/lib/wsl/lib/libcuda.so.1").exists():
        told = [""]
    for text in told:
        found = dict(re.findall(r"^(Model|GPU UUID):\s*(\S.*?)\s*$", text, re.MULTILINE))
        uuid = found.get("GPU UUID")
        yield [uuid] if uuid else [], Gpu(found.get("Model", "NVIDIA GPU"), None)


def ask_nvidia_smi(*question: str) -> str:
    """Returns what it says, in comma-separated lines without units; empty if it cannot tell."""
    command = ("nvidia-smi", *question, "--format=csv,noheader,nounits")
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=NVIDIA_SMI_SECONDS)  # noqa: S603
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout if done.returncode == 0 else ""


def _gpu(name: str, memory_mib: str) -> Gpu:
    return Gpu(name, int(memory_mib) * MIB if memory_mib.isdecimal() else None)
