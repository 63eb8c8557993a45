"""The tables of the database. Moments are seconds since 1970, UTC."""

from sqlalchemy import (
    BigInteger,
    Column,
    Double,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
)

VERSION = 1
"""Of all the tables. Who adds one raises it; a database of an earlier version gets the tables it lacks."""

METADATA = MetaData()

SCHEMA = Table("schema_version", METADATA, Column("version", Integer, primary_key=True))

JOBS = Table(
    "jobs",
    METADATA,
    Column("id", String(32), primary_key=True),
    Column("key_id", String(64), nullable=False),
    Column("state", String(16), nullable=False),
    Column("request", LargeBinary, nullable=False),
    Column("text_start", Text, nullable=False),
    Column("characters", Integer, nullable=False),
    Column("pieces_total", Integer, nullable=False),
    Column("sample_rate_hertz", Integer, nullable=False),
    Column("created", Double, nullable=False),
    Column("started", Double),
    Column("ended", Double),
    Column("pieces_done", Integer, nullable=False, default=0),
    Column("characters_done", Integer, nullable=False, default=0),
    Column("input_tokens", BigInteger, nullable=False, default=0),
    Column("samples", BigInteger, nullable=False, default=0),
    Column("spoken_seconds", Double, nullable=False, default=0.0),
    Column("error_reason", String(64), nullable=False, default=""),
    Column("error_message", Text, nullable=False, default=""),
    # Which server runs it, and until when nobody else may; 0: anybody may now.
    Column("lease_owner", String(64), nullable=False, default=""),
    Column("lease_until", Double, nullable=False, default=0.0),
    # How often it was claimed since a piece of it was kept, by servers that were then killed.
    Column("claims", Integer, nullable=False, default=0),
    Index("jobs_newest", "created", "id"),
    Index("jobs_to_run", "state", "lease_until"),
)

PIECES = Table(
    "job_pieces",
    METADATA,
    Column("job_id", ForeignKey(JOBS.c.id, ondelete="CASCADE"), primary_key=True),
    Column("number", Integer, primary_key=True),
    Column("text", Text, nullable=False),
    # The name of its sound among the results; none before it is spoken.
    Column("blob", String(64)),
)
