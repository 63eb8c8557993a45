"""The RPCs that a server has, as their descriptors tell of them."""

from collections.abc import Iterator
from dataclasses import dataclass
from importlib import import_module
from pkgutil import iter_modules
from typing import Any

from google.api import annotations_pb2
from google.protobuf.descriptor import FileDescriptor, MethodDescriptor
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass
from grpc_channelz.v1 import channelz_pb2
from grpc_health.v1 import health_pb2
from grpc_reflection.v1alpha import reflection_pb2

from audio_grpc import v1


@dataclass(frozen=True)
class Rpc:
    """One method of one service."""

    path: str
    """Such as ``/audio_grpc.v1.ModelService/ListModels``."""
    request: type[Message]
    response: type[Message]
    takes_many: bool
    answers_many: bool
    verb: str = ""
    """The HTTP method of its REST binding, empty if it has none."""
    template: str = ""
    """The path of that, with names of fields in braces."""
    has_body: bool = False

    @property
    def name(self) -> str:
        """Service and method, such as ``ModelService/ListModels``."""
        return self.path.rpartition(".")[2]

    def __str__(self) -> str:
        return self.path.rpartition("/")[2]


def rpcs_of(*modules: Any) -> list[Rpc]:
    """Returns the methods of the services in generated modules, sorted by path."""
    files: list[FileDescriptor] = [module.DESCRIPTOR for module in modules]
    services = [service for file in files for service in file.services_by_name.values()]
    methods = [method for service in services for method in service.methods]
    return sorted(map(_rpc, methods), key=lambda rpc: rpc.path)


def _generated() -> Iterator[Any]:
    for module in iter_modules(v1.__path__):
        if module.name.endswith("_pb2"):
            yield import_module(f"{v1.__name__}.{module.name}")


def _rpc(method: MethodDescriptor) -> Rpc:
    described: Any = method  # the stubs know neither of the flags
    rule = described.GetOptions().Extensions[annotations_pb2.http]
    verb = rule.WhichOneof("pattern") or ""
    return Rpc(
        path=f"/{described.containing_service.full_name}/{described.name}",
        request=GetMessageClass(described.input_type),
        response=GetMessageClass(described.output_type),
        takes_many=described.client_streaming,
        answers_many=described.server_streaming,
        verb=verb.upper(),
        template=getattr(rule, verb) if verb else "",
        has_body=bool(rule.body),
    )


OURS = rpcs_of(*_generated())
ALL = sorted([*OURS, *rpcs_of(health_pb2, reflection_pb2, channelz_pb2)], key=lambda rpc: rpc.path)
"""All methods: our own, and those of gRPC's services that a server has beside them."""
