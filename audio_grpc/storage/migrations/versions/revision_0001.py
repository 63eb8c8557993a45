"""Makes the first tables. Databases from before there were revisions have some of them, or all."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Makes the tables that are missing; drops the one that said which there were."""
    op.create_table(
        "jobs",
        sa.Column("id", sa.String(32), primary_key=True),
        sa.Column("key_id", sa.String(64), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("request", sa.LargeBinary, nullable=False),
        sa.Column("text_start", sa.Text, nullable=False),
        sa.Column("characters", sa.Integer, nullable=False),
        sa.Column("pieces_total", sa.Integer, nullable=False),
        sa.Column("sample_rate_hertz", sa.Integer, nullable=False),
        sa.Column("created", sa.Double, nullable=False),
        sa.Column("started", sa.Double),
        sa.Column("ended", sa.Double),
        sa.Column("pieces_done", sa.Integer, nullable=False),
        sa.Column("characters_done", sa.Integer, nullable=False),
        sa.Column("input_tokens", sa.BigInteger, nullable=False),
        sa.Column("samples", sa.BigInteger, nullable=False),
        sa.Column("spoken_seconds", sa.Double, nullable=False),
        sa.Column("error_reason", sa.String(64), nullable=False),
        sa.Column("error_message", sa.Text, nullable=False),
        sa.Column("lease_owner", sa.String(64), nullable=False),
        sa.Column("lease_until", sa.Double, nullable=False),
        sa.Column("claims", sa.Integer, nullable=False),
        if_not_exists=True,
    )
    op.create_table(
        "job_pieces",
        sa.Column("job_id", sa.String(32), sa.ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True),
        sa.Column("number", sa.Integer, primary_key=True),
        sa.Column("text", sa.Text, nullable=False),
        sa.Column("blob", sa.String(64)),
        if_not_exists=True,
    )
    op.create_table(
        "job_samples",
        sa.Column("job_id", sa.String(32), sa.ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True),
        sa.Column("audio", sa.LargeBinary, nullable=False),
        if_not_exists=True,
    )
    op.create_table(
        "job_turns",
        sa.Column("key_id", sa.String(64), primary_key=True),
        sa.Column("turn", sa.Double, nullable=False),
        if_not_exists=True,
    )
    op.create_table(
        "job_requests",
        sa.Column("key_id", sa.String(64), primary_key=True),
        sa.Column("request_id", sa.String(36), primary_key=True),
        sa.Column("fingerprint", sa.String(64), nullable=False),
        sa.Column("job_id", sa.String(32), sa.ForeignKey("jobs.id", ondelete="CASCADE"), nullable=False),
        sa.Column("created", sa.Double, nullable=False),
        if_not_exists=True,
    )
    op.create_table(
        "past_requests",
        sa.Column("id", sa.String(32), primary_key=True),
        sa.Column("request_id", sa.Text, nullable=False),
        sa.Column("key", sa.Text, nullable=False),
        sa.Column("key_id", sa.String(64), nullable=False),
        sa.Column("method", sa.Text, nullable=False),
        sa.Column("model", sa.Text, nullable=False),
        sa.Column("voice", sa.Text, nullable=False),
        sa.Column("options", sa.LargeBinary),
        sa.Column("status", sa.String(32), nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("field", sa.Text, nullable=False),
        sa.Column("started", sa.Double, nullable=False),
        sa.Column("seconds", sa.Double, nullable=False),
        sa.Column("queued_seconds", sa.Double),
        sa.Column("first_result_seconds", sa.Double),
        sa.Column("total_seconds", sa.Double, nullable=False),
        sa.Column("characters", sa.BigInteger, nullable=False),
        sa.Column("audio_seconds_in", sa.Double, nullable=False),
        sa.Column("audio_seconds_out", sa.Double, nullable=False),
        sa.Column("input_tokens", sa.BigInteger, nullable=False),
        sa.Column("output_tokens", sa.BigInteger, nullable=False),
        sa.Column("text", sa.Text, nullable=False),
        sa.Column("is_whole_text", sa.Boolean, nullable=False),
        sa.Column("audio_format", sa.LargeBinary, nullable=False),
        sa.Column("audio_bytes", sa.BigInteger, nullable=False),
        sa.Column("audio_problem", sa.String(32), nullable=False),
        if_not_exists=True,
    )
    op.create_table(
        "activity_snapshots",
        sa.Column("server_id", sa.String(64), primary_key=True),
        sa.Column("key_id", sa.String(64), primary_key=True),
        sa.Column("seen", sa.Double, nullable=False),
        sa.Column("snapshot", sa.LargeBinary, nullable=False),
        if_not_exists=True,
    )
    op.create_index("jobs_newest", "jobs", ["created", "id"], if_not_exists=True)
    op.create_index("jobs_to_run", "jobs", ["state", "lease_until"], if_not_exists=True)
    op.create_index("past_requests_newest", "past_requests", ["started", "id"], if_not_exists=True)
    op.create_index("past_requests_of_key", "past_requests", ["key_id", "started", "id"], if_not_exists=True)
    op.drop_table("schema_version", if_exists=True)
