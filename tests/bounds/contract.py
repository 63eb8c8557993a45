"""Every method that a server has, as its descriptors tell, and calls of them with whatever message."""

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import grpc
from google.protobuf import descriptor_pool, message_factory
from google.protobuf.descriptor import Descriptor, FieldDescriptor, MethodDescriptor
from grpc_channelz.v1 import channelz_pb2
from grpc_health.v1 import health_pb2
from grpc_reflection.v1alpha import reflection_pb2

from audio_grpc.v1 import (
    activity_pb2,
    conversation_pb2,
    history_pb2,
    job_pb2,
    model_pb2,
    speech_to_text_pb2,
    text_to_speech_pb2,
    voice_pb2,
)

OWN = (
    activity_pb2,
    conversation_pb2,
    history_pb2,
    job_pb2,
    model_pb2,
    speech_to_text_pb2,
    text_to_speech_pb2,
    voice_pb2,
)
POOL = descriptor_pool.Default()
PATIENCE_SECONDS = 30


@dataclass(frozen=True)
class Method:
    """One method, with what its requests are made of."""

    path: str
    request: Descriptor

    def __str__(self) -> str:
        return self.path.rpartition("/")[2]

    def new(self) -> Any:
        return message_factory.GetMessageClass(self.request)()


def methods(*modules: Any) -> list[Method]:
    return [
        Method(f"/{service.full_name}/{method.name}", method.input_type)
        for module in modules
        for service in module.DESCRIPTOR.services_by_name.values()
        for method in _methods_of(service)
    ]


def _methods_of(service: Any) -> Iterator[MethodDescriptor]:
    return iter(service.methods)


OURS = methods(*OWN)
ALL = [*OURS, *methods(health_pb2, reflection_pb2, channelz_pb2)]


def strings(message: Descriptor, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """Yields where there are strings in a message, and in those within it."""
    for field in message.fields:
        if field.type == FieldDescriptor.TYPE_STRING:
            yield (*path, field.name)
        elif field.message_type is not None:
            yield from strings(field.message_type, (*path, field.name))


def with_string(method: Method, path: Sequence[str], value: str) -> Any:
    """A request that has the string there, and nothing else but what that needs."""
    request = at = method.new()
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
