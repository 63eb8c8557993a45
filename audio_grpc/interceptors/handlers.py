"""Replaces the behaviour in gRPC's handler of a method."""

from collections.abc import Callable
from typing import Any

import grpc

Behaviour = Callable[..., Any]

OPEN = ("/grpc.health.", "/grpc.reflection.")
"""Services that answer by themselves and to everybody: balancers ask for health, and the schema is public."""


def is_open(path: str) -> bool:
    """Tells if a method (/service/method) belongs to a service that is open to everybody."""
    return path.startswith(OPEN)


def rewrapped(handler: Any, wrap: Callable[[Behaviour], Behaviour]) -> Any:
    """A handler like ``handler``, of whichever of the four kinds, whose behaviour went through ``wrap``."""
    kind = (handler.request_streaming, handler.response_streaming)
    behaviour, make = {
        (False, False): (handler.unary_unary, grpc.unary_unary_rpc_method_handler),
        (False, True): (handler.unary_stream, grpc.unary_stream_rpc_method_handler),
        (True, False): (handler.stream_unary, grpc.stream_unary_rpc_method_handler),
        (True, True): (handler.stream_stream, grpc.stream_stream_rpc_method_handler),
    }[kind]
    return make(
        wrap(behaviour),
        request_deserializer=handler.request_deserializer,
        response_serializer=handler.response_serializer,
    )
