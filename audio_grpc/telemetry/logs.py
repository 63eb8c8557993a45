"""Log lines for people and for programs; those of a call carry its request id."""

import json
import logging
import time
from datetime import UTC, datetime

from audio_grpc.telemetry.call import current_call

QUIET_SECONDS = 60.0


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
        known = {"request_id": call.request_id, "trace_id": call.trace_id, "method": call.method}
        fields = {name: value for name, value in known.items() if value}
    return {**fields, **getattr(record, "fields", {})}


class Sparingly(logging.Filter):
    """Lets a logger, and those below it, say the same kind of thing once a minute at most."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self._said: dict[str, float] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether the line is another's, or has not been said for a minute."""
        if not super().filter(record):
            return True
        now = time.monotonic()
        kind = f"{record.name} {record.msg}"
        if now - self._said.get(kind, -QUIET_SECONDS) < QUIET_SECONDS:
            return False
        self._said[kind] = now
        return True
