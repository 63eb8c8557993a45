"""The order in which servers, gateway and Envoy come and go."""

import asyncio
import signal
from collections.abc import Awaitable, Callable
from contextlib import suppress
from http import HTTPStatus

from audio_grpc.config import Settings
from audio_grpc.envoy import EnvoyAdmin
from audio_grpc.running import END_WATCHES
from audio_grpc.supervisor.liveness import http_status
from audio_grpc.supervisor.log import Log
from audio_grpc.supervisor.managed_process import ManagedProcess, ServiceEnded
from audio_grpc.supervisor.processes import Replica, StackProcesses

LOOK_EVERY_SECONDS = 0.1
END_SECONDS = 15.0
"""The seconds that a process may take to end once its calls have ended: a server unloads its models."""


class Stack:
    """Server replicas, gateway and Envoy, as one.

    Envoy is asked for how the others are, since it decides who gets calls.
    """

    def __init__(self, plan: StackProcesses, settings: Settings, log: Log) -> None:
        self._plan = plan
        self._log = log
        self._grace_seconds = settings.shutdown_grace_seconds
        self._drain_seconds = settings.drain_seconds
        self._admin = EnvoyAdmin(settings.envoy.admin_port)
        self._gateway = settings.envoy.gateway

    @property
    def _services(self) -> list[ManagedProcess]:
        llm = [self._plan.llm] if self._plan.llm else []
        return [*self._plan.replicas, self._plan.gateway, self._plan.envoy, *llm]

    async def start(self) -> None:
        """Start all, and wait until calls would be answered. ServiceEnded if one of them ends meanwhile."""
        running = [service.start() for service in self._services]
        ready = asyncio.create_task(self._until(self._is_ready))
        try:
            done, _ = await asyncio.wait((ready, *running), return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        finally:
            ready.cancel()
        for service in self._services:
            service.settled = True

    async def renew(self) -> None:
        """Put new servers in the place of the running ones, one after the other; no call fails for it.

        They read the configuration again. If it cannot work, all stays as it was.
        """
        plan = self._plan
        self._log.say("renewing the servers, one after the other")
        plan.spare_port.release()
        try:
            await self._until_healthy(plan.spare, plan.spare.start())
            for replica in plan.replicas:
                await self._replace(replica)
            self._log.say("the servers are renewed")
        except ServiceEnded as error:
            self._log.say(f"{error}\nthe servers stay as they were")
        await self._end(plan.spare, signal.SIGTERM)
        plan.spare_port.keep()

    async def stop(self, number: int) -> None:
        """End all in their order: the door, the calls that are running, the gateway, the servers, Envoy.

        After SIGTERM calls are taken for ``drain_seconds`` more, while /readyz fails; after Ctrl-C not.
        """
        self._log.say(f"ending; running calls have {self._grace_seconds:g} s to finish")
        graceful = number == signal.SIGTERM and self._drain_seconds > 0
        with suppress(OSError, TimeoutError):
            await self._admin.drain(graceful=graceful)
            for replica in self._plan.replicas:
                replica.tell(END_WATCHES)  # else nothing would be quiet before the grace period is over
            await asyncio.sleep(self._drain_seconds if graceful else 0)
            await asyncio.wait_for(self._until(self._is_quiet), self._grace_seconds)
        await self._plan.gateway.stop(signal.SIGTERM, END_SECONDS)
        # Nobody sends them calls any more, so they need not drain.
        await asyncio.gather(
            *(self._end(server, signal.SIGINT) for server in (*self._plan.replicas, self._plan.spare))
        )
        await self._plan.envoy.stop(signal.SIGTERM, END_SECONDS)
        if self._plan.llm:
            await self._plan.llm.stop(signal.SIGTERM, END_SECONDS)

    async def cut(self) -> None:
        """Kill whatever runs."""
        await asyncio.gather(*(service.cut() for service in (*self._services, self._plan.spare)))

    async def _replace(self, replica: Replica) -> None:
        await self._end(replica, signal.SIGTERM)
        # Else what Envoy knows of the old one would be taken for the new one's.
        await self._until(lambda: self._is_unhealthy(replica))
        await self._until_healthy(replica, replica.start())

    async def _end(self, server: Replica, number: int) -> None:
        await server.stop(number, self._drain_seconds + self._grace_seconds + END_SECONDS)

    async def _until_healthy(self, replica: Replica, running: asyncio.Task[None]) -> None:
        """Wait until Envoy sends calls to it; ServiceEnded if it ends before."""
        healthy = asyncio.create_task(self._until(lambda: self._is_healthy(replica)))
        try:
            await asyncio.wait((healthy, running), return_when=asyncio.FIRST_COMPLETED)
            if running.done():
                running.result()
        finally:
            healthy.cancel()

    async def _until(self, condition: Callable[[], Awaitable[bool]]) -> None:
        while True:
            with suppress(OSError):  # Envoy is not there yet, or not there again yet
                if await condition():
                    return
            await asyncio.sleep(LOOK_EVERY_SECONDS)

    async def _is_ready(self) -> bool:
        servers = await self._admin.healthy("server")
        gateways = await self._admin.healthy("gateway")
        if not (servers >= {replica.address for replica in self._plan.replicas} and gateways):
            return False
        # It asks the service, so the first caller finds it connected.
        return await http_status(self._gateway, "/readyz") == HTTPStatus.OK

    async def _is_healthy(self, replica: Replica) -> bool:
        return replica.address in await self._admin.healthy("server")

    async def _is_unhealthy(self, replica: Replica) -> bool:
        return not await self._is_healthy(replica)

    async def _is_quiet(self) -> bool:
        return await self._admin.running_calls() == 0
