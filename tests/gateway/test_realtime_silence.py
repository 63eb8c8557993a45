"""Callers of Realtime transcription who say nothing for a while, as behind a muted microphone."""

import asyncio
from pathlib import Path

import pytest

from tests.conftest import PATIENCE_SECONDS
from tests.gateway.conftest import Door, Open, gateway_process
from tests.gateway.test_realtime import (
    COMPLETED,
    DELTA,
    FAILED,
    MANUAL,
    QUIET,
    READING,
    SECOND,
    calling,
    said,
    text_of,
    voiced,
)
from tests.test_live_hearing import until_free

BRIEFLY = {"max_idle_seconds": 1.0}
COMMIT = "input_audio_buffer.commit"


async def test_who_says_nothing_at_all_is_heard_when_there_is_something_to_hear(open_door: Open) -> None:
    door = await open_door(gateway=BRIEFLY)
    async with calling(door) as silent, calling(door) as other:
        for _ in range(3):  # each waits out one release
            await other.update(**MANUAL)
            await other.append(await said(door, "Time passes."))
            await other.until(DELTA)
            await until_free(door.server)
        await silent.update(**MANUAL)
        await silent.append(await said(door, "Now."))
        await silent.send(COMMIT)
        assert (await silent.until(COMPLETED))[-1]["transcript"] == "Now."


async def test_who_falls_silent_gives_the_place_back_and_gets_another(open_door: Open) -> None:
    door = await open_door(gateway=BRIEFLY, listener={"live_streams": 1})
    voice = voiced(READING)[: 2 * SECOND]  # no silence follows: the release ends the utterance
    async with calling(door) as caller:
        await caller.append(voice)
        events = await caller.until(COMPLETED)
        await until_free(door.server)
        async with calling(door) as other:
            await other.append(voice)
            assert (await other.until(COMPLETED))[-1]["transcript"]
        await caller.append(voice)
        events += await caller.until(COMPLETED)
    first, second = (event["audio_start_ms"] for event in events if event["type"].endswith("speech_started"))
    assert second - first == pytest.approx(2000, abs=100), "times go on"


async def test_what_was_not_committed_goes_on_after_a_pause(open_door: Open) -> None:
    door = await open_door(gateway=BRIEFLY)
    async with calling(door) as caller:
        await caller.update(**MANUAL)
        events = []
        for text in ("One.", "Two."):
            await caller.append(await said(door, text))
            events += await caller.until(DELTA)
            await until_free(door.server)
        await caller.send(COMMIT)  # no stream is open
        events += await caller.until(COMPLETED)
        assert text_of(events) == events[-1]["transcript"] == "One. Two."
        assert len({event["item_id"] for event in events if "item_id" in event}) == 1
        await caller.append(await said(door, "Dropped."))
        await caller.until(DELTA)
        await until_free(door.server)
        await caller.send("input_audio_buffer.clear")
        await caller.until("input_audio_buffer.cleared")
        await caller.send(COMMIT)
        assert (await caller.until("error"))[-1]["error"]["code"] == "input_audio_buffer_commit_empty"


async def test_a_service_that_is_less_patient_ends_no_session(open_door: Open) -> None:
    door = await open_door(max_idle_seconds=0.5)
    async with calling(door) as caller:
        await caller.update(**MANUAL)
        await caller.append(QUIET)
        failed = (await caller.until(FAILED))[-1]
        assert failed["error"]["code"] == "stream_idle", "nothing is lost without a word"
        await caller.append(await said(door, "Again."))
        await caller.send(COMMIT)
        assert (await caller.until(COMPLETED, FAILED))[-1]["transcript"] == "Again."


async def test_a_socket_that_is_dead_is_closed_and_one_that_is_silent_is_not(
    open_door: Open, tmp_path: Path
) -> None:
    door = await open_door()
    settings = tmp_path / "audio-grpc.toml"
    settings.write_text("[gateway]\nmax_idle_seconds = 0.3\n")
    process = gateway_process("--server", door.server_address, "--config", str(settings))
    pinging = Door(f"http://{process.address}", door.server_address, door.server)
    try:
        async with calling(pinging) as silent:
            await dead(process.address)
            assert (await silent.update(**MANUAL))["type"] == "session.updated"
    finally:
        await pinging.close()
        process.stop()


async def dead(address: str) -> None:
    """Return when the other side has closed a WebSocket on which nothing is ever answered."""
    host, _, port = address.partition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(
        f"GET /v1/realtime HTTP/1.1\r\nHost: {address}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n".encode()
    )
    try:
        assert b" 101 " in await reader.readline()
        await asyncio.wait_for(reader.read(), PATIENCE_SECONDS)
    finally:
        writer.close()
