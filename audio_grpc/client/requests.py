"""Requests that are sent bit by bit."""

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

import grpc

from audio_grpc.client.errors import ServiceError

Result = TypeVar("Result")


class AsyncRequests:
    """The sending half of a call."""

    def __init__(self, call: Any) -> None:
        self._call = call
        self._refusal: ServiceError | None = None
        # A write that fails because the call has ended overwrites the status that the server had given
        # (https://github.com/grpc/grpc/issues/36066), so it is read the moment that it arrives.
        call.add_done_callback(self._remember)

    async def send(self, request: object) -> None:
        """Send one; waits while the server has enough to read. ServiceError once the call has ended."""
        try:
            await self._call.write(request)
        except (grpc.RpcError, asyncio.InvalidStateError) as error:
            raise self._refusal or ServiceError(
                grpc.StatusCode.UNKNOWN, "the call ended before all of the request was sent"
            ) from error

    def explained(self, error: ServiceError) -> ServiceError:
        """What the server said, if reading failed because writing did before."""
        said = self._refusal
        return error if said is None or said.code is grpc.StatusCode.OK else said

    async def end(self) -> None:
        """There are no more."""
        try:
            await self._call.done_writing()
        except grpc.RpcError as error:
            raise ServiceError.of(error) from error

    def _remember(self, call: Any) -> None:
        self._refusal = ServiceError.from_status(
            _now(call.code()), _now(call.details()), _now(call.trailing_metadata())
        )


def _now(ready: Coroutine[Any, Any, Result]) -> Result:
    """The result of a coroutine that has nothing to wait for."""
    try:
        ready.send(None)
    except StopIteration as end:
        result: Result = end.value
        return result
    raise RuntimeError("gRPC reports the end of a call whose status it does not know")
