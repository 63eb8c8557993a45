"""One Envoy in front of one server on the tone backends, for all tests of what comes through the door."""

import asyncio
import threading
from collections.abc import Callable, Coroutine, Iterator
from typing import Any, TypeVar

import pytest

from audio_grpc.backends.base import ModelSpec
from audio_grpc.backends.tone import ToneSpeaker
from audio_grpc.server import Server
from audio_grpc.types import Speech, SynthesisOptions
from tests.conftest import PATIENCE_SECONDS, tone_settings
from tests.envoy.front import Front
from tests.eventually import eventually_in_a_thread
from tests.stand_in.http import StandIn

T = TypeVar("T")


class Gate:
    """Holds the model named ``gated`` back after its first chunk, until a test lets it go on."""

    def __init__(self) -> None:
        self.opened = threading.Event()

    def speaker(self, spec: ModelSpec) -> ToneSpeaker:
        gate = self

        class Gated(ToneSpeaker):
            def synthesize(self, text: str, options: SynthesisOptions) -> Iterator[Speech]:
                for done, chunk in enumerate(super().synthesize(text, options)):
                    if done == 1:
                        assert gate.opened.wait(PATIENCE_SECONDS)
                    yield chunk

        return Gated(spec)


class ServerThread:
    """A server in an event loop of its own, so that it outlives the loops of the tests."""

    def __init__(self, make: Callable[[], Server]) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self._server = self.run(self._start(make))
        self.address = self._server.address

    async def _start(self, make: Callable[[], Server]) -> Server:
        server = make()
        await server.start()
        return server

    def stop(self) -> None:
        self.run(self._server.stop(0))
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def run(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """Returns the coroutine's result, once it has ended in that loop."""
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(PATIENCE_SECONDS)


@pytest.fixture(scope="package")
def gate() -> Gate:
    return Gate()


@pytest.fixture(scope="package")
def front(gate: Gate) -> Iterator[Front]:
    speakers = {
        "speaker": ModelSpec("tone", aliases=("tts-1",)),
        "broken": ModelSpec("tone", options={"fail_after": 2}),
        "broken-at-once": ModelSpec("tone", options={"fail_after": 0}),
        "gated": ModelSpec("tone"),
    }

    def make() -> Server:
        server = Server(tone_settings(synthesizers=speakers))
        server.models.synthesizer("gated")._make = gate.speaker
        return server

    server = ServerThread(make)
    stand_in = StandIn()
    threading.Thread(target=stand_in.serve_forever, daemon=True).start()
    front = Front([server.address], gateway=stand_in.address)
    eventually_in_a_thread(lambda: front.ask("GET", "/readyz").status == 200)
    yield front
    front.stop()
    server.stop()
    stand_in.shutdown()
    stand_in.server_close()
