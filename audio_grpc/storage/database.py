"""The database: SQLite in a file, or PostgreSQL for several machines.

Work on it is synchronous and runs in a thread of its own, one transaction each. SQLite's file is in WAL mode,
which needs a local disk: https://sqlite.org/wal.html.
"""

import asyncio
import logging
import sqlite3
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar

from sqlalchemy import URL, Connection, create_engine, event, make_url, text
from sqlalchemy.exc import ArgumentError, OperationalError, SQLAlchemyError

from audio_grpc.errors import ConfigurationError, StorageFailed
from audio_grpc.extras import install
from audio_grpc.storage.migrations import bring_up_to_date

POSTGRESQL, SQLITE = "postgresql", "sqlite"
BUSY_SECONDS, AGAIN_SECONDS = 20.0, 0.02
CONNECT_SECONDS = 10
CLOSE_SECONDS = 10.0
SCHEMA_LOCK = 0x61756472
"""Names the lock under which one server at a time makes and changes tables in PostgreSQL."""

T = TypeVar("T")
log = logging.getLogger(__name__)


class Database:
    """A database of this service. Its tables are made, or brought up to date, when it is first used.

    ``url`` is such as ``sqlite:////var/lib/audio-grpc/jobs.db`` or ``postgresql://user@host/name``
    (https://docs.sqlalchemy.org/en/21/core/engines.html#database-urls). ConfigurationError if it is none, or
    if what speaks with such a database is not installed.
    """

    def __init__(self, url: str) -> None:
        self._url = _checked(url)
        self._file = Path(self._url.database or "") if self._url.drivername == SQLITE else None
        self._opening = threading.Lock()
        self._telling = threading.Lock()
        self._said: dict[str, str] = {}
        self._open = False
        self._engine = _engine(self._url)
        self._running: set[asyncio.Future[Any]] = set()

    @property
    def is_shared(self) -> bool:
        """Tells if servers on several machines can share it."""
        return self._file is None

    @property
    def is_there(self) -> bool:
        """Tells if it may hold data: false until SQLite's file is made."""
        return self._file is None or self._file.exists()

    async def prepare(self) -> None:
        """Brings the tables up to date if there are any, before a call needs them. What fails is logged."""
        if self.is_there:
            with suppress(StorageFailed):
                await self.run("open the database", lambda connection: None)

    async def run(self, what: str, work: Callable[[Connection], T]) -> T:
        """The result of one transaction: all of it is kept, or nothing.

        StorageFailed says that it could not do ``what`` it is for.
        """
        running = asyncio.ensure_future(asyncio.to_thread(self._run, what, work))
        self._running.add(running)
        running.add_done_callback(self._ended)
        # A thread cannot be cancelled: what it does goes on when nobody waits for it any more.
        return await asyncio.shield(running)

    async def close(self) -> None:
        """Let go of its connections, once the transactions that run have ended, if they do soon."""
        if self._running:
            await asyncio.wait(self._running, timeout=CLOSE_SECONDS)
        await asyncio.to_thread(self._engine.dispose)

    def _ended(self, running: asyncio.Future[Any]) -> None:
        self._running.discard(running)
        if not running.cancelled():
            running.exception()  # and logged; nobody may be waiting for it

    def _run(self, what: str, work: Callable[[Connection], T]) -> T:
        try:
            self._prepare()
            with self._engine.begin() as connection:
                result = work(connection)
        except StorageFailed as error:
            self._tell(what, error.message)
            raise
        except (SQLAlchemyError, OSError) as error:
            cause = getattr(error, "orig", None) or error
            self._tell(what, " ".join(str(cause).split()))
            raise StorageFailed(
                f"could not {what}: {type(cause).__name__}; the server's operator has to see to the "
                "database at its database_url, and the server's log says what is wrong with it",
                passing=isinstance(error, OperationalError),
            ) from error
        self._tell_of_its_return()
        return result

    def _tell(self, what: str, cause: str) -> None:
        """Log what could not be done, once until something can be: it is tried again every few seconds."""
        with self._telling:
            said, self._said = self._said.get(what), {**self._said, what: cause}
        if said != cause:
            log.error("could not %s in %s: %s", what, self._url, cause)

    def _tell_of_its_return(self) -> None:
        with self._telling:
            said, self._said = self._said, {}
        if said:
            log.info("the database %s answers again", self._url)

    def _prepare(self) -> None:
        with self._opening:
            if self._open:
                return
            if self._file is not None:
                self._file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
                self._file.touch(mode=0o600)  # the texts are nobody else's business
            with self._engine.begin() as connection:
                _bring_up_to_date(connection)
            self._open = True


def now(connection: Connection) -> float:
    """Returns the moment on the clock that all servers on the database share, in seconds since 1970."""
    if connection.dialect.name == POSTGRESQL:
        moment: float = connection.scalar(text("SELECT extract(epoch FROM clock_timestamp())::float8"))
        return moment
    return time.time()  # whoever opens SQLite's file is on the machine that it is on


def _checked(url: str) -> URL:
    """The URL with the driver that is used here. Raises ConfigurationError."""
    try:
        parsed = make_url(url)
    except ArgumentError as error:
        raise ConfigurationError(
            "database_url is no URL, such as sqlite:////var/lib/audio-grpc/jobs.db or postgresql://user@host/name"
        ) from error
    if parsed.drivername in (POSTGRESQL, "postgres", "postgresql+psycopg"):
        return parsed.set(drivername="postgresql+psycopg")
    if parsed.drivername != SQLITE or parsed.database in (None, "", ":memory:"):
        raise ConfigurationError(
            f"database_url is {parsed.render_as_string()!r}; it is sqlite:///FILE or postgresql://..."
        )
    return parsed


def _engine(url: URL) -> Any:
    if url.drivername == SQLITE:
        engine = create_engine(url, connect_args={"timeout": BUSY_SECONDS}, hide_parameters=True)
        event.listen(engine, "connect", _set_up_sqlite)
        event.listen(engine, "begin", _begin_sqlite)
        return engine
    try:
        return create_engine(
            url, connect_args={"connect_timeout": CONNECT_SECONDS}, hide_parameters=True, pool_pre_ping=True
        )
    except ImportError as error:
        raise ConfigurationError(
            f"PostgreSQL needs psycopg; install it with: {install('postgresql')}"
        ) from error


def _set_up_sqlite(connection: Any, _: object) -> None:
    connection.isolation_level = None  # SQLAlchemy says when a transaction begins, not Python's driver
    _write_ahead(connection)
    for pragma in ("synchronous = FULL", "foreign_keys = ON"):
        connection.execute(f"PRAGMA {pragma}")


def _write_ahead(connection: sqlite3.Connection) -> None:
    """Turns on the write-ahead log, in a new file once others that do so at the same moment are done.

    SQLite's own timeout does not always count for that (https://sqlite.org/c3ref/busy_handler.html).
    """
    latest = time.monotonic() + BUSY_SECONDS
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            return
        except sqlite3.OperationalError as error:
            if not error.sqlite_errorname.startswith("SQLITE_BUSY") or time.monotonic() > latest:
                raise
        time.sleep(AGAIN_SECONDS)


def _begin_sqlite(connection: Connection) -> None:
    # A transaction that begins by reading could not always go on to write: https://sqlite.org/isolation.html.
    connection.exec_driver_sql("BEGIN IMMEDIATE")


def _bring_up_to_date(connection: Connection) -> None:
    """Has one server at a time see to the tables; in SQLite, a transaction is alone anyway."""
    if connection.dialect.name == POSTGRESQL:
        connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": SCHEMA_LOCK})
    bring_up_to_date(connection)
