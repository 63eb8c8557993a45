"""Log lines for people and for programs; those of a call carry its request id."""

import json
import logging
from datetime import UTC, datetime

from audio_grpc.telemetry.call import current_call


class TextFormatter(logging.Formatter):
    """A line for people, with what else is known behind it as name=value."""

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802, D102 (logging's name)
        known = "".join(f" {name}={value}" for name, value in _fields(record).items())
        return super().formatMessage(record) + known


class JsonFormatter(logging.Formatter):
    """A JSON object a line, in ASCII; the time is RFC 3339 in UTC."""

    def format(self, record: logging.LogRecord) -> str:  # noqa: D102 (logging's)
        written = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
        entry = {
            "time": written.replace("+00:00", "Z"),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
            **_fields(record),
        }
        if record.exc_info:
            entry["exception"] = self.formatException(record.exc_info)
        return json.dumps(entry, default=str)


def _fields(record: logging.LogRecord) -> dict[str, object]:
    """The call that is being served, and the ``fields`` that the line was logged with (``extra=``)."""
    fields: dict[str, object] = {}
    if call := current_call.get(None):
        fields = {"request_id": call.request_id, "method": call.method}
    return {**fields, **getattr(record, "fields", {})}
