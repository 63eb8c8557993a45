"""Failures of Realtime transcription: each is an event or a close code with a reason."""

import asyncio
import json
import socket
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from audio_gateway.dialects.openai.realtime.conversation import INPUT
from audio_gateway.sockets import MAX_MESSAGE_BYTES
from audio_grpc.access import key_file
from audio_grpc.access.limits import KeyLimits
from tests.gateway.conftest import Door, Open
from tests.gateway.test_realtime import (
    COMPLETED,
    FAILED,
    MANUAL,
    QUIET,
    SECOND,
    Caller,
    calling,
    said,
)
from tests.test_live_hearing import until_free

APPEND = {"type": "input_audio_buffer.append"}


def updating(**fields: Any) -> dict[str, Any]:
    session = {"type": "transcription", "audio": {"input": fields}}
    return {"type": "session.update", "session": session}


def transcribing(**fields: Any) -> dict[str, Any]:
    return updating(transcription=fields)


@pytest.mark.parametrize(
    ("message", "code", "advice"),
    [
        ("garbage", "invalid_message", "JSON"),
        ("[]", "invalid_message", "object"),
        ('{"type": "input_audio_buffer.append", "audio": "\\ud83d"}', "invalid_message", "JSON"),
        ("[" * 100_000, "invalid_message", "JSON"),
        ({}, "invalid_message", "type"),
        ({"type": "nonsense"}, "invalid_message", "nonsense"),
        ({"type": "response.create"}, "invalid_message", "input_audio_buffer.commit"),
        (APPEND, "invalid_message", "audio"),
        ({**APPEND, "audio": 5}, "invalid_message", "audio"),
        ({**APPEND, "audio": "?!"}, "invalid_value", "base64"),
        ({**APPEND, "audio": "AAA"}, "invalid_value", "base64"),
        ({**APPEND, "audio": "é"}, "invalid_value", "base64"),
        ({**APPEND, "audio": "AAAA"}, "invalid_value", "multiple of 2"),
        ({"type": "input_audio_buffer.commit"}, "input_audio_buffer_commit_empty", "100ms"),
        ({"type": "session.update"}, "invalid_message", "session"),
        ({"type": "session.update", "session": {"type": "realtime"}}, "invalid_message", "transcription"),
        (updating(format={"type": "audio/mp3"}), "invalid_message", "audio/pcm"),
        (updating(format={"type": "audio/pcm", "rate": 8000}), "invalid_message", "24000"),
        (updating(turn_detection={"type": "clairvoyance"}), "invalid_message", "server_vad"),
        (updating(turn_detection={"type": "semantic_vad", "eagerness": 5}), "invalid_message", "medium"),
        (updating(turn_detection={"type": "server_vad", "threshold": 2}), "invalid_message", "threshold"),
        (transcribing(model="nobody"), "model_not_found", "nobody"),
        (transcribing(model="tts-1"), "model_not_found", "listener"),
        (transcribing(languages=["e" * 100, "de"]), "invalid_message", "languages"),
    ],
)
async def test_a_message_that_is_wrong_is_answered_and_the_session_goes_on(
    door: Door, message: Any, code: str, advice: str
) -> None:
    async with calling(door) as caller:
        if isinstance(message, dict):
            await caller.send_frame(json.dumps({**message, "event_id": "culprit"}))
        else:
            await caller.send_frame(message)
        error = (await caller.until("error"))[-1]["error"]
        assert error["code"] == code
        assert advice in error["message"] + str(error["param"])
        assert error["event_id"] == ("culprit" if isinstance(message, dict) else None)
        assert error["type"] == "invalid_request_error"
        await caller.update(**MANUAL)
        await caller.append(await said(door, "Still here."))
        await caller.send("input_audio_buffer.commit")
        assert (await caller.until(COMPLETED))[-1]["transcript"] == "Still here."


@pytest.mark.parametrize(
    ("path", "code", "status"),
    [
        ("/v1/realtime?model=gpt-realtime", "model_not_found", 4404),
        ("/v1/realtime?intent=translation", "invalid_value", 4400),
    ],
)
async def test_what_is_not_served_is_refused_at_once(door: Door, path: str, code: str, status: int) -> None:
    async with calling(door, path) as caller:
        assert (await caller.event())["error"]["code"] == code
        assert await caller.closed() == (status, code)


async def test_what_the_service_refuses_is_said_in_the_callers_terms(door: Door) -> None:
    async with calling(door) as caller:
        await caller.send_frame(json.dumps(transcribing(prompt="x" * 5000)))
        await caller.append(QUIET)
        assert (await caller.until("error"))[-1]["error"]["param"] == f"{INPUT}.transcription.prompt"
        assert (await caller.closed())[0] == 4400


async def test_binary_frames_are_not_its_language(door: Door) -> None:
    async with calling(door) as caller:
        await caller.send_frame(b"\x00\x01")
        assert "binary" in (await caller.until("error"))[-1]["error"]["message"]
        assert await caller.closed() == (4400, "invalid_message")


async def test_a_message_that_is_too_large_is_told_so(door: Door) -> None:
    async with calling(door) as caller:
        await caller.append(QUIET)
        await caller.send_frame("x" * (MAX_MESSAGE_BYTES + 1))
        error = (await caller.until("error"))[-1]["error"]
        assert error["code"] == "message_too_large"
        assert "15 MiB" in error["message"]
        assert await caller.closed() == (4413, "message_too_large")


async def test_one_that_is_far_too_large_is_not_even_received(door: Door) -> None:
    async with calling(door) as caller:
        await caller.append(QUIET)
        await caller.event()
        with suppress(ConnectionClosed):
            await caller.send_frame("x" * (2 * MAX_MESSAGE_BYTES))
        code, reason = await caller.closed()
        assert code == 1009
        assert "limit" in str(reason)


async def test_a_model_that_breaks_fails_the_items_that_wait_for_it(open_door: Open) -> None:
    door = await open_door(listener={"options": {"fail_after": 0}})
    async with calling(door) as caller:
        await caller.update(**MANUAL)
        await caller.append(await said(door, "Oh."))
        await caller.send("input_audio_buffer.commit")
        events = await caller.until("error")
        [committed] = [event for event in events if event["type"] == "input_audio_buffer.committed"]
        [failed] = [event for event in events if event["type"] == FAILED]
        assert failed["item_id"] == committed["item_id"]
        assert failed["error"]["code"] == "model_failed"
        assert await caller.closed() == (4500, "model_failed")


async def test_one_too_many_is_refused_and_the_others_go_on(open_door: Open) -> None:
    door = await open_door(listener={"live_streams": 1})
    async with calling(door) as first:
        await first.update(**MANUAL)
        await first.append(await said(door, "First."))
        await first.send("input_audio_buffer.clear")
        await first.until("input_audio_buffer.cleared")
        second = await asyncio.create_task(_refused(door))
        assert second == (4429, "rate_limit_exceeded")
        await first.append(await said(door, "First."))
        await first.send("input_audio_buffer.commit")
        assert (await first.until(COMPLETED))[-1]["transcript"] == "First."


async def _refused(door: Door) -> tuple[int | None, str | None]:
    async with connect(f"ws{door.url.removeprefix('http')}/v1/realtime") as connection:
        caller = Caller(connection)
        await caller.append(QUIET)
        await caller.until("error")
        return await caller.closed()


async def test_callers_who_vanish_leave_nothing_behind(open_door: Open) -> None:
    door = await open_door(listener={"live_streams": 20, "options": {"delay_seconds": 0.02}})
    samples = await said(door, "Interrupted in the middle of")

    async def vanish(number: int) -> None:
        async with calling(door) as caller:
            await caller.update(**MANUAL)
            await caller.append(samples[: number * SECOND // 10])
            if number % 2:
                await caller.send("input_audio_buffer.commit")
            if number % 3 == 0:
                await caller.send("input_audio_buffer.clear", event_id="x")
            caller.cut()

    await asyncio.gather(*(vanish(number) for number in range(1, 20)))
    await until_free(door.server)
    assert door.server.models.transcriber("").live_admission.running == 0


async def test_who_does_not_read_is_dropped_with_a_reason_and_hurts_nobody(open_door: Open) -> None:
    door = await open_door(gateway={"max_send_seconds": 1})
    with deaf_socket(door) as narrow:
        async with calling(door, sock=narrow, max_queue=1, compression=None) as deaf, calling(door) as other:
            await other.update(**MANUAL)
            await deaf.append(QUIET)
            await deaf.send("input_audio_buffer.clear")
            await deaf.until("input_audio_buffer.cleared")
            asking = asyncio.create_task(_ask_for_ever(deaf))
            # The place that the one loses is how the other can tell.
            await until_free(door.server)
            events = await deaf.until_closed()
            assert events[-1]["error"]["code"] == "slow_reader"
            assert await deaf.closed() == (4408, "slow_reader")
            await other.append(await said(door, "Not hurt."))
            await other.send("input_audio_buffer.commit")
            assert (await other.until(COMPLETED))[-1]["transcript"] == "Not hurt."
            asking.cancel()
            await asyncio.gather(asking, return_exceptions=True)


def deaf_socket(door: Door) -> socket.socket:
    """One that takes little at a time."""
    host, _, port = door.url.removeprefix("http://").rpartition(":")
    narrow = socket.socket()
    narrow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 16)
    narrow.connect((host, int(port)))
    narrow.setblocking(False)
    return narrow


async def _ask_for_ever(caller: Caller) -> None:
    while True:
        await caller.send("nonsense", event_id="x" * 50_000)


async def test_a_server_that_wants_a_key_is_told_of_the_callers(open_door: Open, tmp_path: Path) -> None:
    _, secret = key_file.add(tmp_path / "keys.json", "me", KeyLimits())
    door = await open_door(keys_file=tmp_path / "keys.json")
    async with calling(door) as caller:
        assert (await caller.event())["error"]["code"] == "invalid_api_key"
        assert await caller.closed() == (4401, "invalid_api_key")
    async with calling(door, additional_headers={"authorization": f"Bearer {secret}"}) as caller:
        assert (await caller.event())["type"] == "session.created"
        await caller.append(QUIET)
        await caller.send("input_audio_buffer.clear")
        await caller.until("input_audio_buffer.cleared")
    protocols = ["realtime", f"openai-insecure-api-key.{secret}"]
    async with calling(door, subprotocols=protocols) as caller:
        assert (await caller.event())["type"] == "session.created"
