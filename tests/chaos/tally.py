"""A count of what became of all calls, and of the faults that were made meanwhile."""

import sys
import time
from collections import Counter
from dataclasses import dataclass, field

FORBIDDEN = ("INTERNAL", "UNKNOWN", "HTTP 500")
"""The statuses that no caller may get, whatever was sent."""
CUT = ("RST_STREAM", "Stream removed", "Socket closed", "upstream connect error", "connection termination")
"""The words with which gRPC and Envoy say that a process has gone in the middle of a call."""
LISTED = 40


BEGUN = "broke off in the middle of the call"
"""Said of a call of which a part had been answered."""


@dataclass
class Fault:
    """A process that was killed or stopped, and when it was as before; times are of the monotonic clock."""

    name: str
    began: float
    ended: float | None = None

    def touches(self, began: float, ended: float) -> bool:
        """Tells if it was between those two."""
        return self.began <= ended and (self.ended is None or self.ended >= began)


@dataclass
class Tally:
    """Counts by kind of call and end; ``failures`` and ``forbidden`` hold what must not be."""

    ends: Counter[tuple[str, str]] = field(default_factory=Counter)
    faults: list[Fault] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)
    forbidden: list[str] = field(default_factory=list)
    broken: int = 0

    @property
    def calls(self) -> int:
        """All of them."""
        return self.ends.total()

    def went_well(self, kind: str) -> None:
        """Counts an ordinary call that had the right answer."""
        self.ends[kind, "OK"] += 1

    def failed(self, kind: str, began: float, *, was_begun: bool, why: str) -> None:
        """Counts an ordinary call that failed: as broken if a fault met it after it had begun."""
        met = [fault.name for fault in self.faults if fault.touches(began, time.monotonic())]
        # An answer that comes whole has begun, as its caller is told, when the service had sent a part of it.
        if met and (was_begun or BEGUN in why):
            self.broken += 1
            self.ends[kind, "broken by a fault"] += 1
            return
        self.ends[kind, "FAILED"] += 1
        self.failures.append(f"{kind}, begun: {was_begun}, faults: {met or 'none'}: {why}"[:600])
        _show("failed", self.failures[-1])

    def answered(self, kind: str, code: str, message: str, began: float) -> None:
        """Counts a call of which only certain answers are forbidden."""
        self.ends[kind, code] += 1
        if not code.startswith(FORBIDDEN):
            return
        met = any(fault.touches(began, time.monotonic()) for fault in self.faults)
        if not (met and any(words in message for words in CUT)):
            self.forbidden.append(f"{kind}: {code}: {message}"[:600])
            _show("forbidden", self.forbidden[-1])

    def report(self) -> str:
        """Lines for people."""
        lines = [f"{count:7} {kind}: {end}" for (kind, end), count in sorted(self.ends.items())]
        counts = Counter(fault.name for fault in self.faults)
        lines += [f"{count:7} fault: {name}" for name, count in sorted(counts.items())]
        for title, rows in (
            ("failures of ordinary calls", self.failures),
            ("forbidden answers", self.forbidden),
        ):
            lines.append(f"{len(rows):7} {title}")
            lines += [f"          {row}" for row in rows[:LISTED]]
        lines.append(
            f"{self.calls:7} calls in all, {self.broken} of them broken by a fault after they had begun"
        )
        return "\n".join(lines)


def _show(what: str, why: str) -> None:
    """Says it at once, for whoever ends the run early."""
    sys.stderr.write(f"{what}: {why}\n")
