"""Providers one after the other, until one has begun to answer. After that, nothing is tried again."""

import asyncio
import logging
import random
from collections.abc import AsyncGenerator, Callable, Iterator, Sequence
from contextlib import aclosing
from typing import Generic, TypeVar

from audio_grpc.backends.openai_upstream.bridge import END, EndOfStream
from audio_grpc.backends.openai_upstream.endpoint import Endpoint
from audio_grpc.backends.openai_upstream.failure import Failure
from audio_grpc.backends.openai_upstream.options import UpstreamOptions
from audio_grpc.errors import SpeechError, UpstreamBusy, UpstreamFailed, UpstreamTimeout

FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 0.25, 4.0

Provider = TypeVar("Provider", bound=UpstreamOptions)
T = TypeVar("T")
Attempt = Callable[[Endpoint[Provider]], AsyncGenerator[T, None]]

log = logging.getLogger(__name__)


class Failover(Generic[Provider]):
    """The providers of one model, in the order in which they are asked."""

    def __init__(self, endpoints: Sequence[Endpoint[Provider]]) -> None:
        self._endpoints = endpoints

    async def stream(self, attempt: Attempt[Provider, T]) -> AsyncGenerator[T, None]:
        """The results of the first attempt that has one.

        An attempt raises Failure, or InvalidRequest and the like for the caller. This raises those, and
        UpstreamFailed, UpstreamTimeout or UpstreamBusy, at any point.
        """
        failures: list[SpeechError] = []
        for endpoint in self._endpoints:
            for pause in _pauses(endpoint.options.retries):
                if not endpoint.is_available:
                    break
                await asyncio.sleep(pause)
                async with aclosing(attempt(endpoint)) as results:
                    try:
                        result = await _first(endpoint, results)
                    except Failure as failure:
                        failures.append(failure.error)
                        if failure.again:
                            continue
                        break
                    while result is not END:
                        yield result
                        result = await _following(endpoint, results)
                    return
        raise self._verdict(failures)

    def _verdict(self, failures: Sequence[SpeechError]) -> SpeechError:
        """Returns the caller's error: the time to retry if waiting helps, else the last provider's error."""
        if waits := [wait for endpoint in self._endpoints if (wait := endpoint.breaker.busy_seconds)]:
            return UpstreamBusy(
                "the upstream takes no more requests for now; try again later",
                retry_after_seconds=min(waits),
            )
        if failures:
            return failures[-1]
        return UpstreamFailed("the upstream failed several times in a row, and is left alone for a while")


def _pauses(retries: int) -> Iterator[float]:
    """Yields the seconds before each try: ever longer, and random, so that callers do not return together."""
    yield 0.0
    for number in range(retries):
        longest = min(FIRST_PAUSE_SECONDS * 2**number, LONGEST_PAUSE_SECONDS)
        yield random.uniform(longest / 2, longest)  # noqa: S311


async def _first(endpoint: Endpoint[Provider], results: AsyncGenerator[T, None]) -> T | EndOfStream:
    with endpoint.breaker.trying():
        try:
            first = await _next(results, endpoint.options.first_result_seconds)
        except SpeechError:  # the caller's fault
            endpoint.breaker.succeed()
            raise
        except Failure as failure:
            _note(endpoint, failure)
            raise
        endpoint.breaker.succeed()
        return first


async def _following(endpoint: Endpoint[Provider], results: AsyncGenerator[T, None]) -> T | EndOfStream:
    try:
        return await _next(results, endpoint.options.idle_seconds)
    except Failure as failure:
        _note(endpoint, failure)
        raise failure.error from failure


async def _next(results: AsyncGenerator[T, None], seconds: float) -> T | EndOfStream:
    try:
        async with asyncio.timeout(seconds):
            return await anext(results, END)
    except TimeoutError as error:
        raise Failure(UpstreamTimeout(f"the upstream sent nothing for {seconds:g} seconds")) from error


def _note(endpoint: Endpoint[Provider], failure: Failure) -> None:
    log.warning("%s: %s", endpoint.options.base_url, failure.error)
    if isinstance(failure.error, UpstreamBusy):
        endpoint.breaker.pause(failure.error.retry_after_seconds)
    else:
        endpoint.breaker.fail()
