"""The providers of a model, from the side of the model's threads."""

from collections.abc import Generator, Sequence
from typing import Generic, TypeVar

from audio_grpc.backends.openai_upstream.bridge import Bridge
from audio_grpc.backends.openai_upstream.endpoint import Endpoint
from audio_grpc.backends.openai_upstream.failover import Attempt, Failover
from audio_grpc.backends.openai_upstream.options import UpstreamOptions

Provider = TypeVar("Provider", bound=UpstreamOptions)
T = TypeVar("T")


class Providers(Generic[Provider]):
    """Connections to the providers. Raises RuntimeError if a key is missing."""

    def __init__(self, options: Sequence[Provider]) -> None:
        keys = [one.key() for one in options]
        self._bridge = Bridge("upstream")
        self._endpoints = [Endpoint(one, key) for one, key in zip(options, keys, strict=True)]
        self._failover = Failover(self._endpoints)

    def stream(self, attempt: Attempt[Provider, T]) -> Generator[T, None, None]:
        """See :meth:`Failover.stream`. It connects when the first result is asked for.

        Leaving interrupts it, and closing it closes the connection, even if it never began.
        """
        return self._bridge.pull(self._failover.stream(attempt))

    def close(self) -> None:
        """Hang up."""
        for endpoint in self._endpoints:
            self._bridge.run(endpoint.close())
        self._bridge.close()
