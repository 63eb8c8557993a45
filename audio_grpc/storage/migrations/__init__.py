"""The changes of the tables, one after the other: the only way in which tables come to be and change.

A change is a file in ``versions``. Alembic (https://alembic.sqlalchemy.org) runs those that a database lacks
in one transaction. There is no way back: what a later program has changed, an earlier one does not use.
"""

import logging
from pathlib import Path
from threading import Lock

from sqlalchemy import Column, Connection, MetaData, String, Table, inspect, select

from audio_grpc.errors import StorageFailed

REVISION = "0002"
"""The revision that ``tables.py`` describes."""

LEDGER = Table("alembic_version", MetaData(), Column("version_num", String(32), primary_key=True))
"""Alembic's own table, whose only row says which revision the others have."""
FOLDER = Path(__file__).parent
ONE_AT_A_TIME = Lock()
"""Held while Alembic works: it hands the connection to its scripts in variables of the whole process."""

log = logging.getLogger(__name__)


def bring_up_to_date(connection: Connection) -> None:
    """Makes and changes tables until they are as this program knows them.

    The caller sees to it that nobody else does so on the same database before the transaction ends.

    Raises:
        StorageFailed: A later program has changed the tables already.

    """
    found = revision_of(connection)
    if found == REVISION:
        return
    logging.getLogger("alembic").setLevel(logging.WARNING)  # else it tells of its plugins, too
    # Imported here, as that takes 0.2 s, and tables are seldom out of date.
    from alembic import command
    from alembic.config import Config
    from alembic.script import ScriptDirectory

    config = Config(attributes={"connection": connection})
    config.set_main_option("script_location", str(FOLDER).replace("%", "%%"))
    known = {script.revision for script in ScriptDirectory.from_config(config).walk_revisions()}
    if found is not None and found not in known:
        raise StorageFailed(
            f"the database is of a later audio-grpc (its tables have the revision {found}; this one knows "
            f"{REVISION}); upgrade this server, or give it a database of its own with database_url"
        )
    with ONE_AT_A_TIME:
        command.upgrade(config, REVISION)
    log.info("the tables of the database have the revision %s now; before: %s", REVISION, found or "none")


def revision_of(connection: Connection) -> str | None:
    """Returns the revision of the tables; None if there are no tables, or no revisions yet."""
    if not inspect(connection).has_table(LEDGER.name):
        return None
    revision: str | None = connection.scalar(select(LEDGER.c.version_num))
    return revision
