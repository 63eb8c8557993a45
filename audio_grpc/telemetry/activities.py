"""The activities of the server: the active calls, the recent ones, and totals."""

import asyncio
import time
from collections import defaultdict, deque
from collections.abc import AsyncGenerator
from contextlib import suppress
from dataclasses import dataclass

from audio_grpc.telemetry.call import Call

KEPT = 100
"""Calls that have ended, for each key; the oldest are forgotten first."""
METHODS = frozenset(
    {"Synthesize", "StreamingSynthesize", "Transcribe", "TranscribeUpload", "StreamingTranscribe"}
)
"""The methods whose calls are listed: all others end at once, or only list activities themselves."""


@dataclass
class Totals:
    """Totals of the calls that have ended."""

    requests: int = 0
    failures: int = 0
    cancellations: int = 0
    characters: int = 0
    audio_seconds_in: float = 0.0
    audio_seconds_out: float = 0.0
    served: int = 0
    """Calls that ended well."""
    served_seconds: float = 0.0
    """The sum of their lengths in seconds."""

    def count(self, call: Call) -> None:
        """Adds a call that has ended."""
        self.requests += 1
        self.characters += call.characters
        self.audio_seconds_in += call.audio_seconds_in
        self.audio_seconds_out += call.audio_seconds_out
        if call.code == "OK":
            self.served += 1
            self.served_seconds += call.seconds
        elif call.code == "CANCELLED":
            self.cancellations += 1
        else:
            self.failures += 1


class Activities:
    """The active calls, the recent ones and the totals; all of it apart for each key ("" without keys).

    It holds the calls themselves, so that following one costs nothing but two entries. Everything happens on
    the event loop.
    """

    def __init__(self) -> None:
        self.since = time.time()
        """The start of the totals, in seconds since 1970."""
        self._active: dict[int, Call] = {}
        self._recent: defaultdict[str, deque[Call]] = defaultdict(lambda: deque(maxlen=KEPT))
        self._totals: defaultdict[str, Totals] = defaultdict(Totals)
        self._news = asyncio.Event()
        self.changes = 0
        """The number of times that a call began or ended or that calls were forgotten."""
        self._closed = asyncio.Event()

    def begin(self, call: Call) -> None:
        """Follow a call."""
        if call.method in METHODS:
            self._active[id(call)] = call
            self._tell()

    def end(self, call: Call) -> None:
        """Moves a call that has ended to the recent ones."""
        if self._active.pop(id(call), None) is not None:
            self._recent[call.key_id].append(call)
            self._totals[call.key_id].count(call)
            self._tell()

    @property
    def key_ids(self) -> set[str]:
        """Returns the keys of all calls that are known."""
        return {*self._recent, *(call.key_id for call in self._active.values())}

    def active(self, key_id: str) -> list[Call]:
        """Calls in progress, oldest first."""
        return [call for call in self._active.values() if call.key_id == key_id]

    def recent(self, key_id: str, most: int) -> list[Call]:
        """Calls that have ended, the last first."""
        return list(reversed(self._recent.get(key_id, ())))[:most]

    def totals(self, key_id: str) -> Totals:
        """Returns the totals of a key's calls since the beginning."""
        return self._totals.get(key_id, Totals())

    def clear(self, key_id: str) -> int:
        """Forgets the recent calls; returns their number."""
        self._tell()
        return len(self._recent.pop(key_id, ()))

    async def happening(self, changes: int, at_most: float) -> None:
        """Wait while nothing is active, and nothing has changed since there were so many ``changes``."""
        if self._active or self.changes != changes:
            return
        news = self._news
        with suppress(TimeoutError):
            await asyncio.wait_for(news.wait(), at_most)

    async def moments(self, interval: float, idle_interval: float | None) -> AsyncGenerator[None, None]:
        """Yields at each time to look: now, and every ``interval`` seconds except while nothing is happening.

        Then it is every ``idle_interval`` seconds, or never. Ends when the server does.
        """
        while not self._closed.is_set():
            news = self._news
            yield
            with suppress(TimeoutError):
                async with asyncio.timeout(interval):
                    await self._closed.wait()
            if not self._active:
                with suppress(TimeoutError):
                    await asyncio.wait_for(news.wait(), idle_interval)

    def close(self) -> None:
        """Let nobody watch any longer."""
        self._closed.set()
        self._tell()

    def _tell(self) -> None:
        self.changes += 1
        news, self._news = self._news, asyncio.Event()
        news.set()
