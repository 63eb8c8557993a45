"""The tables of the database, as ``migrations`` makes them. Moments are seconds since 1970, UTC."""

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

METADATA = MetaData()

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

# The recordings that jobs speak with the voices of: apart, since listing jobs needs none of them.
JOB_SAMPLES = Table(
    "job_samples",
    METADATA,
    Column("job_id", ForeignKey(JOBS.c.id, ondelete="CASCADE"), primary_key=True),
    Column("audio", LargeBinary, nullable=False),
)

# When a piece was last spoken for each key, so that keys take turns.
JOB_TURNS = Table(
    "job_turns",
    METADATA,
    Column("key_id", String(64), primary_key=True),
    Column("turn", Double, nullable=False),
)

# Which job was made for a request that may come again.
JOB_REQUESTS = Table(
    "job_requests",
    METADATA,
    Column("key_id", String(64), primary_key=True),
    Column("request_id", String(36), primary_key=True),
    # SHA-256 of what was asked for.
    Column("fingerprint", String(64), nullable=False),
    Column("job_id", ForeignKey(JOBS.c.id, ondelete="CASCADE"), nullable=False),
    Column("created", Double, nullable=False),
)

PAST_REQUESTS = Table(
    "past_requests",
    METADATA,
    Column("id", String(32), primary_key=True),
    Column("key_id", String(64), nullable=False),
    Column("method", Text, nullable=False),
    Column("model", Text, nullable=False),
    Column("status", String(32), nullable=False),
    Column("started", Double, nullable=False),
    # How many bytes of sound are kept.
    Column("audio_bytes", BigInteger, nullable=False),
    # A PastRequest; the columns above are what it is looked for by.
    Column("record", LargeBinary, nullable=False),
    Index("past_requests_newest", "started", "id"),
    Index("past_requests_of_key", "key_id", "started", "id"),
)

SNAPSHOTS = Table(
    "activity_snapshots",
    METADATA,
    Column("server_id", String(64), primary_key=True),
    Column("key_id", String(64), primary_key=True),
    Column("seen", Double, nullable=False),
    # A ListActivitiesResponse.
    Column("snapshot", LargeBinary, nullable=False),
)
