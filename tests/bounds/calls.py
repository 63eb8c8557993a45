"""Requests with a string in any of their fields, and calls of any method with any messages."""

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import grpc
from google.protobuf.descriptor import FieldDescriptor

from tests.contract import Rpc

PATIENCE_SECONDS = 30


def strings(message: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """Yields where there are strings in a message, and in those within it."""
    for field in message.fields:
        if field.type == FieldDescriptor.TYPE_STRING:
            yield (*path, field.name)
        elif field.message_type is not None:
            yield from strings(field.message_type, (*path, field.name))


def with_string(rpc: Rpc, path: Sequence[str], value: str) -> Any:
    """A request that has the string there, and nothing else but what that needs."""
    request: Any = rpc.request()
    at = request
    for name in path[:-1]:
        at = getattr(at, name)
        at = at.add() if hasattr(at, "add") else at
    if at.DESCRIPTOR.fields_by_name[path[-1]].is_repeated:
        getattr(at, path[-1]).append(value)
    else:
        setattr(at, path[-1], value)
    return request


@dataclass(frozen=True)
class Status:
    """The end of a call, and how many bytes that took."""

    code: grpc.StatusCode
    message: str
    trailers: Sequence[tuple[str, str | bytes]]

    @property
    def size(self) -> int:
        encoded = sum(1 if 0x20 <= byte < 0x7F else 3 for byte in self.message.encode())
        # Binary values travel in base64.
        return encoded + sum(
            len(name) + (len(value) if isinstance(value, str) else -(-len(value) // 3) * 4)
            for name, value in self.trailers
        )


async def ended(
    address: str, path: str, *messages: bytes, metadata: Sequence[tuple[str, str]] = ()
) -> Status:
    """The status of a call that sends these messages, whatever kind of method it is, and reads what comes."""
    # By threads: gRPC for asyncio forgets the status of a call that ended while it was writing.
    return await asyncio.to_thread(_ended, address, path, messages, metadata)


def _ended(address: str, path: str, messages: Sequence[bytes], metadata: Sequence[tuple[str, str]]) -> Status:
    options = [("grpc.max_receive_message_length", -1), ("grpc.max_metadata_size", 1 << 20)]
    with grpc.insecure_channel(address, options=options) as channel:
        method: Any = channel.stream_stream(path)
        call = method(iter(messages), metadata=tuple(metadata), timeout=PATIENCE_SECONDS)
        with suppress(grpc.RpcError):
            for _ in call:
                pass
        trailers = tuple((str(name), value) for name, value in call.trailing_metadata() or ())
        return Status(call.code(), call.details() or "", trailers)
