"""Live streams through Envoy: they last as long as somebody speaks."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from websockets.asyncio.client import connect

from audio_grpc.client import AsyncClient, ServiceError, SpokenAudio, UtteranceTranscript
from audio_grpc.config import EnvoySettings
from audio_grpc.envoy.render import render
from audio_grpc.envoy.run import command
from tests.conftest import CommandProcess, Start, tone_settings
from tests.envoy.front import ask, eventually, free_ports
from tests.gateway.conftest import running
from tests.gateway.test_realtime import COMPLETED, MANUAL, Caller
from tests.test_live_hearing import MANUAL as BY_CALLER
from tests.test_live_hearing import RATE, following, spoken, write

LONG = "This goes on for longer than anybody would like to wait for it. " * 20


@asynccontextmanager
async def impatient(server: str, folder: Path) -> AsyncIterator[str]:
    """The address of an Envoy, with a gateway behind it, that gives a call a second instead of an hour."""
    port, inside, admin = free_ports(3)
    async with running(server=f"127.0.0.1:{inside}") as gateway:
        settings = tone_settings(
            envoy=EnvoySettings(
                port=port,
                inside_port=inside,
                admin_port=admin,
                servers=(server,),
                gateway=gateway.removeprefix("http://"),
            )
        )
        text = render(settings)
        assert "3600s" in text
        file = folder / "envoy.yaml"
        file.write_text(text.replace("3600s", "1s"))
        envoy = CommandProcess(*command(settings, file))
        address = f"127.0.0.1:{port}"

        def is_ready() -> bool:
            try:
                return ask(address, "GET", "/readyz").status == 200
            except OSError:
                return False

        try:
            await asyncio.to_thread(eventually, is_ready)
            yield address
        finally:
            await asyncio.to_thread(envoy.stop)


async def test_live_streams_outlive_the_longest_call(start: Start, tmp_path: Path) -> None:
    server, direct = await start(options={"delay_seconds": 0.02}, read_ahead=1)
    samples = await spoken(direct, "Still here.")
    async with (
        impatient(server.address, tmp_path) as address,
        AsyncClient(address) as client,
        client.listen(RATE, endpointing=BY_CALLER) as hearing,
        client.live_speech() as speaking,
        connect(f"ws://{address}/v1/realtime?intent=transcription") as connection,
    ):
        caller = Caller(connection)
        await hearing.start()
        await speaking.start()
        await caller.update(**MANUAL)
        await caller.append(samples)
        with pytest.raises(ServiceError):
            async for _ in client.synthesize(LONG):
                pass
        await write(hearing, samples)
        await hearing.end_utterance()
        assert (await following(hearing, UtteranceTranscript)).text == "Still here."
        await speaking.write("Hi.")
        await speaking.end()
        assert [event.text_end async for event in speaking if isinstance(event, SpokenAudio)][-1] == 3
        await caller.send("input_audio_buffer.commit")
        assert (await caller.until(COMPLETED))[-1]["transcript"] == "Still here."
