"""The activities of the server: the active calls, the recent ones, and totals."""

import asyncio
import time
from collections import defaultdict, deque
from collections.abc import AsyncGenerator
from contextlib import suppress
from dataclasses import dataclass, fields

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

    def add(self, other: "Totals") -> None:
        """Adds the totals of other calls."""
        for field in fields(self):
            setattr(self, field.name, getattr(self, field.name) + getattr(other, field.name))


class Activities:
    """The active calls, the recent ones and the totals; all of it apart for each key ("" without keys).

    Where the id of a key is None, all keys are meant.

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

    def active(self, key_id: str | None) -> list[Call]:
        """Calls in progress, oldest first."""
        return [call for call in self._active.values() if key_id in (None, call.key_id)]

    def recent(self, key_id: str | None, most: int) -> list[Call]:
        """Calls that have ended, the last first."""
        if key_id is not None:
            return list(reversed(self._recent.get(key_id, ())))[:most]
        every = (call for calls in self._recent.values() for call in calls)
        return sorted(every, key=lambda call: call.ended or 0.0, reverse=True)[:most]

    def totals(self, key_id: str | None) -> Totals:
        """Returns the totals of a key's calls since the beginning."""
        whole = Totals()
        for key, totals in self._totals.items():
            if key_id in (None, key):
                whole.add(totals)
        return whole

    def clear(self, key_id: str | None) -> int:
        """Forgets the recent calls; returns their number."""
        self._tell()
        keys = list(self._recent) if key_id is None else [key_id]
        return sum(len(self._recent.pop(key, ())) for key in keys)

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
