"""Activities of several servers on one database."""

from functools import partial
from pathlib import Path

import pytest
from sqlalchemy import create_engine, text

from audio_grpc.access import key_file
from audio_grpc.access.limits import KeyLimits
from audio_grpc.access.policies import Scope
from audio_grpc.client import AsyncClient
from audio_grpc.v1.activity_pb2 import Activity
from tests.conftest import Start
from tests.eventually import eventually
from tests.history.conftest import speak
from tests.test_activity import begun


@pytest.fixture
def there(start: Start, postgresql_url: str) -> Start:
    """Starts servers on one database."""
    return partial(start, database_url=postgresql_url, read_ahead=1)


async def named(client: AsyncClient, request_id: str) -> Activity:
    """The request, as soon as the client's server knows of it, and who speaks."""
    async for activities in client.watch_activities():
        for activity in activities:
            if activity.request_id == request_id and activity.voice:
                return activity
    raise AssertionError("the server ended")


async def until_gone(client: AsyncClient, *request_ids: str) -> None:
    """Wait until the client's server knows no more of the requests."""
    async for activities in client.watch_activities():
        if not {activity.request_id for activity in activities} & set(request_ids):
            return


async def test_each_server_tells_of_the_others_requests_until_it_ends(there: Start) -> None:
    (first, one), (_, other) = await there(), await there()
    async with await begun(one, request_id="running"):
        activity = await named(other, "running")
        assert (activity.status, activity.model, activity.voice) == ("", "speaker", "tone")
    await speak(other.with_metadata({"x-request-id": "said"}))
    await named(one, "said")
    assert (await one.get_statistics()).requests == 1, "the statistics are each server's own"
    async for activities in other.watch_activities():
        if [activity.status for activity in activities] == ["OK", "CANCELLED"]:
            break
    assert [activity.request_id for activity in activities] == ["said", "running"]
    assert len(await other.list_activities(1)) == 1
    await first.stop(0)
    await until_gone(other, "running")
    assert [activity.request_id for activity in await other.list_activities()] == ["said"]


async def test_forgetting_is_for_all_servers(there: Start) -> None:
    (_, one), (_, other) = await there(), await there()
    await speak(one.with_metadata({"x-request-id": "first"}))
    await speak(other.with_metadata({"x-request-id": "second"}))
    await named(other, "first")
    assert await other.clear_activities() == 2
    assert await other.list_activities() == []
    await until_gone(one, "first", "second")


async def test_keys_see_their_own_requests_on_other_servers_only(there: Start, tmp_path: Path) -> None:
    keys = tmp_path / "keys.json"
    (_, alice), (_, bob) = (key_file.add(keys, name, KeyLimits()) for name in ("alice", "bob"))
    (_, one), (_, other) = await there(keys_file=keys), await there(keys_file=keys)

    def as_key(client: AsyncClient, key: str, request_id: str) -> AsyncClient:
        return client.with_metadata({"authorization": f"Bearer {key}", "x-request-id": request_id})

    await speak(as_key(one, alice, "of-alice"))
    await speak(as_key(one, bob, "of-bob"))
    assert (await named(as_key(other, bob, ""), "of-bob")).key == "bob"
    assert (await named(as_key(other, alice, ""), "of-alice")).key == "alice"
    for key, request_id in ((alice, "of-alice"), (bob, "of-bob")):
        seen = await as_key(other, key, "").list_activities()
        assert [activity.request_id for activity in seen] == [request_id]


async def test_an_operator_sees_and_clears_what_all_keys_did_on_all_servers(
    there: Start, tmp_path: Path
) -> None:
    keys = tmp_path / "keys.json"
    (_, alice), (_, bob) = (key_file.add(keys, name, KeyLimits()) for name in ("alice", "bob"))
    secret = key_file.add(keys, "olga", KeyLimits(), [Scope.ADMIN])[1]
    (_, one), (_, other) = await there(keys_file=keys), await there(keys_file=keys)
    olga = other.with_metadata({"authorization": f"Bearer {secret}"})
    for server, key, request_id in ((one, alice, "first"), (other, bob, "second"), (one, bob, "third")):
        await speak(server.with_metadata({"authorization": f"Bearer {key}", "x-request-id": request_id}))
    seen: dict[str, str] = {}
    async for activities in olga.watch_all_activities():
        seen = {activity.request_id: activity.key for activity in activities if activity.status}
        if len(seen) == 3:
            break
    assert seen == {"first": "alice", "second": "bob", "third": "bob"}
    assert await olga.clear_all_activities() == 3
    assert await olga.list_all_activities() == []
    for key in (alice, bob):
        await until_gone(one.with_metadata({"authorization": f"Bearer {key}"}), "first", "second", "third")


async def test_those_who_died_are_forgotten(there: Start, postgresql_url: str) -> None:
    (_, one), (_, other) = await there(), await there()
    await speak(one.with_metadata({"x-request-id": "long-ago"}))
    await named(other, "long-ago")
    engine = create_engine(postgresql_url.replace("postgresql:", "postgresql+psycopg:"))
    with engine.begin() as connection:
        one_row = "SELECT 'dead', key_id, seen - 60, snapshot FROM activity_snapshots WHERE snapshot != ''"
        assert connection.execute(text(f"INSERT INTO activity_snapshots {one_row}")).rowcount == 1
    engine.dispose()
    _, third = await there()  # which has read nothing yet
    assert [activity.request_id for activity in await third.list_activities()] == ["long-ago"]
    await speak(other)
    await eventually(lambda: not _rows(postgresql_url, "dead"))


def _rows(url: str, server_id: str) -> int:
    engine = create_engine(url.replace("postgresql:", "postgresql+psycopg:"))
    with engine.begin() as connection:
        counted = "SELECT count(*) FROM activity_snapshots WHERE server_id = :server_id"
        count = connection.execute(text(counted), {"server_id": server_id}).scalar_one()
    engine.dispose()
    return int(count)


async def test_a_file_of_ones_own_is_not_written_to(start: Start, tmp_path: Path) -> None:
    server, client = await start()
    await speak(client)
    assert len(await client.list_activities()) == 1
    await server.stop(0)
    assert not (tmp_path / "jobs.db").exists()


async def test_a_database_that_fails_leaves_the_servers_own(start: Start) -> None:
    pytest.importorskip("psycopg")
    _, client = await start(database_url="postgresql://audio@127.0.0.1:1/none")
    await speak(client.with_metadata({"x-request-id": "own"}))
    assert (await named(client, "own")).model == "speaker"
    assert await client.clear_activities() == 1
