"""Parts that the methods of both clients share."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator
from functools import partial
from typing import Any, TypeVar

import grpc

from audio_grpc.client.credentials import Metadata
from audio_grpc.client.errors import ServiceError
from audio_grpc.client.pages import AsyncPages, PageReply, Pages
from audio_grpc.v1.activity_pb2 import Activity

Reply = TypeVar("Reply")
ListReply = TypeVar("ListReply", bound=PageReply)
Entry = TypeVar("Entry")

PAUSES_SECONDS = (0.25, 1.0)
"""The pauses before a call is repeated that the server could not be reached with."""


class AsyncCalls:
    """Calls that carry the client's metadata, for asyncio."""

    _metadata: Metadata

    async def _unary(self, method: Callable[..., Awaitable[Reply]], request: object) -> Reply:
        try:
            return await method(request, metadata=self._metadata)
        except grpc.RpcError as error:
            raise ServiceError.of(error) from error

    def _pages(
        self,
        method: Callable[..., Awaitable[ListReply]],
        request: object,
        entries: Callable[[ListReply], Iterable[Entry]],
    ) -> AsyncPages[ListReply, Entry]:
        return AsyncPages(partial(self._unary, method), request, entries)

    async def _repeatable(self, method: Callable[..., Awaitable[Reply]], request: object) -> Reply:
        """Sends a request that does one thing, however often it comes; again, if no server is reached."""
        for pause in PAUSES_SECONDS:
            try:
                return await self._unary(method, request)
            except ServiceError as error:
                if error.code is not grpc.StatusCode.UNAVAILABLE:
                    raise
            await asyncio.sleep(pause)
        return await self._unary(method, request)

    async def _watched(self, method: Callable[..., Any], request: object) -> AsyncIterator[list[Activity]]:
        """Yields the activities of each answer, until the server ends."""
        call = method(request, metadata=self._metadata)
        try:
            async for response in call:
                yield list(response.activities)
        except grpc.RpcError as error:
            raise ServiceError.of(error) from error
        finally:
            call.cancel()


class Calls:
    """Calls that carry the client's metadata, for threads."""

    _metadata: Metadata

    def _unary(self, method: Callable[..., Reply], request: object, *, timeout: float | None = None) -> Reply:
        try:
            return method(request, timeout=timeout, metadata=self._metadata)
        except grpc.RpcError as error:
            raise ServiceError.of(error) from error

    def _pages(
        self,
        method: Callable[..., ListReply],
        request: object,
        entries: Callable[[ListReply], Iterable[Entry]],
    ) -> Pages[ListReply, Entry]:
        return Pages(partial(self._unary, method), request, entries)

    def _repeatable(self, method: Callable[..., Reply], request: object) -> Reply:
        """Sends a request that does one thing, however often it comes; again, if no server is reached."""
        for pause in PAUSES_SECONDS:
            try:
                return self._unary(method, request)
            except ServiceError as error:
                if error.code is not grpc.StatusCode.UNAVAILABLE:
                    raise
            time.sleep(pause)
        return self._unary(method, request)

    def _watched(self, method: Callable[..., Any], request: object) -> Iterator[list[Activity]]:
        """Yields the activities of each answer, until the server ends."""
        call = method(request, metadata=self._metadata)
        try:
            for response in call:
                yield list(response.activities)
        except grpc.RpcError as error:
            raise ServiceError.of(error) from error
        finally:
            call.cancel()
