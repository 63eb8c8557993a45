"""The folder of custom voices when something is wrong: with the disk, its content, or a server."""

import asyncio
import errno
import logging
import os
import resource
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import grpc
import pytest

from audio_grpc.client import AsyncClient, Client, ServiceError
from tests.conftest import ServerProcess, Start
from tests.test_voices import CLONING, SAMPLE, files, peak, refused, sample


def place_of(folder: Path) -> Path:
    """Returns the folder of the only voice."""
    (description,) = folder.glob("*/voice.json")
    return description.parent


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The folder in which the server of ``client`` keeps its voices."""
    return tmp_path / "voices"


@pytest.fixture
async def client(start: Start, folder: Path) -> AsyncClient:
    """A client of a server whose speaker can clone."""
    return (await start(options=CLONING, voices_path=folder))[1]


async def test_nothing_is_written_before_the_first_voice(client: AsyncClient, tmp_path: Path) -> None:
    assert await client.list_custom_voices() == []
    assert (await refused(client.get_custom_voice("Anna"))).reason == "VOICE_NOT_FOUND"
    assert (await refused(peak(client, voice="Anna"))).reason == "VOICE_NOT_FOUND"
    assert not (tmp_path / "voices").exists()


async def test_the_sample_is_kept_as_it_came_for_the_servers_user_only(
    client: AsyncClient, folder: Path
) -> None:
    voice = await client.create_voice("Anna", SAMPLE)
    place = place_of(folder)
    assert {file.name for file in files(folder)} == {"voice.json", f"{voice.id}.sample"}
    assert (place / f"{voice.id}.sample").read_bytes() == SAMPLE
    assert place.stat().st_mode & 0o077 == 0


async def test_a_full_disk_leaves_nothing_behind(
    client: AsyncClient, folder: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Whichever write it is that finds it full."""
    fsync = os.fsync
    for good in range(4):  # the sample, the description, their folder, the folder of them all
        left = iter([True] * good)

        def full(descriptor: int, left: Any = left) -> None:
            if not next(left, False):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            fsync(descriptor)

        with monkeypatch.context() as patch, caplog.at_level(logging.ERROR):
            patch.setattr(os, "fsync", full)
            error = await refused(client.create_voice("Anna", SAMPLE))
        assert (error.code, error.reason) == (grpc.StatusCode.INTERNAL, "STORAGE_FAILED")
        assert "No space left on device; the server's operator has to see to the space" in error.message
        assert str(folder) in caplog.text
        assert str(folder) not in error.message
        assert await client.list_custom_voices() == []
        assert files(folder) == []
    assert await client.create_voice("Anna", SAMPLE)


@pytest.mark.skipif(not hasattr(resource, "prlimit"), reason="only Linux limits another process")
def test_a_write_that_stops_halfway_leaves_nothing_behind(tmp_path: Path) -> None:
    """The kernel lets the server write no more than 64 KiB into a file."""
    (tmp_path / "audio-grpc.toml").write_text(TONE_SERVER)
    server = ServerProcess(cwd=tmp_path)
    try:
        resource.prlimit(server.process.pid, resource.RLIMIT_FSIZE, (1 << 16, 1 << 16))
        with Client(server.address) as client:
            with pytest.raises(ServiceError, match="could not keep the voice: File too large") as failure:
                client.create_voice("Anna", sample(10))
            assert failure.value.reason == "STORAGE_FAILED"
            assert client.list_custom_voices() == []
            assert files(tmp_path / "kept") == []
            voice = client.create_voice("Anna", sample(1))
            assert client.list_custom_voices() == [voice]
    finally:
        assert server.stop() == 0


TONE_SERVER = """
voices_path = "kept"
[synthesizers.speaker]
backend = "tone"
options = { cloning = true }
[transcribers.listener]
backend = "tone"
"""


async def test_a_folder_that_cannot_be_one_is_said_so(start: Start, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("precious")
    _, client = await start(options=CLONING, voices_path=tmp_path / "file")
    for call in (client.create_voice("Anna", SAMPLE), client.list_custom_voices(), client.list_voices()):
        error = await refused(call)
        assert error.reason == "STORAGE_FAILED"
        assert "voices_path" in error.message
    assert (tmp_path / "file").read_text() == "precious"


async def test_a_voice_can_be_deleted_while_nothing_can_be_written(
    client: AsyncClient, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Deleting helps on a full disk."""
    await client.create_voice("Anna", SAMPLE)

    def full(path: Any, *_: Any) -> None:
        number = errno.EEXIST if Path(path).exists() else errno.ENOSPC
        raise OSError(number, os.strerror(number), path)

    with monkeypatch.context() as patch:
        patch.setattr(os, "mkdir", full)
        assert (await refused(client.create_voice("Berta", SAMPLE))).reason == "STORAGE_FAILED"
        await client.delete_custom_voice("Anna")
    assert files(folder) == []


CRASH = """
import asyncio, os, sys
from datetime import UTC, datetime
from pathlib import Path
from audio_grpc.types import CustomVoice
from audio_grpc.storage.voices import FolderVoices, new_id
os.fsync = lambda descriptor: os.kill(os.getpid(), 9)
voice = CustomVoice(new_id(), "Anna", datetime.now(UTC), 2.0)
asyncio.run(FolderVoices(Path(sys.argv[1])).add(voice, b"some sample"))
"""


async def test_a_server_that_is_killed_at_work_leaves_nothing_to_be_seen(
    client: AsyncClient, folder: Path
) -> None:
    killed = [sys.executable, "-c", CRASH, str(folder)]
    done = await asyncio.to_thread(subprocess.run, killed, timeout=60)
    assert done.returncode == -9
    assert len(files(folder)) == 1, "the half that was written"
    assert await client.list_custom_voices() == []
    await client.create_voice("Anna", SAMPLE)
    assert len(files(folder)) == 3, "somebody might still be working on it"
    (left,) = (folder / ".unfinished").iterdir()
    two_hours_ago = time.time() - 7200
    os.utime(left, (two_hours_ago, two_hours_ago))
    await client.create_voice("Berta", SAMPLE)
    assert len(files(folder)) == 4
    assert list((folder / ".unfinished").iterdir()) == []


@pytest.mark.parametrize(
    "damage",
    [
        pytest.param(lambda place: (place / "voice.json").write_text('{"id": "voi'), id="half a description"),
        pytest.param(lambda place: (place / "voice.json").write_bytes(b"\xff\x00"), id="not text"),
        pytest.param(lambda place: (place / "voice.json").write_text("{}"), id="nothing in the description"),
        pytest.param(lambda place: (place / "voice.json").unlink(), id="no description"),
        pytest.param(lambda place: next(place.glob("*.sample")).unlink(), id="no sample"),
        pytest.param(lambda place: replace_in(place / "voice.json", "Anna", "Otto"), id="another's name"),
    ],
)
async def test_a_damaged_voice_is_left_out_and_can_be_deleted(
    client: AsyncClient, folder: Path, caplog: pytest.LogCaptureFixture, damage: Any
) -> None:
    await client.create_voice("Anna", SAMPLE)
    place = place_of(folder)
    damage(place)
    whole = await client.create_voice("Berta", SAMPLE)
    with caplog.at_level(logging.WARNING):
        assert await client.list_custom_voices() == [whole]
    await client.list_custom_voices()
    assert caplog.text.count(f"the voice in {place} is damaged") == 1
    assert [voice.name for voice in await client.list_voices()] == ["tone", whole.id]
    for call in (client.get_custom_voice("Anna"), peak(client, voice="Anna")):
        error = await refused(call)
        assert error.reason == "STORAGE_FAILED"
        assert "delete it by its name, and make it again" in error.message
    assert (await refused(client.create_voice("Anna", SAMPLE))).reason == "VOICE_EXISTS"
    await client.delete_custom_voice("Anna")
    assert await client.create_voice("Anna", SAMPLE)


def replace_in(path: Path, old: str, new: str) -> None:
    path.write_text(path.read_text().replace(old, new))


async def test_a_damaged_sample_is_not_the_callers_fault(client: AsyncClient, folder: Path) -> None:
    voice = await client.create_voice("Anna", SAMPLE)
    (place_of(folder) / f"{voice.id}.sample").write_bytes(SAMPLE[:100])
    error = await refused(peak(client, voice="Anna"))
    assert (error.code, error.reason) == (grpc.StatusCode.INTERNAL, "STORAGE_FAILED")
    assert "delete the voice and make it again" in error.message


async def test_what_else_is_in_the_folder_is_let_be(
    client: AsyncClient, folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A disk of its own has a lost+found."""
    (folder / "lost+found").mkdir(parents=True)
    (folder / ".DS_Store").write_text("x")
    voice = await client.create_voice("Anna", SAMPLE)
    assert await client.list_custom_voices() == [voice] == [await client.get_custom_voice(voice.id)]
    assert "damaged" not in caplog.text
    assert (folder / "lost+found").exists()


async def test_a_slow_disk_keeps_only_its_own_caller_waiting(
    client: AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    slow, go_on = threading.Event(), threading.Event()
    fsync = os.fsync

    def stuck(descriptor: int) -> None:
        slow.set()
        assert go_on.wait(60)
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", stuck)
    creating = asyncio.create_task(client.create_voice("Anna", SAMPLE))
    try:
        await asyncio.to_thread(slow.wait, 60)
        assert await peak(client, "Still well.")
        assert await client.list_custom_voices() == []
        assert not creating.done()
    finally:
        go_on.set()
    voice = await creating
    assert await client.list_custom_voices() == [voice]
