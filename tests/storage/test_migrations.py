"""Tables are made and brought up to date, in both kinds of database, however many servers start at once."""

import asyncio
import logging
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from google.protobuf.duration_pb2 import Duration
from google.protobuf.json_format import MessageToJson
from sqlalchemy import Connection, create_engine, inspect, make_url, text

from audio_grpc.errors import StorageFailed
from audio_grpc.storage import Database
from audio_grpc.storage.migrations import FOLDER, REVISION
from audio_grpc.storage.tables import METADATA
from audio_grpc.v1 import job_pb2
from audio_grpc.v1.speech_to_text_pb2 import TimeRange, TranscribeRequest
from tests.conftest import Start
from tests.jobs.conftest import ended

DATA = Path(__file__).parent / "data"
IMPOSSIBLE = TranscribeRequest(clip_timestamps=[TimeRange(start=Duration(seconds=10**15))])
EVERYTHING_IS_KEPT = {"history_days": 0, "job_retention_days": 0}


@pytest.fixture(params=["sqlite", "postgresql"])
def empty(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The URL of a database without tables."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'audio.db'}"
        return
    url = request.getfixturevalue("postgresql_url")
    name = f"test_{uuid4().hex}"
    with connected(url, isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text(f"CREATE DATABASE {name}"))
    yield url.replace("/postgres?", f"/{name}?")


@pytest.fixture
def old(empty: str) -> str:
    """The URL of a database as the last version before Alembic left it."""
    script = (DATA / f"version_3.{make_url(empty).drivername}.sql").read_text()
    if empty.startswith("sqlite"):
        file = sqlite3.connect(make_url(empty).database or "")
        file.executescript(script)
        file.close()
        return empty
    with connected(empty) as connection:
        connection.exec_driver_sql(script)
    return empty


@contextmanager
def connected(url: str, **options: Any) -> Iterator[Connection]:
    """Opens it without this project's help."""
    engine = create_engine(url.replace("postgresql:", "postgresql+psycopg:"), **options)
    with engine.begin() as connection:
        yield connection
    engine.dispose()


def nothing(connection: Connection) -> None:
    """Work that asks for nothing but the tables."""


async def opened(url: str) -> None:
    """Once its tables are up to date."""
    database = Database(url)
    try:
        await database.run("open it", nothing)
    finally:
        await database.close()


def differences(url: str) -> Any:
    """Between the tables that there are and those that the program knows."""
    with connected(url) as connection:
        return compare_metadata(MigrationContext.configure(connection), METADATA)


def table_names(url: str) -> set[str]:
    with connected(url) as connection:
        return set(inspect(connection).get_table_names())


def test_the_last_migration_is_the_revision_that_the_program_knows() -> None:
    assert ScriptDirectory(str(FOLDER)).get_current_head() == REVISION


async def test_a_new_database_has_the_tables_that_the_program_knows(empty: str) -> None:
    await opened(empty)
    assert differences(empty) == []


async def test_an_old_database_gets_the_tables_that_the_program_knows(old: str) -> None:
    await opened(old)
    assert differences(old) == []
    assert table_names(old) == {*METADATA.tables, "alembic_version"}


async def test_an_old_database_that_lacks_a_table_gets_it(old: str) -> None:
    """The versions before the last had fewer."""
    with connected(old) as connection:
        connection.execute(text("DROP TABLE past_requests"))
        connection.execute(text("UPDATE schema_version SET version = 1"))
    await opened(old)
    assert differences(old) == []


async def test_a_server_finds_the_jobs_of_an_old_database_and_goes_on_with_them(
    start: Start, old: str
) -> None:
    _, client = await start(database_url=old, **EVERYTHING_IS_KEPT)
    waiting, completed = (await client.list_jobs().page()).jobs
    assert (completed.id, completed.state) == ("job_9835632e6dab16ed", job_pb2.SPEECH_JOB_STATE_COMPLETED)
    assert (completed.pieces_done, completed.characters) == (4, 159)
    again = await client.create_job(
        "Waiting for its turn. "
        + " ".join(f"This is sentence number {number}, to be heard." for number in range(4)),
        target_size=40,
        request_id="6f1c0c7b-e0ab-4f2f-9a10-0242ac120002",
    )
    assert again.id == waiting.id, "requests are still known"
    assert (await ended(client, waiting.id)).state == job_pb2.SPEECH_JOB_STATE_COMPLETED


async def test_a_server_tells_of_the_requests_in_an_old_database(start: Start, old: str) -> None:
    _, client = await start(database_url=old, **EVERYTHING_IS_KEPT)
    refused, heard, spoken = (await client.list_past_requests().page()).requests
    assert (spoken.text, spoken.is_whole_text) == ("This is said once. And it is kept.", True)
    assert (spoken.audio.format.media_type, spoken.audio.size_bytes) == ("audio/wav", 163244)
    assert (spoken.characters, spoken.input_tokens, spoken.audio_out.seconds) == (34, 34, 3)
    assert spoken.timing.first_result.ToMicroseconds() > spoken.timing.queued.ToMicroseconds() > 0
    assert (heard.transcript.language_code, heard.output_tokens, heard.HasField("audio")) == ("en", 34, False)
    assert (refused.reason, refused.field, refused.speech.voice) == ("VOICE_NOT_FOUND", "voice", "nobody")
    assert [past.id for past in (await client.list_past_requests(status="NOT_FOUND").page()).requests] == [
        refused.id
    ]
    assert await client.delete_past_requests([heard.id]) == 1


@pytest.mark.parametrize("options", [b"\xff", IMPOSSIBLE.SerializeToString()], ids=["no message", "no time"])
async def test_options_that_cannot_be_told_are_left_out_of_what_was_kept(
    start: Start, old: str, options: bytes
) -> None:
    """Versions long ago kept whatever callers had sent."""
    with connected(old) as connection:
        changed = text("UPDATE past_requests SET options = :options WHERE method = 'Transcribe'")
        connection.execute(changed, {"options": options})
    _, client = await start(database_url=old, **EVERYTHING_IS_KEPT)
    _, heard, spoken = (await client.list_past_requests().page()).requests
    assert (heard.text, heard.WhichOneof("options")) == (spoken.text, None)
    assert MessageToJson(heard)


async def start_at_once(url: str, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "audio_grpc.storage.migrations")
    await asyncio.gather(*(opened(url) for _ in range(6)))
    assert differences(url) == []
    assert caplog.text.count(f"the tables of the database have the revision {REVISION} now") == 1


async def test_of_servers_that_start_at_once_one_makes_the_tables(
    empty: str, caplog: pytest.LogCaptureFixture
) -> None:
    await start_at_once(empty, caplog)


async def test_of_servers_that_start_at_once_one_changes_the_tables(
    old: str, caplog: pytest.LogCaptureFixture
) -> None:
    await start_at_once(old, caplog)


async def test_a_change_that_fails_leaves_the_tables_as_they_were(
    old: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = table_names(old)
    upgrade = command.upgrade

    def failing(*arguments: Any) -> None:
        upgrade(*arguments)
        raise OSError("no space left")

    with monkeypatch.context() as patch:
        patch.setattr(command, "upgrade", failing)
        with pytest.raises(StorageFailed):
            await opened(old)
    assert table_names(old) == before
    await opened(old)
    assert differences(old) == []


async def test_a_database_of_a_later_version_is_left_alone_and_said_so_at_the_start(
    start: Start, old: str, caplog: pytest.LogCaptureFixture
) -> None:
    await opened(old)
    with connected(old) as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
        connection.execute(text("ALTER TABLE jobs ADD COLUMN of_later INTEGER"))
    server, _ = await start(database_url=old)
    await server.stop(0)
    assert f"the revision 9999; this one knows {REVISION}); upgrade this server" in caplog.text
    with connected(old) as connection:
        assert connection.execute(text("SELECT of_later FROM jobs")).all() == [(None,), (None,)]


async def test_tables_that_are_up_to_date_cost_no_import_of_alembic(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'audio.db'}"
    await opened(url)
    program = (
        "import asyncio, sys\n"
        "from audio_grpc.storage import Database\n"
        f"asyncio.run(Database({url!r}).run('open it', lambda connection: None))\n"
        "assert 'alembic' not in sys.modules"
    )
    await asyncio.to_thread(subprocess.run, [sys.executable, "-c", program], check=True)
