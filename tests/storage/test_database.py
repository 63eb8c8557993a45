"""Log lines about a database that goes away, and comes back."""

import logging
from pathlib import Path

import pytest
from sqlalchemy import Connection, text

from audio_grpc.errors import StorageFailed
from audio_grpc.storage.database import Database


def _ask(connection: Connection) -> object:
    return connection.scalar(text("SELECT 1"))


async def test_a_database_that_is_away_is_told_of_once_and_so_is_its_return(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "audio_grpc.storage.database")
    in_the_way = tmp_path / "folder"
    in_the_way.touch()
    database = Database(f"sqlite:///{in_the_way}/jobs.db")
    for _ in range(3):
        with pytest.raises(StorageFailed):
            await database.run("ask", _ask)
    in_the_way.unlink()
    for _ in range(2):
        assert await database.run("ask", _ask) == 1
    await database.close()
    levels = [record.levelname for record in caplog.records]
    assert levels == ["ERROR", "INFO"]
    assert "could not ask in sqlite:///" in caplog.text
    assert "answers again" in caplog.text


async def test_what_a_database_says_is_one_line(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    database = Database("postgresql://127.0.0.1:1/x")
    with pytest.raises(StorageFailed):
        await database.run("ask", _ask)
    await database.close()
    (record,) = caplog.records
    assert "\n" not in record.getMessage()
