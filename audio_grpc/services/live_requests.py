"""Requests of callers who are still speaking or writing: the options come first, and nobody waits in vain."""

import asyncio
import math
from collections.abc import AsyncIterator, Callable
from typing import Any, Protocol, TypeVar

from audio_grpc.errors import InvalidRequest, StreamIdle


class LiveRequest(Protocol):
    """A message whose parts are the options, or something of what they are about."""

    @property
    def options(self) -> Any:
        """The options of the stream."""

    def HasField(self, field_name: Any) -> bool:
        """Protobuf's."""


R = TypeVar("R", bound=LiveRequest)
T = TypeVar("T")


def patience(seconds: float) -> asyncio.Timeout:
    """Raises TimeoutError if its body takes longer; ``math.inf`` sets no limit."""
    return asyncio.timeout(None if math.isinf(seconds) else max(0.0, seconds))


async def following(
    requests: AsyncIterator[T], idle_seconds: float, idle: Callable[[float], StreamIdle] | None = None
) -> T | None:
    """The next request; None if there is none. StreamIdle, as ``idle`` makes it."""
    try:
        async with patience(idle_seconds):
            return await anext(requests, None)
    except TimeoutError:
        raise (idle or stream_idle)(idle_seconds) from None


async def next_request(
    requests: AsyncIterator[R], idle_seconds: float, quiet_seconds: Callable[[], float]
) -> R | None:
    """Returns the next request, None at the end. Raises StreamIdle after ``idle_seconds`` without activity.

    ``quiet_seconds`` tells for how long there has been no activity; not only requests count.
    """
    coming = asyncio.ensure_future(anext(requests, None))
    left = idle_seconds
    try:
        while not (await asyncio.wait({coming}, timeout=left))[0]:
            left = idle_seconds - quiet_seconds()
            if left <= 0:
                raise stream_idle(idle_seconds)
        return coming.result()
    finally:
        coming.cancel()


async def opening(requests: AsyncIterator[R], idle_seconds: float) -> Any:
    """The options, which come first. Raises InvalidRequest, StreamIdle."""
    request = await following(requests, idle_seconds)
    if request is None or not request.HasField("options"):
        raise InvalidRequest(
            "the first message has to be the options; send the rest after it", field="options"
        )
    return request.options


def stream_idle(seconds: float) -> StreamIdle:
    """Returns the error for a stream on which nothing came for so many seconds."""
    return StreamIdle(
        f"nothing came for {seconds:g} s, and the stream holds a place on the model; open another when there "
        "is more, send silence too if it is sound, or raise max_idle_seconds"
    )


def upload_idle(seconds: float) -> StreamIdle:
    """Returns the error for a recording of which nothing more came for so many seconds."""
    return StreamIdle(
        f"nothing more of the recording came for {seconds:g} s, and it holds memory; send it again, or raise "
        "max_idle_seconds"
    )
