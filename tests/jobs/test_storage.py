"""Jobs when something is wrong with the disk, the database, or what is configured."""

import asyncio
import errno
import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import grpc
import pytest

from audio_grpc.errors import ConfigurationError
from audio_grpc.server import Server
from audio_grpc.storage.blobs import FolderBlobs
from audio_grpc.v1 import job_pb2 as pb
from tests.conftest import Start, tone_settings
from tests.jobs.conftest import PIECES, TEXT, Speaker, ended, files, refused, sound, spoken

COMPLETED, FAILED = pb.SPEECH_JOB_STATE_COMPLETED, pb.SPEECH_JOB_STATE_FAILED


@pytest.fixture
def tiny_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 800 kB: room for less than five pieces."""
    place = tmp_path / "tiny"
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=800k", "tmpfs", str(place)]
    if sys.platform != "linux" or os.getuid() or subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("only root, where it may mount, can make a small disk")
    yield place
    subprocess.run(["umount", "--lazy", str(place)], check=True)


async def test_a_full_disk_fails_the_job_which_goes_on_once_there_is_space(
    start: Start, tiny_disk: Path
) -> None:
    _, client = await start(results_url=str(tiny_disk))
    job = await client.create_job(TEXT, **PIECES)
    failed = await ended(client, job.id)
    assert (failed.state, failed.error.reason) == (FAILED, "STORAGE_FAILED")
    assert failed.error.message.startswith("could not keep the audio: No space left on device; the server's")
    assert 0 < failed.pieces_done < 12
    assert len(files(tiny_disk)) == failed.pieces_done, "nothing half-written"
    remount = ["mount", "-o", "remount,size=10m", str(tiny_disk)]
    await asyncio.to_thread(subprocess.run, remount, check=True)
    await client.retry_job(job.id)
    assert (await ended(client, job.id)).state == COMPLETED
    assert await sound(client, job.id) == await spoken(client, TEXT, **PIECES)


async def test_a_disk_that_is_full_at_whichever_write_leaves_nothing_half_written(
    start: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, client = await start()
    fsync = os.fsync
    for good in range(2):  # the sound, and its folder
        left = iter([True] * good)

        def full(descriptor: int, left: Any = left) -> None:
            if not next(left, False):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            fsync(descriptor)

        with monkeypatch.context() as patch:
            patch.setattr(os, "fsync", full)
            job = await client.create_job(TEXT, **PIECES)
            assert (await ended(client, job.id)).error.reason == "STORAGE_FAILED"
        assert files(tmp_path / "results") == []


async def test_texts_and_sound_are_for_the_servers_user_only(start: Start, tmp_path: Path) -> None:
    _, client = await start()
    job = await client.create_job("Private.")
    await ended(client, job.id)
    kept = [tmp_path / "jobs.db", tmp_path / "results" / job.id]
    assert [path.stat().st_mode & 0o077 for path in kept] == [0, 0]


async def test_sound_that_is_gone_is_the_operators_affair(start: Start, tmp_path: Path) -> None:
    _, client = await start()
    job = await client.create_job("Hello.")
    await ended(client, job.id)
    (file,) = files(tmp_path / "results")
    file.unlink()
    error = await refused(client.download_job(job.id))
    assert (error.code, error.reason) == (grpc.StatusCode.INTERNAL, "STORAGE_FAILED")
    await client.delete_job(job.id)


async def test_results_can_be_anywhere_that_fsspec_reaches(start: Start) -> None:
    fsspec = pytest.importorskip("fsspec")
    folder = f"/results-{uuid4().hex}"
    _, client = await start(results_url=f"memory:/{folder}")
    job = await client.create_job(TEXT, **PIECES)
    assert (await ended(client, job.id)).state == COMPLETED
    assert await sound(client, job.id) == await spoken(client, TEXT, **PIECES)
    memory = fsspec.filesystem("memory")
    assert len(memory.find(folder)) == 12
    await client.delete_job(job.id)
    assert memory.find(folder) == []


async def test_a_job_that_is_deleted_while_it_runs_leaves_nothing_there_either(
    start: Start, speaker: Speaker
) -> None:
    fsspec = pytest.importorskip("fsspec")
    folder = f"/results-{uuid4().hex}"
    _, client = await start(results_url=f"memory:/{folder}")
    speaker.hold("number 3,")
    job = await client.create_job(TEXT, **PIECES)
    await asyncio.to_thread(speaker.reached.wait, 60)
    await client.delete_job(job.id)
    following = await client.create_job("The next one.")
    speaker.go_on.set()
    await ended(client, following.id)
    await client.delete_job(following.id)
    assert fsspec.filesystem("memory").find(folder) == []


def _not_a_database(path: Path) -> None:
    path.write_text("precious " * 1000)


def _of_a_later_version(path: Path) -> None:
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL)")
        connection.execute("INSERT INTO alembic_version VALUES ('9999')")
    connection.close()


@pytest.mark.parametrize(
    ("prepare", "problem"),
    [
        (Path.mkdir, "could not keep the job"),
        (_not_a_database, "could not keep the job: DatabaseError"),
        (_of_a_later_version, "the database is of a later audio-grpc (its tables have the revision 9999"),
    ],
)
async def test_a_database_that_is_of_no_use_is_said_so_and_nothing_else_suffers(
    start: Start, tmp_path: Path, prepare: Any, problem: str
) -> None:
    prepare(tmp_path / "jobs.db")
    _, client = await start()
    error = await refused(client.create_job("Hi."))
    assert error.reason == "STORAGE_FAILED"
    assert error.message.startswith(problem)
    assert str(tmp_path) not in error.message
    assert await spoken(client, "Well nevertheless.")


async def test_a_database_that_cannot_be_reached_is_said_so_and_keeps_its_password(
    start: Start, caplog: pytest.LogCaptureFixture
) -> None:
    pytest.importorskip("psycopg")
    _, client = await start(database_url="postgresql://audio:secret@127.0.0.1:1/none")
    error = await refused(client.create_job("Hi."))
    assert error.message.startswith("could not keep the job: OperationalError; the server's operator has")
    assert "secret" not in error.message + caplog.text
    assert await spoken(client, "Well nevertheless.")


@pytest.mark.parametrize(
    ("setting", "value", "problem"),
    [
        ("database_url", "jobs.db", "database_url is no URL"),
        ("database_url", "sqlite://", "it is sqlite:///FILE or postgresql://"),
        ("database_url", "sqlite:///:memory:", "it is sqlite:///FILE or postgresql://"),
        ("database_url", "mysql://root:secret@localhost/jobs", r"mysql://root:\*\*\*@localhost/jobs"),
        ("results_url", "nowhere://bucket", "fsspec does not know"),
    ],
)
async def test_an_address_that_is_none_keeps_the_server_from_starting(
    setting: str, value: str, problem: str
) -> None:
    with pytest.raises(ConfigurationError, match=problem):
        Server(tone_settings(**{setting: value}))


@pytest.mark.parametrize(
    ("module", "setting", "value", "advice"),
    [
        ("psycopg", "database_url", "postgresql://127.0.0.1/none", r"pip install .*\[postgresql\]"),
        ("fsspec", "results_url", "memory://results", r"pip install .*\[fsspec\]"),
    ],
)
async def test_a_package_that_is_missing_is_named(
    monkeypatch: pytest.MonkeyPatch, module: str, setting: str, value: str, advice: str
) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(ConfigurationError, match=advice):
        Server(tone_settings(**{setting: value}))


@pytest.mark.parametrize("gone", ["everything", "one piece"])
async def test_sound_that_goes_while_the_job_runs_is_spoken_again(
    start: Start, speaker: Speaker, tmp_path: Path, gone: str
) -> None:
    _, client = await start()
    speaker.hold("number 8,")
    job = await client.create_job(TEXT, **PIECES)
    await asyncio.to_thread(speaker.reached.wait, 60)
    if gone == "everything":
        shutil.rmtree(tmp_path / "results")
    else:
        files(tmp_path / "results")[3].unlink()
    speaker.go_on.set()
    completed = await ended(client, job.id)
    assert (completed.state, completed.pieces_done) == (COMPLETED, 12)
    heard = await sound(client, job.id)
    assert heard == await spoken(client, TEXT, **PIECES)
    assert len(speaker.said) == 12 + (8 if gone == "everything" else 1) + 12, "the rest is not spoken again"
    assert completed.audio_duration.ToTimedelta().total_seconds() == len(TEXT) * 0.1


async def test_who_follows_a_job_hears_each_piece_once_though_some_are_spoken_again(
    start: Start, speaker: Speaker, tmp_path: Path
) -> None:
    _, client = await start()
    speaker.hold("number 8,")
    job = await client.create_job(TEXT, **PIECES)
    await asyncio.to_thread(speaker.reached.wait, 60)
    folder = tmp_path / "results" / job.id
    folder.rename(tmp_path / "elsewhere")  # before anything of it was heard
    speaker.go_on.set()
    assert await sound(client, job.id, follow=True) == await spoken(client, TEXT, **PIECES)


async def test_sound_that_goes_again_and_again_fails_the_job(
    start: Start, speaker: Speaker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, client = await start()
    write = FolderBlobs.write

    def in_vain(self: FolderBlobs, folder: str, name: str, data: bytes) -> None:
        write(self, folder, name, data)
        self.remove(folder, name)

    with monkeypatch.context() as patch:
        patch.setattr(FolderBlobs, "write", in_vain)
        job = await client.create_job(TEXT, **PIECES)
        failed = await ended(client, job.id)
    assert (failed.state, failed.error.reason, failed.pieces_done) == (FAILED, "STORAGE_FAILED", 0)
    assert "RetrySpeechJob" in failed.error.message
    await client.retry_job(job.id)
    assert (await ended(client, job.id)).state == COMPLETED


async def test_a_completed_job_whose_sound_is_gone_says_so_and_is_spoken_again(
    start: Start, tmp_path: Path
) -> None:
    _, client = await start()
    job = await client.create_job(TEXT, **PIECES)
    await ended(client, job.id)
    assert (await refused(client.retry_job(job.id))).reason == "JOB_STATE", "while all is there"
    for file in files(tmp_path / "results")[2:5]:
        file.unlink()
    error = await refused(client.download_job(job.id))
    assert (error.code, error.reason) == (grpc.StatusCode.INTERNAL, "STORAGE_FAILED")
    assert error.message.startswith("the sound of 3 of the job's 12 pieces is gone")
    await client.retry_job(job.id)
    assert (await ended(client, job.id)).state == COMPLETED
    assert await sound(client, job.id) == await spoken(client, TEXT, **PIECES)
