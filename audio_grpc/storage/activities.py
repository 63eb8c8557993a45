"""The activities of several servers on one database: a snapshot for each key, renewed by its server."""

import time
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from sqlalchemy import Connection, and_, delete, insert, or_, select

from audio_grpc.storage.database import Database, now
from audio_grpc.storage.tables import SNAPSHOTS

STALE_SECONDS = 15.0
"""The seconds without a sign of life after which a server counts as dead, on the database's clock."""
NOBODY = ""
"""The server id of the rows that record when a key had its ended activities cleared."""

ROWS = SNAPSHOTS.c


@dataclass(frozen=True)
class KeyActivities:
    """The snapshots that the other servers wrote for one key, or for all."""

    snapshots: list[bytes]
    cleared: Mapping[str, float]
    """By the ids of keys: the times in seconds since 1970 before which what ended is to be forgotten."""


class ActivityStore:
    """Shares activities among servers through the database. Methods raise StorageFailed."""

    def __init__(self, database: Database, server_id: str) -> None:
        self._database = database
        self._server_id = server_id

    async def write(self, snapshots: Mapping[str, bytes]) -> None:
        """Replaces this server's snapshots, one for each key that asked; deletes those of dead servers."""

        def work(connection: Connection) -> None:
            moment = now(connection)
            dead = and_(ROWS.seen < moment - STALE_SECONDS, ROWS.server_id != NOBODY)
            rows = [
                {"server_id": self._server_id, "key_id": key_id, "seen": moment, "snapshot": snapshot}
                for key_id, snapshot in snapshots.items()
            ]
            connection.execute(delete(SNAPSHOTS).where(or_(ROWS.server_id == self._server_id, dead)))
            if rows:
                connection.execute(insert(SNAPSHOTS), rows)

        await self._database.run("share the activities", work)

    async def read(self, key_id: str | None) -> KeyActivities:
        """Returns the snapshots that other live servers wrote for a key; None: for all keys."""
        wanted = select(ROWS.server_id, ROWS.key_id, ROWS.seen, ROWS.snapshot).where(
            ROWS.server_id != self._server_id
        )
        if key_id is not None:
            wanted = wanted.where(ROWS.key_id == key_id)

        def work(connection: Connection) -> KeyActivities:
            alive = or_(ROWS.seen >= now(connection) - STALE_SECONDS, ROWS.server_id == NOBODY)
            rows = connection.execute(wanted.where(alive)).all()
            cleared = {row.key_id: row.seen for row in rows if row.server_id == NOBODY}
            return KeyActivities([row.snapshot for row in rows if row.server_id != NOBODY], cleared)

        return await self._database.run("read the activities of other servers", work)

    async def clear(self, key_ids: Collection[str]) -> None:
        """Have the others forget what has ended for some keys until now, by the clock of this server."""
        moment = time.time()
        rows = [
            {"server_id": NOBODY, "key_id": key_id, "seen": moment, "snapshot": b""} for key_id in key_ids
        ]

        def work(connection: Connection) -> None:
            connection.execute(delete(SNAPSHOTS).where(ROWS.server_id == NOBODY, ROWS.key_id.in_(key_ids)))
            connection.execute(insert(SNAPSHOTS), rows)

        await self._database.run("clear the activities", work)
