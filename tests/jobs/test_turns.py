"""Jobs of several keys: they take turns, and no key has more than it may."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import grpc
import pytest

from audio_grpc.access import key_file
from audio_grpc.access.limits import KeyLimits
from audio_grpc.client import AsyncClient
from audio_grpc.v1 import job_pb2 as pb
from tests.conftest import Start
from tests.jobs.conftest import PIECES, Speaker, ended, refused

COMPLETED = pb.SPEECH_JOB_STATE_COMPLETED


def text(who: str, sentences: int) -> str:
    return " ".join(f"This is what {who} says as number {number}." for number in range(sentences))


@pytest.fixture
async def keyed(start: Start, tmp_path: Path) -> AsyncIterator[Any]:
    """Starts a server, and gives a client for each name."""
    async with AsyncExitStack() as stack:
        secrets: dict[str, str] = {}

        async def open_for(*names: str, **changes: Any) -> list[AsyncClient]:
            path = tmp_path / "keys.json"
            for name in names:
                if name not in secrets:
                    secrets[name] = key_file.add(path, name, KeyLimits())[1]
            server, _ = await start(keys_file=path, **changes)
            clients = [AsyncClient(server.address, api_key=secrets[name]) for name in names]
            return [await stack.enter_async_context(client) for client in clients]

        yield open_for


async def test_another_key_does_not_wait_for_all_of_the_jobs_of_one(keyed: Any, speaker: Speaker) -> None:
    alice, bob = await keyed("alice", "bob")
    speaker.hold("number 1.")
    jobs = [await alice.create_job(text("Alice", 12), **PIECES) for _ in range(6)]
    await asyncio.to_thread(speaker.reached.wait, 60)
    his = await bob.create_job(text("Bob", 3), **PIECES)
    speaker.go_on.set()
    assert (await ended(bob, his.id)).state == COMPLETED
    order = ["Bob" if "Bob" in said else "Alice" for said in speaker.said]
    assert order[:8] == ["Alice", "Alice", "Bob", "Alice", "Bob", "Alice", "Bob", "Alice"][: len(order)]
    for job in jobs:
        assert (await ended(alice, job.id)).state == COMPLETED
    assert len(speaker.said) == 6 * 12 + 3, "no piece twice"


async def test_the_jobs_of_one_key_go_one_after_the_other(keyed: Any, speaker: Speaker) -> None:
    (alice,) = await keyed("alice")
    speaker.hold("Alice0 says as number 0")
    jobs = [await alice.create_job(text(f"Alice{number}", 3), **PIECES) for number in range(3)]
    speaker.go_on.set()
    for job in jobs:
        await ended(alice, job.id)
    assert [said[18] for said in speaker.said] == list("000111222")


async def test_a_job_that_gave_way_looks_as_if_it_ran(keyed: Any, speaker: Speaker) -> None:
    alice, bob = await keyed("alice", "bob")
    speaker.hold("Alice says as number 1.")
    hers = await alice.create_job(text("Alice", 8), **PIECES)
    await asyncio.to_thread(speaker.reached.wait, 60)
    await bob.create_job(text("Bob", 8), **PIECES)
    states = []
    async for job in alice.watch_job(hers.id):
        states.append(job.state)
        speaker.go_on.set()
    began = states.index(pb.SPEECH_JOB_STATE_RUNNING)
    assert set(states[began:-1]) == {pb.SPEECH_JOB_STATE_RUNNING}
    assert states[-1] == COMPLETED


@pytest.mark.parametrize("what", ["pause", "cancel", "delete"])
async def test_a_job_that_gave_way_can_be_stopped(keyed: Any, speaker: Speaker, what: str) -> None:
    alice, bob = await keyed("alice", "bob")
    speaker.hold("Alice says as number 1.")
    hers = await alice.create_job(text("Alice", 30), **PIECES)
    await asyncio.to_thread(speaker.reached.wait, 60)
    his = await bob.create_job(text("Bob", 4), **PIECES)
    go_on = speaker.go_on
    speaker.hold("Bob says as number 1.")
    go_on.set()
    await asyncio.to_thread(speaker.reached.wait, 60)
    await getattr(alice, f"{what}_job")(hers.id)
    said = len([one for one in speaker.said if "Alice" in one])
    speaker.go_on.set()
    assert (await ended(bob, his.id)).state == COMPLETED
    assert len([one for one in speaker.said if "Alice" in one]) == said


async def test_servers_on_one_database_take_turns_by_key(
    keyed: Any, speaker: Speaker, postgresql_url: str
) -> None:
    alice, bob = await keyed("alice", "bob", database_url=postgresql_url)
    (elsewhere,) = await keyed("bob", database_url=postgresql_url)
    speaker.hold("number 1.")
    jobs = [await alice.create_job(text("Alice", 8), **PIECES) for _ in range(4)]
    await asyncio.to_thread(speaker.reached.wait, 60)
    his = await elsewhere.create_job(text("Bob", 3), **PIECES)
    speaker.go_on.set()
    assert (await ended(bob, his.id)).state == COMPLETED
    for job in jobs:
        assert (await ended(alice, job.id)).state == COMPLETED
    assert len(speaker.said) == 4 * 8 + 3, "no piece twice"
    last = max(place for place, said in enumerate(speaker.said) if "Bob" in said)
    assert last < 16, "his three sentences come among her first"


async def test_a_key_has_no_more_jobs_waiting_than_it_may(keyed: Any) -> None:
    alice, bob = await keyed("alice", "bob", jobs_at_once=0, max_waiting_jobs=2)
    made = [await alice.create_job("Hi.") for _ in range(2)]
    error = await refused(alice.create_job("Hi."))
    assert (error.code, error.reason) == (grpc.StatusCode.RESOURCE_EXHAUSTED, "TOO_MANY_JOBS")
    assert (error.retry_after_seconds or 0) > 0
    assert "max_waiting_jobs" in error.message
    assert await bob.create_job("Hi.")
    await alice.pause_job(made[0].id)
    assert (await refused(alice.create_job("Hi."))).reason == "TOO_MANY_JOBS"
    await alice.cancel_job(made[0].id)
    assert await alice.create_job("Hi.")


async def test_a_key_has_no_more_text_waiting_than_it_may(keyed: Any) -> None:
    alice, bob = await keyed("alice", "bob", jobs_at_once=0, max_waiting_job_characters=100)
    first = await alice.create_job("x" * 101)
    error = await refused(alice.create_job("x"))
    assert (error.code, error.reason) == (grpc.StatusCode.RESOURCE_EXHAUSTED, "TOO_MANY_JOBS")
    assert "max_waiting_job_characters" in error.message
    assert await bob.create_job("x" * 90)
    await alice.cancel_job(first.id)
    assert (await refused(alice.create_job("x"))).reason == "TOO_MANY_JOBS", "its text is still kept"
    await alice.delete_job(first.id)
    assert await alice.create_job("x" * 50)
    assert await alice.create_job("x" * 50)


async def test_a_key_keeps_no_more_jobs_than_it_may(keyed: Any) -> None:
    (alice,) = await keyed("alice", max_kept_jobs=2)
    jobs = [await alice.create_job("Hi.") for _ in range(2)]
    for job in jobs:
        await ended(alice, job.id)
    assert "max_kept_jobs" in (await refused(alice.create_job("Hi."))).message
    await alice.delete_job(jobs[0].id)
    assert await alice.create_job("Hi.")


async def test_jobs_that_are_made_at_once_keep_to_the_bound(keyed: Any, postgresql_url: str) -> None:
    changes = {"jobs_at_once": 0, "max_waiting_jobs": 3, "database_url": postgresql_url}
    clients = [(await keyed("alice", **changes))[0] for _ in range(2)]
    made = await asyncio.gather(*(client.create_job("Hi.") for client in clients * 5), return_exceptions=True)
    assert sum(isinstance(one, pb.SpeechJob) for one in made) == 3
