"""Log lines for people and for programs; those of a call or request carry its ids."""

import json
import logging
import time
from collections.abc import Mapping
from contextvars import ContextVar
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

from audio_grpc.errors import shortened

PLAIN = "%(asctime)s %(levelname)s %(name)s: %(message)s"
QUIET_SECONDS = 60.0
LONGEST_LINE, LONGEST_VALUE, LONGEST_EXCEPTION = 4000, 500, 16_000
"""The most characters of each: all of them can have what callers send."""

common_fields: ContextVar[Mapping[str, str]] = ContextVar("common_fields")
"""The fields, by name, that every line has for the call or request being served; empty ones are left out."""


def stream_handler(log_format: str) -> logging.Handler:
    """Writes to standard error: JSON for ``json``, else lines for people."""
    handler = logging.StreamHandler()
    handler.setFormatter(JsonFormatter() if log_format == "json" else TextFormatter(PLAIN))
    return handler


def start_logging(level: str, handler: logging.Handler) -> None:
    """Send the lines of this process from ``level`` on to ``handler``, and Python's warnings as well."""
    handler.addFilter(RateLimitFilter("opentelemetry"))  # which complains of each batch that it cannot send
    # No line names its place in the code, its thread or its process, which take a while to find out.
    logging._srcfile = None
    logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False
    logging.basicConfig(level=level, handlers=[handler])
    logging.captureWarnings(True)


class BoundedFormatter(logging.Formatter):
    """Shortens exceptions to their ends, which tell most."""

    def formatException(self, ei: Any) -> str:  # noqa: N802, D102 (logging's name)
        return super().formatException(ei)[-LONGEST_EXCEPTION:]


class TextFormatter(BoundedFormatter):
    """A line for people, with what else is known behind it as name=value."""

    def formatTime(self, record: logging.LogRecord, datefmt: str | None = None) -> str:  # noqa: N802, D102
        return f"{_clock(int(record.created))},{int(record.msecs):03}"

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802, D102 (logging's name)
        known = "".join([f" {name}={_shown(value)}" for name, value in _fields(record).items()])
        record.message = shortened(record.message, LONGEST_LINE)
        return super().formatMessage(record) + known


class JsonFormatter(BoundedFormatter):
    """A JSON object a line, in ASCII; the time is RFC 3339 in UTC."""

    def format(self, record: logging.LogRecord) -> str:  # noqa: D102 (logging's)
        written = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
        entry = {
            "time": written.replace("+00:00", "Z"),
            "level": record.levelname,
            "logger": record.name,
            "message": shortened(record.getMessage(), LONGEST_LINE),
            **_fields(record),
        }
        if record.exc_info:
            entry["exception"] = self.formatException(record.exc_info)
        return json.dumps(entry, default=str)


def _fields(record: logging.LogRecord) -> dict[str, object]:
    """Returns the common fields, and the ``fields`` that the line was logged with (``extra=``)."""
    known = {**common_fields.get({}), **getattr(record, "fields", {})}
    return {name: _short(value) for name, value in known.items() if value != ""}


def _short(value: object) -> object:
    """A path, for one, can be as long as a caller likes."""
    return shortened(value, LONGEST_VALUE) if isinstance(value, str) else value


def _shown(value: object) -> str:
    """Returns the text, quoted where it could pass for several values or lines: callers choose paths."""
    text = str(value)
    return text if text.isprintable() and " " not in text and '"' not in text else json.dumps(text)


@lru_cache(maxsize=1)
def _clock(second: int) -> str:
    """Returns the local date and time; many lines are written in one second."""
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(second))


class RateLimitFilter(logging.Filter):
    """Lets a logger, and those below it, say the same kind of thing once a minute at most."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self._said: dict[str, float] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Tells if the line is another logger's, or none of its kind was logged in the last minute."""
        if not super().filter(record):
            return True
        now = time.monotonic()
        kind = f"{record.name} {record.msg}"
        if now - self._said.get(kind, -QUIET_SECONDS) < QUIET_SECONDS:
            return False
        self._said[kind] = now
        return True
