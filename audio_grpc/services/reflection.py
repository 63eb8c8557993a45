"""Server reflection, v1 and v1alpha: https://grpc.io/docs/guides/reflection.

Both have the same messages, but for the names of their packages.
"""

import asyncio
from collections.abc import AsyncIterator, Iterable
from typing import Any

import grpc
from google.protobuf import descriptor_pb2, descriptor_pool, text_format
from grpc_reflection.v1alpha import reflection
from grpc_reflection.v1alpha import reflection_pb2 as pb
from grpc_reflection.v1alpha.reflection_pb2_grpc import add_ServerReflectionServicer_to_server

from audio_grpc.services.tasks import until

ALPHA, STABLE = "grpc.reflection.v1alpha", "grpc.reflection.v1"
SERVICES = tuple(f"{package}.ServerReflection" for package in (STABLE, ALPHA))
POOL = descriptor_pool.Default()


class Reflection(reflection.aio.ReflectionServicer):  # type: ignore[misc]
    """Describes the services, in both versions, until ``ended``."""

    def __init__(self, names: Iterable[str], ended: asyncio.Event) -> None:
        super().__init__((*names, *SERVICES))
        self._ended = ended

    def add_to(self, server: Any) -> None:
        """Serve both versions, on a server or what stands for one."""
        add_ServerReflectionServicer_to_server(self, server)
        handler = grpc.stream_stream_rpc_method_handler(
            self.ServerReflectionInfo,
            pb.ServerReflectionRequest.FromString,
            pb.ServerReflectionResponse.SerializeToString,
        )
        server.add_registered_method_handlers(SERVICES[0], {"ServerReflectionInfo": handler})

    async def ServerReflectionInfo(
        self, requests: AsyncIterator[pb.ServerReflectionRequest], context: Any
    ) -> AsyncIterator[pb.ServerReflectionResponse]:
        """An answer to each question. Raises ServerStopping."""
        async for response in until(self._ended, super().ServerReflectionInfo(requests, context)):
            yield response

    def _file_containing_symbol(self, request: Any, fully_qualified_name: str) -> Any:
        # Python's pool does not know the symbols of methods: a service's stand for them.
        service, _, method = fully_qualified_name.rpartition(".")
        try:
            if method in POOL.FindServiceByName(service).methods_by_name:
                fully_qualified_name = service
        except KeyError:
            pass
        return super()._file_containing_symbol(request, fully_qualified_name)


def _describe_stable() -> None:
    """Describe the stable version, which grpcio-reflection does not have."""
    alpha, stable = descriptor_pb2.FileDescriptorProto(), descriptor_pb2.FileDescriptorProto()
    pb.DESCRIPTOR.CopyToProto(alpha)
    text_format.Parse(text_format.MessageToString(alpha).replace("v1alpha", "v1"), stable)
    POOL.AddSerializedFile(stable.SerializeToString())


_describe_stable()
