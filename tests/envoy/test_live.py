"""Live streams through Envoy: they last as long as somebody speaks."""

from pathlib import Path

import pytest
from websockets.asyncio.client import connect

from audio_grpc.client import AsyncClient, ServiceError, SpokenAudio, UtteranceTranscript
from tests.conftest import Start
from tests.envoy.impatient import impatient
from tests.gateway.test_realtime import COMPLETED, MANUAL, Caller
from tests.test_live_hearing import MANUAL as BY_CALLER
from tests.test_live_hearing import RATE, following, spoken, write

LONG = "This goes on for longer than anybody would like to wait for it. " * 20


async def test_live_streams_outlive_the_longest_call(start: Start, tmp_path: Path) -> None:
    server, direct = await start(options={"delay_seconds": 0.02}, read_ahead=1)
    samples = await spoken(direct, "Still here.")
    async with (
        impatient(server.address, tmp_path, "3600s") as address,
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
