"""All of the service in little memory, and more uploads at once than it has room for.

``python -m benchmarks.cramped`` starts ``audio-grpc up`` in a control group of 1200 MiB. It sends that 30
uploads of 13.5 minutes, a recording of an hour and 100,000 characters at once, with small calls beside them,
for three minutes. It ends with status 1 if a process was killed for memory, or if a call ended otherwise than
well, or told to come later, or broken off by us at the end. It has to be root (Linux).
"""

import asyncio
import os
import re
import socket
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager
from pathlib import Path

import httpx2
import numpy as np

from audio_grpc.audio import decode, encode
from audio_grpc.client import AsyncClient, Encoding, ServiceError
from audio_grpc.types import Audio
from audio_grpc.v1.job_pb2 import SPEECH_JOB_STATE_COMPLETED
from benchmarks.workload import CLIPS, TEXT

LIMIT_BYTES = 1200 << 20
UPLOADS, UPLOAD_SECONDS, HOUR_SECONDS = 30, 810, 3600
CHARACTERS = 100_000
SECONDS = 180.0
RATE = 16000
COMMAND = Path(sys.executable).with_name("audio-grpc")
V1, V2 = Path("/sys/fs/cgroup/memory"), Path("/sys/fs/cgroup")


class Group:
    """A control group of either version."""

    def __init__(self, limit: int) -> None:
        self._is_v2 = not V1.is_dir()
        self.folder = (V2 if self._is_v2 else V1) / f"audio-grpc-cramped-{os.getpid()}"
        self.folder.mkdir()
        self._file("memory.max", "memory.limit_in_bytes").write_text(str(limit))

    def enter(self) -> None:
        """Have this process, and those that it starts, be in it."""
        (self.folder / "cgroup.procs").write_text(str(os.getpid()))

    @property
    def peak_bytes(self) -> int:
        """The most that was in use, with what the kernel keeps of files."""
        return int(self._file("memory.peak", "memory.max_usage_in_bytes").read_text())

    @property
    def kills(self) -> int:
        """The number of processes that were killed for memory."""
        told = self._file("memory.events", "memory.oom_control").read_text()
        found = re.search(r"^oom_kill (\d+)$", told, re.MULTILINE)
        return int(found[1]) if found else 0

    def remove(self) -> None:
        """Removes the group; called once its processes have ended."""
        self.folder.rmdir()

    def _file(self, v2: str, v1: str) -> Path:
        return self.folder / (v2 if self._is_v2 else v1)


@asynccontextmanager
async def house(group: Group) -> AsyncIterator[str]:
    """The address of ``audio-grpc up`` in the group."""
    with tempfile.TemporaryDirectory() as folder:
        port = free_port()
        places = {
            "AUDIO_GRPC_DATABASE_URL": f"sqlite:///{folder}/db",
            "AUDIO_GRPC_RESULTS_URL": f"{folder}/results",
        }
        process = subprocess.Popen(  # noqa: ASYNC220  (asyncio's cannot enter the group first)
            [COMMAND, "up", "--port", str(port)],
            cwd=folder,
            env={**os.environ, **places},
            stdout=(Path(folder) / "log").open("wb"),
            stderr=subprocess.STDOUT,
            preexec_fn=group.enter,
        )
        try:
            await ready(f"http://127.0.0.1:{port}", process)
            yield f"127.0.0.1:{port}"
        finally:
            process.terminate()
            await asyncio.to_thread(process.wait)


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port: int = taken.getsockname()[1]
    return port


async def ready(url: str, process: subprocess.Popen[bytes]) -> None:
    async with httpx2.AsyncClient(timeout=30) as http:
        for _ in range(600):
            assert process.poll() is None, "it ended instead of starting"
            try:
                if await small(http, url) == "well":
                    return
            except httpx2.HTTPError:
                pass
            await asyncio.sleep(0.2)
    raise TimeoutError("it is not ready after two minutes")


def recording(seconds: float, encoding: Encoding = Encoding.WAV) -> bytes:
    """Speech again and again."""
    speech = np.concatenate([decode(clip.read_bytes(), max_seconds=60).samples for clip in CLIPS])
    samples = np.resize(speech, round(seconds * RATE))
    return b"".join(encode([Audio(samples, RATE)], encoding, RATE))


async def counted(name: str, call: Awaitable[str], ends: Counter[str]) -> None:
    try:
        ends[f"{name}: {await call}"] += 1
    except ServiceError as error:
        later = error.reason if error.retry_after_seconds else f"FAILED {error.code.name} {error.message}"
        ends[f"{name}: {later}"] += 1
    except httpx2.HTTPError as error:
        ends[f"{name}: FAILED {type(error).__name__}"] += 1
    except asyncio.CancelledError:
        ends[f"{name}: at work at the end"] += 1
        raise


async def by_grpc(client: AsyncClient, data: bytes) -> str:
    async for _ in client.transcribe(data):
        pass
    return "well"


async def by_http(http: httpx2.AsyncClient, url: str, data: bytes) -> str:
    files = {"file": ("recording.wav", data)}
    answer = await http.post(f"{url}/v1/audio/transcriptions", data={"model": "whisper-1"}, files=files)
    if answer.status_code == 429 and "retry-after" in answer.headers:
        return "429 with Retry-After"
    return "well" if answer.is_success else f"FAILED {answer.status_code} {answer.text[:100]}"


async def spoken(client: AsyncClient, text: str) -> str:
    async for _ in client.synthesize(text):
        pass
    return "well"


async def job(client: AsyncClient, text: str) -> str:
    made = await client.create_job(text)
    states = [state.state async for state in client.watch_job(made.id)]
    return "well" if states[-1] == SPEECH_JOB_STATE_COMPLETED else "FAILED"


async def small_calls(url: str, ends: Counter[str]) -> None:
    """Makes small calls on connections of their own, like another caller's."""
    longest = "small speech: longest (ms)"
    async with httpx2.AsyncClient(timeout=None) as http:
        while True:
            began = time.monotonic()
            await counted("small speech", small(http, url), ends)
            ends[longest] = max(ends[longest], round((time.monotonic() - began) * 1000))
            await asyncio.sleep(0.5)


async def small(http: httpx2.AsyncClient, url: str) -> str:
    body = {"model": "tts-1", "input": "Hello there.", "voice": "alloy"}
    answer = await http.post(f"{url}/v1/audio/speech", json=body)
    return "well" if answer.is_success else f"FAILED {answer.status_code}"


async def measure(address: str, seconds: float) -> Counter[str]:
    ends: Counter[str] = Counter()
    upload, hour = recording(UPLOAD_SECONDS), recording(HOUR_SECONDS, Encoding.FLAC)
    text = (TEXT * (CHARACTERS // len(TEXT) + 1))[:CHARACTERS]
    timeout = httpx2.Timeout(None)
    async with AsyncClient(address) as client, httpx2.AsyncClient(timeout=timeout) as http:
        url = f"http://{address}"
        calls = [
            counted("upload by HTTP", by_http(http, url, upload), ends)
            if number % 2
            else counted("upload by gRPC", by_grpc(client, upload), ends)
            for number in range(UPLOADS)
        ]
        calls += [
            counted("an hour", by_grpc(client, hour), ends),
            counted("100,000 characters", spoken(client, text), ends),
            counted("job of 100,000 characters", job(client, text), ends),
            small_calls(url, ends),
        ]
        tasks = [asyncio.ensure_future(call) for call in calls]
        await asyncio.wait(tasks, timeout=seconds)
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
        await counted("small speech afterwards", spoken(client, "Hello again."), ends)
    return ends


async def main() -> int:
    group = Group(LIMIT_BYTES)
    try:
        async with house(group) as address:
            ends = await measure(address, SECONDS)
            kills, peak = group.kills, group.peak_bytes
    finally:
        await asyncio.sleep(1)
        group.remove()
    for name, count in sorted(ends.items()):
        print(f"{count:6} {name}")
    print(f"peak {peak >> 20} of {LIMIT_BYTES >> 20} MiB, {kills} killed for memory")
    return int(kills > 0 or any("FAILED" in name for name in ends))


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
