"""Reads the log of this process, written as JSON."""

import asyncio
import io
import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from audio_grpc.telemetry.logs import JsonFormatter


class Lines:
    """The lines so far."""

    def __init__(self) -> None:
        self.stream = io.StringIO()

    @property
    def all(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.stream.getvalue().splitlines()]

    def of(self, request_id: str) -> list[dict[str, Any]]:
        return [line for line in self.all if line.get("request_id") == request_id]

    async def ended(self, request_id: str, message: str = "call ended") -> dict[str, Any]:
        """The line that says how a call ended, which may come just after its caller was told."""
        while not (found := [line for line in self.of(request_id) if line["message"] == message]):
            await asyncio.sleep(0)
        (line,) = found
        return line


@contextmanager
def reading() -> Iterator[Lines]:
    """Lines from INFO on."""
    lines = Lines()
    handler = logging.StreamHandler(lines.stream)
    handler.setFormatter(JsonFormatter())
    root, level = logging.getLogger(), logging.getLogger().level
    root.addHandler(handler)
    root.setLevel(logging.INFO)
    yield lines
    root.removeHandler(handler)
    root.setLevel(level)
