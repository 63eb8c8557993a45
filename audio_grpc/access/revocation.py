"""Ends the calls in progress of keys that are let in no more."""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from audio_grpc.access.key_file import Key
from audio_grpc.access.keys import KeyStore
from audio_grpc.errors import SpeechError

LOOK_SECONDS = 1.0
"""The time between two looks at the key file while calls are in progress."""

End = Callable[[SpeechError], None]


class RunningCalls:
    """The calls in progress that came with a key, and how each is ended. Used on the event loop only."""

    def __init__(self, keys: KeyStore) -> None:
        self.keys = keys
        self._running: dict[object, tuple[Key, End]] = {}

    @contextmanager
    def following(self, key: Key, end: End) -> Iterator[None]:
        """The call in the body is ended with the error that a new call of its key would be refused with."""
        call = object()
        self._running[call] = (key, end)
        try:
            yield
        finally:
            del self._running[call]

    async def watch(self) -> None:
        """Look again and again, until cancelled. A file that cannot be read revokes nothing."""
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            self.end_revoked()

    def end_revoked(self) -> None:
        """Ends the calls of keys that are no longer valid."""
        for key, end in list(self._running.values()):
            if revoked := self.keys.revoked(key):
                end(revoked)
