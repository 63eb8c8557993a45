"""The records of requests that have ended, and the sound of some of them.

A record is the message that callers are told, beside the columns by which it is looked for.
"""

import re
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Row, Select, delete, func, insert, select

from audio_grpc.convert import to_moment
from audio_grpc.errors import RequestNotFound, quoted
from audio_grpc.storage.blobs import Blobs
from audio_grpc.storage.database import Database
from audio_grpc.storage.pages import Listing, Page, Position
from audio_grpc.storage.tables import PAST_REQUESTS
from audio_grpc.v1.history_pb2 import PastRequest

ID = re.compile(r"req_[0-9a-f]{16}")
AUDIO = "audio"
"""The name of the sound in the folder of its request."""
BATCH = 500
"""Requests that one transaction forgets."""

ROWS = PAST_REQUESTS.c
LISTING = Listing(ROWS.id, ROWS.started, func.length(ROWS.record), (ROWS.record,))


@dataclass(frozen=True)
class Selection:
    """Filters of past requests; None: no filter."""

    key_id: str | None = None
    """The key that made them."""
    ids: Sequence[str] | None = None
    model: str | None = None
    method: str | None = None
    status: str | None = None
    since: float | None = None
    """Started then or later, in seconds since 1970."""
    before: float | None = None
    """Started earlier."""

    @property
    def clauses(self) -> list[ColumnElement[bool]]:
        """All of which have to be true."""
        equal = {name: getattr(self, name) for name in ("key_id", "model", "method", "status")}
        found = [ROWS[name] == _storable(value) for name, value in equal.items() if value is not None]
        if self.ids is not None:
            found.append(ROWS.id.in_([past_id for past_id in self.ids if ID.fullmatch(past_id)]))
        if self.since is not None:
            found.append(ROWS.started >= self.since)
        if self.before is not None:
            found.append(ROWS.started < self.before)
        return found


class PastRequests:
    """Keeps requests that have ended. Every method raises StorageFailed if the database or the blobs do."""

    def __init__(self, database: Database, blobs: Blobs) -> None:
        self._database = database
        self._blobs = blobs

    async def add_audio(self, past_id: str, data: bytes) -> None:
        """Keep the sound of a request, before the request itself: what is listed can be played."""
        await self._blobs.keep(past_id, AUDIO, data)

    async def add(self, request: PastRequest) -> None:
        """Keep a request; if that fails, its sound goes as well."""
        row = {
            "id": request.id,
            "key_id": request.key_id,
            "method": request.method,
            "model": request.model,
            "status": request.status,
            "started": to_moment(request.start_time),
            "audio_bytes": request.audio.size_bytes,
            "record": request.SerializeToString(),
        }
        try:
            await self._database.run(
                "keep the request", lambda connection: connection.execute(insert(PAST_REQUESTS).values(row))
            )
        except BaseException:
            if request.HasField("audio"):
                await self._blobs.clear(request.id)
            raise

    async def page(self, which: Selection, limit: int, after: Position | None) -> Page[PastRequest]:
        """Returns at most ``limit`` requests, the last first, that come after that position."""
        if not self._database.is_there:
            return Page([], [], None)
        return await self._database.run(
            "read the history",
            lambda connection: LISTING.page(connection, which.clauses, limit, after, _past),
        )

    async def find(self, past_id: str, key_id: str | None) -> PastRequest:
        """Returns the past request of this id if the key sees it. Raises RequestNotFound."""
        which = Selection(key_id, [past_id])
        if found := await self._read(select(ROWS.record).where(*which.clauses)):
            return _past(found[0])
        raise RequestNotFound(
            f"there is no past request {quoted(past_id)}; ListPastRequests lists them",
            field="id",
        )

    async def audio(self, past_id: str) -> bytes:
        """Returns the sound of a past request that has some."""
        return await self._blobs.read(past_id, AUDIO)

    async def remove(self, which: Selection) -> int:
        """Deletes past requests; returns their number."""
        removed = 0
        wanted = select(ROWS.id, ROWS.audio_bytes).where(*which.clauses).limit(BATCH)
        while found := await self._read(wanted):
            for row in found:
                if row.audio_bytes:  # first, so that no sound is left that nobody knows of
                    await self._blobs.clear(row.id)
            removed += await self._remove_rows([row.id for row in found])
        return removed

    async def _remove_rows(self, ids: list[str]) -> int:
        gone = delete(PAST_REQUESTS).where(ROWS.id.in_(ids))
        return await self._database.run(
            "remove requests", lambda connection: connection.execute(gone).rowcount
        )

    async def _read(self, wanted: Select[Any]) -> Sequence[Row[Any]]:
        if not self._database.is_there:
            return []
        return await self._database.run(
            "read the history",
            lambda connection: connection.execute(wanted).all(),
        )


def _past(row: Row[Any]) -> PastRequest:
    return PastRequest.FromString(row.record)


def new_id() -> str:
    """Returns an id for a request that is to be kept."""
    return f"req_{secrets.token_hex(8)}"


def _storable(text: str) -> str:
    """PostgreSQL has no NUL in a text: https://www.postgresql.org/docs/current/datatype-character.html."""
    return text.replace("\0", "\N{REPLACEMENT CHARACTER}")
