"""Envoy's admin port: https://www.envoyproxy.io/docs/envoy/latest/operations/admin."""

import asyncio
import json
from http.client import HTTPConnection, HTTPException
from typing import Any

ANSWER_SECONDS = 5.0


class EnvoyAdmin:
    """Asks a running Envoy, and tells it what to do. Every method raises OSError if there is no answer."""

    def __init__(self, port: int) -> None:
        self._port = port

    async def healthy(self, cluster: str) -> set[str]:
        """The addresses (HOST:PORT) of a cluster that Envoy sends calls to now."""
        clusters = json.loads(await self._ask("GET", "/clusters?format=json")).get("cluster_statuses", ())
        hosts = (host for one in clusters if one["name"] == cluster for host in one.get("host_statuses", ()))
        return {_address(host) for host in hosts if not _failed(host)}

    async def running_calls(self) -> int:
        """Returns the number of calls in progress on the public port."""
        answer = await self._ask("GET", "/stats?filter=^http\\.public\\.downstream_rq_active$")
        return int(answer.rpartition(":")[2])

    async def drain(self, *, graceful: bool) -> None:
        """Close the public port: at once, or when those who watch /readyz had time to notice."""
        await self._ask("POST", "/healthcheck/fail")
        await self._ask("POST", f"/drain_listeners?inboundonly{'&graceful' if graceful else ''}")

    async def _ask(self, method: str, path: str) -> str:
        return await asyncio.to_thread(self._ask_now, method, path)

    def _ask_now(self, method: str, path: str) -> str:
        connection = HTTPConnection("127.0.0.1", self._port, timeout=ANSWER_SECONDS)
        try:
            connection.request(method, path)
            return connection.getresponse().read().decode()
        except HTTPException as error:
            raise OSError(f"Envoy's admin port {self._port} does not answer: {error!r}") from error
        finally:
            connection.close()


def _address(host: dict[str, Any]) -> str:
    address = host["address"]["socket_address"]
    return f"{address['address']}:{address['port_value']}"


def _failed(host: dict[str, Any]) -> bool:
    # Beside the health that a control plane gave, whatever is said is a reason why no call goes there.
    reasons = {name for name, value in host["health_status"].items() if value is True}
    return any(reason.startswith(("failed", "pending")) for reason in reasons)
