"""Requests that are sent bit by bit."""

import asyncio
from collections import deque
from collections.abc import Coroutine, Iterator
from threading import Condition
from typing import Any, TypeVar

import grpc

from audio_grpc.client.errors import ServiceError

Result = TypeVar("Result")

FAILED_WRITE = "Internal error from Core"
"""The message of gRPC's own status for a call in which a write failed before the server's status came."""
STATUS_SECONDS, STATUS_INTERVAL_SECONDS = 1.0, 0.001
ENDED_BY_CALLER = (grpc.StatusCode.OK, grpc.StatusCode.CANCELLED)
MAX_WAITING = 16
"""Requests that a thread may be ahead of what the server has taken."""


class AsyncRequests:
    """The sending half of a call."""

    def __init__(self, call: Any) -> None:
        self._call = call
        self._end: ServiceError | None = None
        # A write that fails because the call has ended overwrites the status that the server had given
        # (https://github.com/grpc/grpc/issues/36066), so it is read the moment that it arrives.
        call.add_done_callback(self._remember)

    async def send(self, request: object) -> None:
        """Send one; waits while the server has enough to read. ServiceError once the call has ended."""
        try:
            await self._call.write(request)
        except (grpc.RpcError, asyncio.InvalidStateError) as error:
            raise await self._said() or ServiceError(
                grpc.StatusCode.UNKNOWN, "the call ended before all of the request was sent"
            ) from error

    async def explained(self, error: ServiceError) -> ServiceError:
        """Returns the server's own error if reading failed after a failed write, else ``error``."""
        said = await self._said()
        return error if said is None or said.code is grpc.StatusCode.OK else said

    async def _said(self) -> ServiceError | None:
        """Returns the server's status if the call has ended; skips gRPC's own status for a failed write."""
        try:
            async with asyncio.timeout(STATUS_SECONDS):
                while self._end is not None and self._end.message == FAILED_WRITE:
                    # The server's status is under way, and no callback tells of it.
                    await asyncio.sleep(STATUS_INTERVAL_SECONDS)
                    self._remember(self._call)
        except TimeoutError:
            pass
        return self._end

    async def end(self) -> None:
        """Ends the requests. Raises ServiceError."""
        try:
            await self._call.done_writing()
        except grpc.RpcError as error:
            raise await self.explained(ServiceError.of(error)) from error

    def _remember(self, call: Any) -> None:
        self._end = ServiceError.from_status(
            _now(call.code()), _now(call.details()), _now(call.trailing_metadata())
        )


class Requests(Iterator[Any]):
    """The sending half of a call, for threads: gRPC's own thread takes from it what is to be sent."""

    def __init__(self) -> None:
        self._waiting: deque[object] = deque()
        self._changed = Condition()
        self._ended = False
        self._call: Any = None

    def of(self, call: Any) -> None:
        """Say whose they are: once that call has ended, there are no more."""
        self._call = call
        if not call.add_callback(self.end):
            self.end()

    def send(self, request: object) -> None:
        """Send one; waits while the server has enough to read. ServiceError once the call has failed.

        Does nothing once the caller has ended or left it.
        """
        with self._changed:
            self._changed.wait_for(lambda: self._ended or len(self._waiting) < MAX_WAITING)
            if not self._ended:
                self._waiting.append(request)
                self._changed.notify_all()
                return
        call = self._call
        if call is not None and not call.is_active() and call.code() not in ENDED_BY_CALLER:
            raise ServiceError.of(call)

    def end(self) -> None:
        """Ends the requests."""
        with self._changed:
            self._ended = True
            self._changed.notify_all()

    def __next__(self) -> object:
        with self._changed:
            self._changed.wait_for(lambda: self._ended or self._waiting)
            if not self._waiting:
                raise StopIteration
            self._changed.notify_all()
            return self._waiting.popleft()


def _now(ready: Coroutine[Any, Any, Result]) -> Result:
    """The result of a coroutine that has nothing to wait for."""
    try:
        ready.send(None)
    except StopIteration as end:
        result: Result = end.value
        return result
    raise RuntimeError("gRPC reports the end of a call whose status it does not know")
