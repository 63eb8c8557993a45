"""Keeps a past request as the message that callers are told, instead of a column for each of its fields."""

from typing import Any

import sqlalchemy as sa
from alembic import op
from google.protobuf.json_format import MessageToDict, SerializeToJsonError
from google.protobuf.message import DecodeError

from audio_grpc.convert import from_moment, from_seconds
from audio_grpc.v1.audio_pb2 import AudioFormat
from audio_grpc.v1.history_pb2 import PastAudio, PastRequest
from audio_grpc.v1.timing_pb2 import Timing

revision = "0002"
down_revision = "0001"

BATCH = 500
STAY = ("id", "key_id", "method", "model", "status", "started", "audio_bytes")
GO = (
    *("request_id", "key", "voice", "options", "reason", "field"),
    *("seconds", "queued_seconds", "first_result_seconds", "total_seconds"),
    *("characters", "audio_seconds_in", "audio_seconds_out", "input_tokens", "output_tokens"),
    *("text", "is_whole_text", "audio_format", "audio_problem"),
)
ROWS = sa.table("past_requests", *map(sa.column, (*STAY, *GO, "record")))
OPTIONS = {
    "Synthesize": "speech",
    "StreamingSynthesize": "live_speech",
    "Transcribe": "transcript",
    "TranscribeUpload": "transcript",
    "StreamingTranscribe": "live_transcript",
    "Converse": "conversation",
}


def upgrade() -> None:
    """Makes a message of each row."""
    op.add_column("past_requests", sa.Column("record", sa.LargeBinary))
    connection = op.get_bind()
    ids = connection.execute(sa.select(ROWS.c.id)).scalars().all()
    written = sa.update(ROWS).where(ROWS.c.id == sa.bindparam("past_id")).values(record=sa.bindparam("bytes"))
    for start in range(0, len(ids), BATCH):
        wanted = sa.select(ROWS).where(ROWS.c.id.in_(ids[start : start + BATCH]))
        rows = connection.execute(wanted).all()
        connection.execute(
            written, [{"past_id": row.id, "bytes": _message(row).SerializeToString()} for row in rows]
        )
    with op.batch_alter_table("past_requests") as batch:
        batch.alter_column("record", nullable=False)
        for name in GO:
            batch.drop_column(name)


def _message(row: sa.Row[Any]) -> PastRequest:
    """Returns the message of a row; without options that cannot be read, or that JSON has no form for."""
    first = row.first_result_seconds
    message = PastRequest(
        id=row.id,
        request_id=row.request_id,
        key=row.key,
        key_id=row.key_id,
        method=row.method,
        model=row.model,
        voice=row.voice,
        status=row.status,
        reason=row.reason,
        field=row.field,
        start_time=from_moment(row.started),
        duration=from_seconds(row.seconds),
        characters=row.characters,
        audio_in=from_seconds(row.audio_seconds_in),
        audio_out=from_seconds(row.audio_seconds_out),
        input_tokens=row.input_tokens,
        output_tokens=row.output_tokens,
        text=row.text,
        is_whole_text=bool(row.is_whole_text),
        audio_problem=row.audio_problem,
    )
    if row.queued_seconds is not None:
        message.timing.CopyFrom(
            Timing(
                queued=from_seconds(row.queued_seconds),
                first_result=None if first is None else from_seconds(first),
                total=from_seconds(row.total_seconds),
            )
        )
    if row.audio_bytes:
        audio_format = AudioFormat.FromString(row.audio_format)
        message.audio.CopyFrom(PastAudio(format=audio_format, size_bytes=row.audio_bytes))
    if row.options is not None:
        options = getattr(message, OPTIONS[row.method])
        options.SetInParent()
        try:
            options.MergeFromString(row.options)
            MessageToDict(message)
        except (ValueError, DecodeError, SerializeToJsonError):
            message.ClearField("options")
    return message
