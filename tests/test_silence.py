"""The server's own ports: connections that say nothing end, calls that take their time do not."""

import pytest

from audio_grpc import server
from audio_grpc.telemetry import endpoint
from tests.conftest import Start
from tests.silence import PREFACE, closed


async def test_silent_connections_end_and_silent_calls_do_not(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    hasty = {"grpc.server_handshake_timeout_ms": 200, "grpc.max_connection_idle_ms": 200}
    monkeypatch.setattr(server, "SILENCE", tuple((dict(server.SILENCE) | hasty).items()))
    running, client = await start()
    async with client.live_speech() as speech:
        await speech.write("Hello. ")
        assert await anext(speech)
        await closed(running.address, b"")
        await closed(running.address, PREFACE)
        await speech.write("And on.")
        await speech.end()
        assert [event async for event in speech]


async def test_silent_connections_to_the_metrics_end(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    assert endpoint._Handler.timeout
    monkeypatch.setattr(endpoint._Handler, "timeout", 0.2)
    running, _ = await start(metrics_port=0)
    address = running.metrics_url.removesuffix("/metrics")
    await closed(address, b"")
    await closed(address, b"GET /metrics HTTP/1.1\r\nx-slow: ")
