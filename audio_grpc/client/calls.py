"""What the methods of the clients share."""

from collections.abc import Awaitable, Callable
from typing import TypeVar

import grpc

from audio_grpc.client.credentials import Metadata
from audio_grpc.client.errors import ServiceError

Reply = TypeVar("Reply")


class AsyncCalls:
    """Calls that carry the client's metadata, for asyncio."""

    _metadata: Metadata

    async def _unary(self, method: Callable[..., Awaitable[Reply]], request: object) -> Reply:
        try:
            return await method(request, metadata=self._metadata)
        except grpc.RpcError as error:
            raise ServiceError.of(error) from error


class Calls:
    """Calls that carry the client's metadata, for threads."""

    _metadata: Metadata

    def _unary(self, method: Callable[..., Reply], request: object, *, timeout: float | None = None) -> Reply:
        try:
            return method(request, timeout=timeout, metadata=self._metadata)
        except grpc.RpcError as error:
            raise ServiceError.of(error) from error
