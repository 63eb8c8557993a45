"""The methods of a server in one table."""

from collections.abc import Callable, Mapping
from typing import Any

import grpc

Around = Callable[[str, Any], Any]
"""Makes a handler of another one, for a method of this path (/service/method)."""


class Methods(grpc.GenericRpcHandler):
    """All methods of a server by their paths; services are added to it as to a server.

    What stands ``around`` each, the innermost first, is put there once. gRPC's interceptors would do that for
    each call, and grpc.aio waits for calls of each method that the server itself is told of, and begins all
    of these waits again with every call.
    """

    def __init__(self, *around: Around) -> None:
        self._around = around
        self._handlers: dict[str, Any] = {}

    def add_generic_rpc_handlers(self, handlers: Any) -> None:
        """Takes no notice: gRPC's generated code adds the same methods in both ways."""

    def add_registered_method_handlers(self, service: str, handlers: Mapping[str, Any]) -> None:
        """Takes the methods of one service, by their names."""
        for name, handler in handlers.items():
            path = f"/{service}/{name}"
            for around in self._around:
                handler = around(path, handler)
            self._handlers[path] = handler

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> Any:
        """The handler of the method that is called; None if there is none."""
        return self._handlers.get(handler_call_details.method)
