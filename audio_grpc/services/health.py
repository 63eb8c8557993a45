"""grpc.health.v1.Health: https://github.com/grpc/grpc/blob/master/doc/health-checking.md."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import grpc
from grpc.aio import ServicerContext
from grpc_health.v1.health_pb2 import (
    HealthCheckRequest,
    HealthCheckResponse,
    HealthListRequest,
    HealthListResponse,
)
from grpc_health.v1.health_pb2_grpc import HealthServicer

Context = ServicerContext[Any, Any]

EVERYTHING = ""
"""The service that stands for the whole server."""
SERVING, NOT_SERVING = HealthCheckResponse.SERVING, HealthCheckResponse.NOT_SERVING
SERVICE_UNKNOWN = HealthCheckResponse.SERVICE_UNKNOWN
ASK_AGAIN_SECONDS = 1.0
"""The time that a watch lasts that begins when watches have been ended: clients open the next one at once."""


class Health(HealthServicer):  # type: ignore[misc]
    """Tells how the services are. A server that drains serves none, and ends the watches before it ends."""

    def __init__(self) -> None:
        self._states: dict[str, Any] = {}
        self._news = asyncio.Event()
        self._draining = False
        self._ended = False

    def set(self, service: str, state: Any) -> None:
        """Tell all who watch; nothing is serving any more in a server that drains."""
        self._states[service] = state
        self._tell()

    def drain(self) -> None:
        """Reports all services as not serving from now on."""
        self._draining = True
        self._tell()

    def end_watches(self) -> None:
        """Tell those who watch that nothing is serving, as far as they are concerned, and let them go."""
        self._ended = True
        self._tell()

    async def Check(self, request: HealthCheckRequest, context: Context) -> HealthCheckResponse:
        """Tells how a service is; NOT_FOUND, as the protocol wants it."""
        state = self._state(request.service)
        if state == SERVICE_UNKNOWN:
            await context.abort(
                grpc.StatusCode.NOT_FOUND, "there is no service of that name; List tells them"
            )
        return HealthCheckResponse(status=state)

    async def List(self, request: HealthListRequest, context: Context) -> HealthListResponse:
        """Tells how all services are."""
        return HealthListResponse(
            statuses={name: HealthCheckResponse(status=self._state(name)) for name in self._states}
        )

    async def Watch(
        self, request: HealthCheckRequest, context: Context
    ) -> AsyncIterator[HealthCheckResponse]:
        """Tells how a service is, whenever that changes."""
        came_late = self._ended
        told: Any = None
        while True:
            # Read together, as the watch may be ended while the answer is on its way.
            news, ended = self._news, self._ended
            state = NOT_SERVING if ended else self._state(request.service)
            if state != told:
                yield HealthCheckResponse(status=state)
                told = state
            if ended:
                break
            await news.wait()
        if came_late:
            await asyncio.sleep(ASK_AGAIN_SECONDS)

    def _state(self, service: str) -> Any:
        state = self._states.get(service, SERVICE_UNKNOWN)
        return NOT_SERVING if self._draining and state == SERVING else state

    def _tell(self) -> None:
        news, self._news = self._news, asyncio.Event()
        news.set()
