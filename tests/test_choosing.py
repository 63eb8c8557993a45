"""The choice of a model's settings that are not configured: from the cores, the memory and the GPU."""

import os
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from audio_grpc.backends import registry
from audio_grpc.backends.base import ModelSpec
from audio_grpc.backends.choosing import choose, plan
from audio_grpc.backends.faster_whisper import FasterWhisper
from audio_grpc.client import Client
from audio_grpc.machine import GIB, Gpu, Machine, this_machine
from tests.conftest import COMMAND, ServerProcess

CORES = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []
ON_ONE_CORE = ("taskset", "--cpu-list", str(min(CORES, default=0)))
needs_affinity = pytest.mark.skipif(not CORES, reason="this system cannot bind processes to cores")


def machine(cores: int = 2, gigabytes: int = 16, gpu_gigabytes: int = 0) -> Machine:
    gpus = (Gpu("Test GPU", gpu_gigabytes * GIB),) if gpu_gigabytes else ()
    return Machine(cores, "told by a test", gigabytes * GIB, "told by a test", gpus)


def whisper(there: Machine, **configured: Any) -> dict[str, int | str]:
    """Returns the choices for Whisper, as if CTranslate2 could use the GPU of the machine."""
    traits = replace(FasterWhisper.traits, unfit_for_gpu=lambda: "")
    choices = choose(ModelSpec("faster-whisper", **configured), traits, there).choices
    assert all(choice.why for choice in choices.values())
    return {name: choice.value for name, choice in choices.items()}


def speaker(name: str, there: Machine, **configured: Any) -> dict[str, int | str]:
    choices = plan(ModelSpec(name, **configured), registry.synthesizer(name), there).choices
    assert all(choice.why for choice in choices.values())
    return {name: choice.value for name, choice in choices.items()}


@pytest.mark.parametrize(
    ("there", "expected"),
    [
        (machine(cores=1), {"device": "cpu", "compute_type": "int8", "workers": 1, "cpu_threads": 1}),
        (machine(cores=2), {"workers": 2, "cpu_threads": 1, "batch_size": 1, "concurrency": 3, "queue": 42}),
        (machine(cores=8), {"workers": 8, "cpu_threads": 1, "concurrency": 9, "queue": 168}),
        (machine(cores=32, gigabytes=64), {"workers": 8, "cpu_threads": 4}),
        (machine(cores=8, gigabytes=1), {"workers": 2, "cpu_threads": 4, "concurrency": 2}),
        (
            machine(gpu_gigabytes=12),
            {"device": "cuda", "compute_type": "float16", "batch_size": 8, "workers": 1, "concurrency": 16},
        ),
        (machine(gpu_gigabytes=4), {"compute_type": "int8_float16", "batch_size": 4, "concurrency": 8}),
        (machine(gpu_gigabytes=80), {"compute_type": "float16", "batch_size": 16, "concurrency": 32}),
    ],
)
def test_whisper_follows_the_machine(there: Machine, expected: dict[str, int | str]) -> None:
    chosen = whisper(there)
    assert {name: chosen[name] for name in expected} == expected


@pytest.mark.parametrize(
    ("configured", "expected"),
    [
        ({"device": "cpu"}, {"device": "cpu", "compute_type": "int8", "batch_size": 1, "workers": 2}),
        ({"device": "cpu", "threads": 3}, {"workers": 3, "cpu_threads": 1, "concurrency": 4}),
        ({"device": "cpu", "options": {"short_context": True}}, {"workers": 2, "cpu_threads": 1}),
        ({"device": "cpu", "options": {"short_context": False}}, {"workers": 2, "cpu_threads": 2}),
        ({"device": "cpu", "options": {"workers": 1}}, {"workers": 1, "cpu_threads": 2, "concurrency": 2}),
        ({"device": "cpu", "options": {"batch_size": 4}}, {"batch_size": 4, "workers": 1, "concurrency": 8}),
        ({"compute_type": "bfloat16", "concurrency": 3}, {"compute_type": "bfloat16", "concurrency": 3}),
        ({"queue": 0}, {"queue": 0}),
    ],
)
def test_what_is_configured_stays_and_the_rest_follows_it(
    configured: dict[str, Any], expected: dict[str, int | str]
) -> None:
    chosen = whisper(machine(gpu_gigabytes=12), **configured)
    assert {name: chosen[name] for name in expected} == expected


def test_speakers_take_as_many_calls_as_they_speak_to_in_real_time() -> None:
    assert speaker("hibari", machine(cores=2))["concurrency"] == 150
    assert speaker("hibari", machine(cores=16))["concurrency"] == 600, "of eight workers"
    assert speaker("hibari", machine(cores=2), threads=1)["concurrency"] == 75
    assert speaker("hibari", machine(cores=16, gigabytes=1))["concurrency"] == 128
    for cores, expected in ((1, (1, 1, 4)), (2, (1, 2, 4)), (8, (4, 2, 9))):
        slow = speaker("kokoro", machine(cores=cores))
        assert (slow["threads"], slow["cpu_threads"], slow["concurrency"]) == expected


def test_a_speaker_that_is_faster_than_expected_takes_more_calls_as_far_as_the_memory_goes() -> None:
    chosen = plan(ModelSpec("hibari"), registry.synthesizer("hibari"), machine(cores=2, gigabytes=4))
    assert chosen.expected is not None
    assert chosen.expected.speed == 200
    assert [chosen.expected.places(speed) for speed in (0.0, 200.0, 400.0, 1e6)] == [150, 150, 300, 512]
    for spec in (ModelSpec("hibari", concurrency=7), ModelSpec("tone")):
        assert plan(spec, registry.synthesizer(spec.backend), machine()).expected is None


def test_calls_meet_in_an_engine_that_batches_them() -> None:
    there = machine(gpu_gigabytes=80)
    plain = speaker("cosyvoice", there, path="model", device="cuda")
    assert (plain["threads"], plain["concurrency"]) == (1, 4)
    threads = speaker("cosyvoice", there, path="model", device="cuda", threads=4)
    assert (threads["threads"], threads["concurrency"]) == (4, 8), "as configured"
    batched = speaker("cosyvoice", there, path="model", device="cuda", options={"vllm": True})
    assert (batched["threads"], batched["concurrency"]) == (8, 16)


def test_a_backend_that_tells_nothing_of_itself_has_the_same_numbers_everywhere() -> None:
    assert speaker("tone", machine(cores=64)) == {"threads": 1, "concurrency": 4, "queue": 32}


def group(root: Path, **files: str) -> None:
    """Files below a root; two underscores in a name are a slash."""
    for name, text in files.items():
        path = root / name.replace("__", "/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def test_the_quota_of_a_control_group_counts_and_so_does_one_around_it(tmp_path: Path) -> None:
    inner, outer = "sys/fs/cgroup/pod/box", "sys/fs/cgroup/pod"
    meminfo = "MemTotal:       16777216 kB\n"
    group(tmp_path, proc__self__cgroup="0::/pod/box\n", proc__meminfo=meminfo)
    there = this_machine(root=tmp_path)
    assert there.memory_bytes == 16 * GIB
    whole = there.cores
    group(tmp_path, **{f"{inner}/cpu.max": "max 100000\n", f"{inner}/memory.max": f"{4 * GIB}\n"})
    there = this_machine(root=tmp_path)
    assert (there.cores, there.memory_bytes) == (whole, 4 * GIB)
    group(tmp_path, **{f"{outer}/cpu.max": "50000 100000\n", f"{outer}/memory.max": f"{2 * GIB}\n"})
    there = this_machine(root=tmp_path)
    assert (there.cores, there.memory_bytes) == (1, 2 * GIB)
    assert "quota is 0.5" in str(there)
    assert this_machine(GIB, root=tmp_path).memory_bytes == GIB
    assert this_machine(servers=4, root=tmp_path).memory_bytes == GIB // 2
    assert this_machine(GIB // 4, servers=4, root=tmp_path).memory_bytes == GIB // 4


def test_the_first_version_of_control_groups_is_read_as_well(tmp_path: Path) -> None:
    box = "sys/fs/cgroup/cpu/box"
    group(tmp_path, proc__self__cgroup="3:cpuacct,cpu:/box\n2:memory:/box\n1:name=systemd:/\n")
    group(tmp_path, **{f"{box}/cpu.cfs_quota_us": "90000\n", f"{box}/cpu.cfs_period_us": "100000\n"})
    group(tmp_path, **{"sys/fs/cgroup/memory/box/memory.limit_in_bytes": f"{GIB}\n"})
    there = this_machine(root=tmp_path)
    assert (there.cores, there.memory_bytes) == (1, GIB)
    group(tmp_path, **{f"{box}/cpu.cfs_quota_us": "-1\n"})
    assert "quota" not in str(this_machine(root=tmp_path))


def test_gpus_are_those_that_cuda_may_see(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    smi = tmp_path / "nvidia-smi"
    smi.write_text("#!/bin/sh\necho 'GPU-aa1, NVIDIA A10, 23028'\necho 'GPU-bb2, NVIDIA T4, 15360'\n")
    smi.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    assert [gpu.name for gpu in this_machine().gpus] == ["NVIDIA A10", "NVIDIA T4"]
    assert this_machine().gpus[1] == Gpu("NVIDIA T4", 15360 << 20)
    for visible, names in (("1", ["NVIDIA T4"]), ("GPU-bb", ["NVIDIA T4"]), ("-1", []), ("", [])):
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
        assert [gpu.name for gpu in this_machine().gpus] == names


def test_a_gpu_is_seen_where_nvidia_smi_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    told = "Model: \t\t NVIDIA L4\nIRQ:   \t\t 1\nGPU UUID: \t GPU-cc3\n"
    group(tmp_path, **{"proc/driver/nvidia/gpus/0000:01:00.0/information": told})
    assert this_machine(root=tmp_path).gpus == (Gpu("NVIDIA L4", None),)


@needs_affinity
def test_a_server_has_places_for_the_cores_that_it_may_use(tmp_path: Path) -> None:
    """The server has the default models."""
    server = ServerProcess(cwd=tmp_path, command=(*ON_ONE_CORE, COMMAND, "serve"))
    try:
        with Client(server.address) as client:
            models = {model.name: model for model in client.list_models()}
    finally:
        server.stop()
    assert (models["hibari"].max_running, models["hibari"].max_queued) == (75, 75)
    assert models["whisper-base"].max_running == 2


def test_servers_that_share_a_machine_share_its_cores(tmp_path: Path) -> None:
    """The servers are started like those of `audio-grpc up`."""
    (tmp_path / "audio-grpc.toml").write_text("replicas = 1000\n[transcribers.ear]\nbackend = 'tone'\n")
    report = doctor(cwd=tmp_path)
    assert "1 core (" in report
    assert "for each of 1000 servers" in report
    server = ServerProcess("--replicas", "1000", cwd=tmp_path)
    try:
        with Client(server.address) as client:
            assert client.get_model("hibari").max_running < 75
    finally:
        server.stop()


def doctor(*arguments: str, cwd: Path, before: tuple[str, ...] = (), path: str = "") -> str:
    """The report on the models, as whoever calls it reads it."""
    done = subprocess.run(
        [*before, COMMAND, "doctor", "--no-load", "--server", "127.0.0.1:1", *arguments],
        capture_output=True,
        text=True,
        cwd=cwd,
        timeout=120,
        env=os.environ | {"PATH": f"{path}:{os.environ['PATH']}"},
    )
    assert done.returncode == 0, done.stderr
    return " ".join(done.stdout.split())


@needs_affinity
def test_doctor_says_what_was_chosen_and_why(tmp_path: Path) -> None:
    config = tmp_path / "audio-grpc.toml"
    config.write_text("[transcribers.whisper-base]\nqueue = 7\n")
    report = doctor(cwd=tmp_path, before=ON_ONE_CORE)
    assert "1 core (" in report
    assert (
        "concurrency 75 so many are spoken to in real time: 100 seconds of sound a second on a core" in report
    )
    assert "device cpu the backend runs on CPUs only" in report
    assert "workers 1 1 core, one for each" in report
    assert "queue 7 as configured" in report
    config.write_text("memory_limit_bytes = 400_000_000\n[transcribers.whisper-base]\nthreads = 3\n")
    report = doctor(cwd=tmp_path)
    assert "memory 0.4 GiB (memory_limit_bytes)" in report
    assert "workers 3 as configured (threads)" in report
    assert "concurrency 3 memory for no more calls at a time" in report


def test_doctor_says_why_a_gpu_is_not_used(tmp_path: Path) -> None:
    smi = tmp_path / "nvidia-smi"
    smi.write_text("#!/bin/sh\necho 'GPU-aa1, NVIDIA A10, 23028'\n")
    smi.chmod(0o755)
    report = doctor(cwd=tmp_path, path=str(tmp_path))
    assert "GPU: NVIDIA A10" in report
    assert "device cpu there is an NVIDIA A10, but CTranslate2 cannot use it" in report
