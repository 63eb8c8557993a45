"""The memory of models, and the choice of those to unload when it is short."""

import asyncio
import gc
import logging
import os
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from audio_grpc.backends import tone
from audio_grpc.backends.base import ModelSpec, Synthesizer
from audio_grpc.backends.tone import ToneSpeaker
from audio_grpc.client import AsyncClient, Encoding
from audio_grpc.errors import MemoryShort
from audio_grpc.runtime.budget import HEADROOM_BYTES
from audio_grpc.runtime.memory import SystemMemory, device_number
from audio_grpc.runtime.memory_manager import MemoryManager
from audio_grpc.runtime.model import Model, State
from audio_grpc.runtime.models import Models
from audio_grpc.server import Server
from tests.conftest import COMMAND, Start, tone_settings
from tests.eventually import eventually
from tests.test_metrics import scrape

MB = 1_000_000
ENOUGH = 1000 * MB


class FakeMemory:
    """A memory of the test's size, of which each loaded speaker takes ``each``."""

    def __init__(self, size: int, *, each: int) -> None:
        self.size = size
        self.each = each
        self.loaded: list[str] = []

    def used(self) -> int:
        return self.each * len(self.loaded)

    def free(self, device: int | None) -> int:
        """Every GPU has as much as the host."""
        there = [one for one in self.loaded if device is None or device_number(one) == device]
        return self.size - self.each * len(there)

    def speaker(self, spec: ModelSpec) -> Synthesizer:
        """A backend that takes of this memory."""
        memory = self

        class Speaker(ToneSpeaker):
            def load(self) -> None:
                super().load()
                memory.loaded.append(spec.device)

            def close(self) -> None:
                super().close()
                memory.loaded.remove(spec.device)

        return Speaker(spec)


def room_for(memory: FakeMemory, *specs: ModelSpec, **limits: Any) -> Models:
    """Speakers a, b, c ... that share the memory."""
    room = MemoryManager(memory, **limits)
    speakers = [Model(name, spec, memory.speaker, room) for name, spec in zip("abcdef", specs, strict=False)]
    return Models(speakers, [], room)


@asynccontextmanager
async def closing(models: Models) -> AsyncIterator[Models]:
    try:
        yield models
    finally:
        await models.close()


def loaded(models: Models) -> str:
    return " ".join(model.name for model in models.all if model.state is State.READY)


async def speak(client: AsyncClient, model: str) -> bytes:
    speech = client.synthesize("x", model=model, encoding=Encoding.PCM_S16LE)
    return b"".join([data async for data in speech])


TONE = ModelSpec("tone")


async def test_the_longest_idle_models_make_room_for_the_next_one() -> None:
    memory = FakeMemory(ENOUGH, each=300 * MB)
    async with closing(room_for(memory, TONE, TONE, TONE, TONE, min_free_bytes=200 * MB)) as models:
        for name in "abc":
            await models.any(name).load()
        assert loaded(models) == "a b c"
        async with models.synthesizer("a").stream(lambda backend: (x for x in [1])) as stream:
            assert [x async for x in stream] == [[1]]
        await models.any("d").load()
        assert loaded(models) == "a c d"


async def test_a_model_that_comes_back_gets_as_much_room_as_it_took() -> None:
    memory = FakeMemory(ENOUGH, each=300 * MB)
    async with closing(room_for(memory, TONE, TONE, TONE, min_free_bytes=50 * MB)) as models:
        await models.any("a").load()
        await models.any("a").unload()
        await models.any("b").load()
        memory.size = 600 * MB
        await models.any("a").load()
        assert loaded(models) == "a", "b had to go: beside it were 300 MB, not 350"


async def test_a_model_that_comes_while_recordings_arrive_leaves_them_less() -> None:
    """Memory that they were promised and do not use yet still counts as free on the machine."""
    memory = FakeMemory(ENOUGH + HEADROOM_BYTES, each=300 * MB)
    room = MemoryManager(memory)
    model = Model("a", TONE, memory.speaker, room)
    async with closing(Models([model], [], room)), room.budget.uploads.share(60 * MB):
        await model.load()
        with pytest.raises(MemoryShort):
            async with room.budget.uploads.share(650 * MB, longest_wait_seconds=0):
                pass
        async with room.budget.uploads.share(640 * MB, longest_wait_seconds=0):
            pass


async def test_resident_models_stay_and_loading_is_tried_nevertheless(
    caplog: pytest.LogCaptureFixture,
) -> None:
    memory = FakeMemory(ENOUGH, each=600 * MB)
    resident = ModelSpec("tone", resident=True)
    async with closing(room_for(memory, resident, TONE, min_free_bytes=500 * MB)) as models:
        await models.any("a").load()
        with caplog.at_level(logging.WARNING):
            await models.any("b").load()
        assert loaded(models) == "a b"
        assert "400 MB of memory are free, and no model is idle that could go" in caplog.text


async def test_a_model_that_is_being_used_stays() -> None:
    memory = FakeMemory(ENOUGH, each=600 * MB)
    async with closing(room_for(memory, TONE, TONE, min_free_bytes=500 * MB)) as models:
        async with models.synthesizer("a").stream(lambda backend: (x for x in range(100))) as stream:
            await anext(stream)
            await models.any("b").load()
            assert loaded(models) == "a b"
            results = [x async for ready in stream for x in ready]
        assert results[-1] == 99


async def test_idle_models_go_when_others_take_the_memory() -> None:
    memory = FakeMemory(ENOUGH, each=100 * MB)
    room = room_for(memory, TONE, TONE, min_free_bytes=200 * MB, check_seconds=0.01)
    async with closing(room) as models:
        models.keep_room()
        for name in "ab":
            await models.any(name).load()
        memory.size = 350 * MB
        await eventually(lambda: loaded(models) == "b")
        memory.size = 250 * MB
        await eventually(lambda: not loaded(models))


async def test_nothing_is_unloaded_where_that_is_turned_off() -> None:
    memory = FakeMemory(0, each=100 * MB)
    async with closing(room_for(memory, TONE, TONE, min_free_bytes=0)) as models:
        for name in "ab":
            await models.any(name).load()
        assert loaded(models) == "a b"


async def test_models_make_room_on_their_own_device_only() -> None:
    memory = FakeMemory(500 * MB, each=300 * MB)
    specs = [ModelSpec("tone", device=device) for device in ("cpu", "cuda:0", "cuda:1", "cuda:1")]
    async with closing(room_for(memory, *specs, min_free_device_bytes=300 * MB)) as models:
        for name in "abcd":
            await models.any(name).load()
        assert loaded(models) == "a b d"
        assert [models.any(name).footprint.device for name in "abd"] == [0, 300 * MB, 300 * MB]


async def test_models_are_loaded_one_at_a_time_so_that_each_has_its_own_share() -> None:
    memory = FakeMemory(ENOUGH, each=300 * MB)
    spec = ModelSpec("tone", options={"load_seconds": 0.05})
    async with closing(room_for(memory, spec, spec)) as models:
        await asyncio.gather(*(models.any(name).load() for name in "ab"))
        assert [models.any(name).footprint.host for name in "ab"] == [300 * MB, 300 * MB]


async def test_garbage_that_goes_while_a_model_comes_does_not_make_it_look_smaller() -> None:
    class Collecting(ToneSpeaker):
        def load(self) -> None:
            super().load()
            gc.collect()

    weight = 60 * MB
    spec = ModelSpec("tone", options={"weight_bytes": weight})
    room = MemoryManager(SystemMemory())
    model: Model[Synthesizer] = Model("a", spec, Collecting, room)
    async with closing(Models([model], [], room)):
        garbage: list[object] = [np.ones(2 * weight, np.uint8)]
        garbage.append(garbage)
        del garbage
        await model.load()
        assert model.footprint.host is not None
        assert model.footprint.host > weight * 0.9


async def test_memory_is_told_while_a_model_is_loaded(start: Start) -> None:
    weight = 60 * MB
    server, client = await start(options={"weight_bytes": weight}, metrics_port=0)
    assert not (await client.get_model("speaker")).HasField("host_memory_bytes")
    await speak(client, "speaker")
    model = await client.get_model("speaker")
    assert weight * 0.9 < model.host_memory_bytes < weight * 1.5
    assert (model.HasField("device_memory_bytes"), model.device_memory_bytes) == (True, 0)
    found = await scrape(server)
    name = "audio_grpc_model_memory_bytes"
    assert found.value(name, model="speaker", kind="host") == model.host_memory_bytes
    assert found.value(name, model="speaker", kind="device") == 0
    assert found.value(name, model="listener", kind="host") is None
    before = SystemMemory().used()
    unloaded = await client.unload_model("speaker")
    assert not unloaded.HasField("host_memory_bytes")
    after = SystemMemory().used()
    assert before is not None
    assert after is not None
    assert before - after > weight * 0.9
    assert (await scrape(server)).value(name, model="speaker", kind="host") is None


async def test_a_server_unloads_what_is_idle_when_its_machine_is_short_of_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    memory = FakeMemory(ENOUGH, each=600 * MB)
    monkeypatch.setattr(tone, "ToneSpeaker", memory.speaker)
    names = ("first", "second")
    settings = tone_settings(
        synthesizers=dict.fromkeys(names, TONE), min_free_memory_bytes=500 * MB, voices_path=tmp_path
    )
    server = Server(settings, memory=memory)
    try:
        await server.start()
        async with AsyncClient(server.address) as client:
            for name in (*names, *names):
                assert await speak(client, name)
            assert loaded(server.models) == "second"
    finally:
        await server.stop(0)


async def test_a_clean_up_takes_out_what_is_idle_and_may_go(start: Start) -> None:
    weight = 60 * MB
    speakers = {
        "idle": ModelSpec("tone", options={"weight_bytes": weight}),
        "resident": ModelSpec("tone", resident=True),
        "busy": ModelSpec("tone", read_ahead=1),
    }
    _, client = await start(synthesizers=speakers)
    await speak(client, "idle")
    async with client.synthesize("x" * 1000, model="busy", encoding=Encoding.PCM_S16LE) as speech:
        await anext(speech)
        memory = await client.get_memory()
        assert {model.model for model in memory.models} == {"idle", "resident", "busy"}
        assert memory.used_bytes > weight
        assert memory.free_bytes > 0
        assert list(memory.devices) == []
        freed = await client.free_memory()
        assert freed.unloaded_models == ["idle"]
        assert {model.model for model in freed.after.models} == {"resident", "busy"}
        assert freed.before.used_bytes - freed.after.used_bytes > weight * 0.9
        assert len(b"".join([data async for data in speech])) > 990 * 4800


async def test_each_gpu_that_a_model_is_on_is_told(start: Start, nvidia_smi: Path) -> None:
    _, client = await start(device="cuda:0", listener={"device": "cuda:7"})
    found = {one.device: one for one in (await client.get_memory()).devices}
    assert found["cuda:0"].free_bytes == 100 << 20
    assert not found["cuda:7"].HasField("free_bytes")


async def test_the_command_frees_memory(start: Start) -> None:
    server, client = await start()
    await speak(client, "speaker")
    command = [COMMAND, "models", "free", "--server", server.address]
    done = await asyncio.to_thread(subprocess.run, command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0
    assert "unloaded speaker" in done.stdout
    assert "the server took" in done.stdout
    assert loaded(server.models) == ""


MEMINFO = "MemTotal:       24000000 kB\nMemFree:  1000 kB\nMemAvailable:   8000000 kB\n"


def machine(root: Path, files: dict[str, str]) -> SystemMemory:
    for name, text in {"proc/meminfo": MEMINFO, **files}.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return SystemMemory(root)


def group_v2(folder: str, limit: str, used: int) -> dict[str, str]:
    return {
        f"sys/fs/cgroup/{folder}memory.max": f"{limit}\n",
        f"sys/fs/cgroup/{folder}memory.current": f"{used}\n",
        f"sys/fs/cgroup/{folder}memory.stat": f"anon 1\ninactive_file {50 * MB}\nslab 3\n",
    }


def test_without_a_limit_the_machine_says_what_is_free(tmp_path: Path) -> None:
    assert machine(tmp_path, {}).free(None) == 8_000_000 * 1024


def test_the_limit_of_a_container_counts_without_what_files_keep(tmp_path: Path) -> None:
    """The container sees its own group as the root."""
    files = {"proc/self/cgroup": "0::/\n", **group_v2("", str(1000 * MB), used=700 * MB)}
    assert machine(tmp_path, files).free(None) == 350 * MB


def test_the_narrowest_of_the_groups_around_counts(tmp_path: Path) -> None:
    files = {
        "proc/self/cgroup": "0::/pods/one\n",
        **group_v2("pods/one/", "max", used=100 * MB),
        **group_v2("pods/", str(500 * MB), used=400 * MB),
    }
    assert machine(tmp_path, files).free(None) == 150 * MB


def test_the_older_kind_of_group_counts_as_well(tmp_path: Path) -> None:
    folder = "sys/fs/cgroup/memory/docker/abc/"
    files = {
        "proc/self/cgroup": "5:cpu,cpuacct:/docker/abc\n4:memory:/docker/abc\n0::/\n",
        f"{folder}memory.limit_in_bytes": str(1000 * MB),
        f"{folder}memory.usage_in_bytes": str(900 * MB),
        f"{folder}memory.stat": f"cache 1\ninactive_file 7\ntotal_inactive_file {10 * MB}\n",
    }
    assert machine(tmp_path, files).free(None) == 110 * MB


def test_what_cannot_be_read_is_not_known(tmp_path: Path) -> None:
    memory = SystemMemory(tmp_path)
    assert (memory.used(), memory.free(None)) == (None, None)


@pytest.fixture
def nvidia_smi(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A command of that name, which tells 100 MiB for the first GPU and 200 MiB for GPU-b."""
    command = tmp_path / "nvidia-smi"
    command.write_text("#!/bin/sh\ncase $1 in --id=0) echo 100;; --id=GPU-b) echo 200;; *) exit 6;; esac\n")
    command.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    return command


def test_the_memory_of_a_gpu_is_what_nvidia_smi_tells(
    nvidia_smi: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    memory = SystemMemory()
    assert (memory.free(0), memory.free(7)) == (100 << 20, None)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "GPU-b, 0")
    assert (memory.free(0), memory.free(1)) == (200 << 20, 100 << 20)
    assert device_number("auto") == 0


def test_the_device_of_a_model(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    devices = ("cpu", "cuda", "cuda:2", "auto")
    assert [device_number(device) for device in devices] == [None, 0, 2, None]
    assert SystemMemory().free(0) is None
