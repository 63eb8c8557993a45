"""Calls go well whatever becomes of the history, and what is lost is said."""

import asyncio
import errno
import os
import threading
from pathlib import Path
from typing import Any

import pytest

from audio_grpc.errors import StorageFailed
from audio_grpc.server import Server
from audio_grpc.storage import PastRequests
from audio_grpc.telemetry.history import history
from tests.conftest import Start
from tests.eventually import eventually
from tests.history.conftest import TEXT, kept, refused, speak
from tests.jobs.conftest import files
from tests.test_metrics import scrape


async def lost(server: Server, what: str, reason: str) -> None:
    """Wait until the server has counted one."""
    name = "audio_grpc_history_lost_total"

    async def counted() -> bool:
        return (await scrape(server)).value(name, what=what, reason=reason) == 1

    await eventually(counted)


async def test_a_full_disk_costs_the_sound_and_not_the_request(
    keeping: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    server, client = await keeping(metrics_port=0)
    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        assert await speak(client)
        (past,) = await kept(client)
    assert (past.status, past.text, past.audio_problem) == ("OK", TEXT, "STORAGE_FAILED")
    assert not past.HasField("audio")
    assert (await refused(client.past_audio(past.id))).reason == "AUDIO_NOT_KEPT"
    assert files(tmp_path / "results") == []
    assert "could not keep the audio: [Errno 28] No space left on device" in caplog.text
    assert "the history lost the audio of a request: storage_failed" in caplog.text
    await lost(server, "audio", "storage_failed")
    await speak(client)
    assert (await kept(client, 2))[0].HasField("audio")


async def test_sound_that_is_too_large_is_not_kept_in_part(
    keeping: Start, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    _, client = await keeping(max_history_audio_bytes=100_000)
    sound = await speak(client, "x" * 40)
    assert len(sound) > 100_000
    (past,) = await kept(client)
    assert (past.status, past.audio_problem, past.HasField("audio")) == ("OK", "TOO_LARGE", False)
    assert "the history lost the audio of a request: too_large" in caplog.text
    assert [segment async for segment in client.transcribe(sound)]
    assert (await kept(client, 2))[0].audio_problem == "TOO_LARGE"
    assert not (tmp_path / "results").exists()
    await speak(client, "x")
    assert (await kept(client, 3))[0].HasField("audio")


async def test_a_broken_database_costs_the_request_and_leaves_no_sound(
    keeping: Start, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "jobs.db").write_text("precious " * 1000)
    server, client = await keeping(metrics_port=0)
    assert await speak(client)
    await lost(server, "record", "storage_failed")
    assert "could not keep the request" in caplog.text
    assert (await refused(client.list_past_requests())).reason == "STORAGE_FAILED"
    await server.stop(0)
    assert files(tmp_path / "results") == []


async def test_a_database_that_is_never_reached_costs_the_request_in_the_end(
    keeping: Start, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    pytest.importorskip("psycopg")
    monkeypatch.setattr(history, "FLUSH_SECONDS", 0.01)
    server, client = await keeping(database_url="postgresql://audio:secret@127.0.0.1:1/none")
    assert await speak(client)
    await server.stop(0)
    assert "the history lost the record of a request: stopping" in caplog.text


async def test_while_the_database_does_not_answer_requests_wait(
    keeping: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, client = await keeping()
    away, add = [True], PastRequests.add
    tried = asyncio.Event()

    async def unreachable(requests: PastRequests, past: Any) -> None:
        tried.set()
        if away:
            raise StorageFailed("away", passing=True)
        await add(requests, past)

    monkeypatch.setattr(PastRequests, "add", unreachable)
    await speak(client, "One.")
    await speak(client, "Two.")
    await tried.wait()
    away.clear()
    assert [past.text for past in await kept(client, 2)] == ["Two.", "One."]


async def test_a_slow_database_slows_no_call_and_costs_what_does_not_fit_the_queue(
    keeping: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(history, "LONGEST_QUEUE", 2)
    server, client = await keeping(metrics_port=0)
    go_on, add = asyncio.Event(), PastRequests.add

    async def slow(requests: PastRequests, past: Any) -> None:
        await go_on.wait()
        await add(requests, past)

    monkeypatch.setattr(PastRequests, "add", slow)
    for number in range(4):  # one is being written, two wait
        assert await speak(client, f"Number {number}.")
    await lost(server, "record", "queue_full")
    go_on.set()
    assert [past.text for past in await kept(client, 3)] == ["Number 2.", "Number 1.", "Number 0."]


async def test_sound_that_waits_is_bounded_as_well(keeping: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(history, "LARGEST_QUEUE_BYTES", 50_000)
    server, client = await keeping(metrics_port=0)
    assert len(await speak(client, "x" * 20)) > 50_000
    await lost(server, "record", "queue_full")
    await speak(client, "x")
    assert [past.text for past in await kept(client)] == ["x"]


async def test_what_was_written_leaves_the_bound_as_it_was(
    keeping: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(history, "LARGEST_QUEUE_BYTES", 5_000)
    server, client = await keeping(metrics_port=0, history_audio="none")
    for number in range(3):
        await speak(client, "x" * 1000)
        await kept(client, number + 1)
    await speak(client, "x" * 1300)
    await lost(server, "record", "queue_full")


async def test_the_end_of_the_server_does_not_wait_for_ever(
    keeping: Start, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(history, "FLUSH_SECONDS", 0.01)
    began, released = threading.Event(), asyncio.Event()

    async def stuck(requests: PastRequests, past: Any) -> None:
        began.set()
        await released.wait()

    monkeypatch.setattr(PastRequests, "add", stuck)
    server, client = await keeping()
    await speak(client)
    await speak(client)
    assert await asyncio.to_thread(began.wait, 60)
    await server.stop(0)
    assert "the history lost the record of a request: stopping" in caplog.text
