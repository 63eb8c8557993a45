"""The keys that the service has let in lately."""

import time
from collections import OrderedDict
from collections.abc import Callable
from hashlib import sha256

import grpc

from audio_grpc.client import AsyncClient, ServiceError

SECONDS = 5.0
"""The time in which the service is not asked again. It checks the key of every call of its own anyhow."""
MOST = 4096
NO_ANSWERS = (grpc.StatusCode.UNIMPLEMENTED, grpc.StatusCode.RESOURCE_EXHAUSTED)
"""The statuses of an old server, which does not know the question, and of a busy one that found the key."""


class AcceptedKeys:
    """Asks the service about a key before what came with it is read, and remembers who was let in."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._until: OrderedDict[bytes, float] = OrderedDict()

    async def require(self, authorization: str, service: AsyncClient) -> None:
        """Returns if the service accepts the key. Raises ServiceError if not, or if it cannot be asked."""
        name = sha256(authorization.encode()).digest()
        if self._until.get(name, 0.0) > self._clock():
            return
        try:
            await service.get_key()
        except ServiceError as error:
            if error.code not in NO_ANSWERS:
                raise
        self._until[name] = self._clock() + SECONDS
        self._until.move_to_end(name)
        if len(self._until) > MOST:
            self._until.popitem(last=False)
