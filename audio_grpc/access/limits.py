"""Limits of each key, and counters of its use.

Everything here is counted in this process: N replicas behind a balancer allow N times as much.
"""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, NamedTuple

from annotated_types import Ge
from pydantic import ConfigDict

from audio_grpc.errors import InvalidRequest, MessageTooLarge, RateLimited, TextTooLong

MINUTE = 60.0
STREAM_RETRY_SECONDS = 1.0
"""The time to retry; the end of a call in progress is unknown, and this keeps callers from asking often."""
ROUNDING_SECONDS = 0.001
"""Added to every wait, so that rounding never lets a caller come back a moment too early."""

UNITS = {
    "requests_per_minute": "requests",
    "characters_per_minute": "characters",
    "upload_bytes_per_minute": "bytes of uploads",
}

Clock = Callable[[], float]
AtLeastOne = Annotated[int, Ge(1)]


@dataclass(frozen=True)
class KeyLimits:
    """The limits of one key; None means no limit."""

    __pydantic_config__ = ConfigDict(extra="forbid")

    streams: AtLeastOne | None = None
    """Calls in progress at the same time."""
    requests_per_minute: AtLeastOne | None = None
    characters_per_minute: AtLeastOne | None = None
    """The characters of text to be spoken."""
    upload_bytes_per_minute: AtLeastOne | None = None
    """The bytes of messages that bring a recording."""


class Cost(NamedTuple):
    """The amounts that a call adds to its key's use, at its begin or with another of its messages."""

    calls: int = 0
    characters: int = 0
    upload_bytes: int = 0


class Bucket:
    """A token bucket that holds a minute's worth and starts full: https://en.wikipedia.org/wiki/Token_bucket.

    So a key that was silent for a minute may use a minute's worth at once.
    """

    def __init__(self, per_minute: int, clock: Clock) -> None:
        self.per_minute = per_minute
        self._clock = clock
        self._left = float(per_minute)
        self._counted_at = clock()

    @property
    def left(self) -> float:
        """Returns the amount that is left now, after refilling for the time that has passed."""
        now = self._clock()
        refill = (now - self._counted_at) * self.per_minute / MINUTE
        self._left, self._counted_at = min(self._left + refill, self.per_minute), now
        return self._left

    def wait(self, amount: int) -> float:
        """Returns the seconds until so much is available; 0 if it is."""
        missing = amount - self.left
        return missing * MINUTE / self.per_minute + ROUNDING_SECONDS if missing > 0 else 0.0

    def take(self, amount: int) -> None:
        """Takes so much out."""
        self._left -= amount


class KeyUsage:
    """Counts the use of one key. Only the event loop calls it, so a check and the charge after it are one
    step.
    """

    def __init__(self, limits: KeyLimits, clock: Clock = time.monotonic) -> None:
        self.limits = limits
        self.running = 0
        self._clock = clock
        self._buckets = self._full_buckets()

    def follow(self, limits: KeyLimits) -> None:
        """Applies the limits of an edited file, with full buckets; calls in progress still count."""
        if limits != self.limits:
            self.limits = limits
            self._buckets = self._full_buckets()

    def take(self, cost: Cost, sent_before: int = 0) -> None:
        """Take all of it, or, if any limit refuses, nothing.

        ``sent_before`` are the bytes that the same upload has taken already: whoever is refused has to
        send them again. RateLimited with the longest wait; TextTooLong or MessageTooLarge for what is
        more than a minute's worth, which no waiting would let through.
        """
        amounts = {
            "requests_per_minute": cost.calls,
            "characters_per_minute": cost.characters,
            "upload_bytes_per_minute": cost.upload_bytes,
        }
        refusals = [
            refusal
            for name, bucket in self._buckets.items()
            if (refusal := _refusal(name, bucket, amounts[name], sent_before))
        ]
        if cost.calls and self.limits.streams is not None and self.running >= self.limits.streams:
            refusals.append(_too_many_streams(self.limits.streams))
        if refusals:
            raise max(refusals, key=_wait)
        for name, bucket in self._buckets.items():
            bucket.take(amounts[name])
        self.running += cost.calls

    def take_reply(self, characters: int) -> None:
        """Take what is spoken that the caller did not write, a minute's worth at most; raises RateLimited."""
        most = self.limits.characters_per_minute
        self.take(Cost(characters=characters if most is None else min(characters, most)))

    def leave(self) -> None:
        """Counts the end of a call."""
        self.running -= 1

    @property
    def is_fresh(self) -> bool:
        """True if the counters are as at the start, so that they need not be kept."""
        return not self.running and all(bucket.left >= bucket.per_minute for bucket in self._buckets.values())

    def _full_buckets(self) -> dict[str, Bucket]:
        rates = {name: getattr(self.limits, name) for name in UNITS}
        return {name: Bucket(rate, self._clock) for name, rate in rates.items() if rate is not None}


class Limiter:
    """The usage of each key, by its public id; those that used nothing within a minute are forgotten."""

    def __init__(self, clock: Clock = time.monotonic) -> None:
        self._clock = clock
        self._usages: dict[str, KeyUsage] = {}

    def __len__(self) -> int:
        return len(self._usages)

    def usage(self, key_id: str, limits: KeyLimits) -> KeyUsage:
        """Returns the counters of this key, with the limits that it has now."""
        if key_id not in self._usages:
            self._usages = {known: usage for known, usage in self._usages.items() if not usage.is_fresh}
            self._usages[key_id] = KeyUsage(limits, self._clock)
        self._usages[key_id].follow(limits)
        return self._usages[key_id]


TOO_LARGE: dict[str, Callable[[str], InvalidRequest]] = {
    "characters_per_minute": lambda message: TextTooLong(message, field="text"),
    "upload_bytes_per_minute": MessageTooLarge,
}


def _refusal(name: str, bucket: Bucket, amount: int, sent_before: int) -> InvalidRequest | RateLimited | None:
    whole = amount + sent_before if name == "upload_bytes_per_minute" else amount
    most = f"this key may use {bucket.per_minute} {UNITS[name]} a minute ({name})"
    if whole > bucket.per_minute:
        return TOO_LARGE[name](f"the request has {whole}, and {most}; send less in one request")
    if not bucket.wait(amount):
        return None
    wait, left = bucket.wait(whole), math.floor(bucket.left)
    return RateLimited(
        f"{most} and has {left} left, fewer than the {amount} of this request; retry in {wait:.1f} s",
        retry_after_seconds=wait,
    )


def _too_many_streams(most: int) -> RateLimited:
    return RateLimited(
        f"this key may have {most} calls in progress at once (streams), and has; retry when one has ended",
        retry_after_seconds=STREAM_RETRY_SECONDS,
    )


def _wait(refusal: InvalidRequest | RateLimited) -> float:
    return refusal.retry_after_seconds if isinstance(refusal, RateLimited) else math.inf
