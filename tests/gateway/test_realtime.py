"""OpenAI's Realtime transcription over WebSocket."""

import asyncio
import json
from base64 import b64encode
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

import numpy as np
import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from audio_grpc.audio import decode_blocks
from audio_grpc.client import AsyncClient
from tests.conftest import DATA, PATIENCE_SECONDS
from tests.gateway.conftest import Door
from tests.test_live_hearing import RATE, spoken, telephone, until_free
from tests.test_live_recognition import SPOKEN, pcm

MANUAL = {"turn_detection": None}
SECOND = 2 * RATE
QUIET = bytes(SECOND)
READING = next(iter(SPOKEN))
DELTA, COMPLETED, FAILED = (
    f"conversation.item.input_audio_transcription.{kind}" for kind in ("delta", "completed", "failed")
)


class Caller:
    """A caller's side."""

    def __init__(self, connection: ClientConnection) -> None:
        self._connection = connection

    async def send(self, kind: str, **fields: Any) -> None:
        await self._connection.send(json.dumps({"type": kind, **fields}))

    async def send_frame(self, frame: str | bytes) -> None:
        await self._connection.send(frame)

    async def update(self, **fields: Any) -> dict[str, Any]:
        """Change the session, and what is said to that."""
        session = {"type": "transcription", "audio": {"input": fields}}
        await self.send("session.update", session=session, event_id="update")
        return (await self.until("session.updated", "error"))[-1]

    async def append(self, samples: bytes, size: int = SECOND // 10) -> None:
        for start in range(0, len(samples), size):
            audio = b64encode(samples[start : start + size]).decode()
            await self.send("input_audio_buffer.append", audio=audio)

    async def event(self) -> dict[str, Any]:
        event: dict[str, Any] = json.loads(await asyncio.wait_for(self._connection.recv(), PATIENCE_SECONDS))
        return event

    async def until(self, *kinds: str) -> list[dict[str, Any]]:
        """Events up to the first of one of these kinds."""
        events = [await self.event()]
        while events[-1]["type"] not in kinds:
            events.append(await self.event())
        return events

    async def until_closed(self) -> list[dict[str, Any]]:
        """All events that are left."""
        with suppress(ConnectionClosed):
            events = []
            while True:
                events.append(await self.event())
        return events

    async def closed(self) -> tuple[int | None, str | None]:
        """Code and reason of the other side's close."""
        await asyncio.wait_for(self._connection.wait_closed(), PATIENCE_SECONDS)
        return self._connection.close_code, self._connection.close_reason

    def cut(self) -> None:
        """Cuts the connection, like a pulled cable."""
        self._connection.transport.abort()


@asynccontextmanager
async def calling(
    door: Door, path: str = "/v1/realtime?intent=transcription", **options: Any
) -> AsyncIterator[Caller]:
    """A connection that is cut when the context is left, if it is still there; then its place is free."""
    connection = await connect(f"ws{door.url.removeprefix('http')}{path}", max_size=None, **options)
    caller = Caller(connection)
    try:
        yield caller
    finally:
        caller.cut()
        await connection.wait_closed()
        await until_free(door.server)


async def said(door: Door, text: str) -> bytes:
    async with AsyncClient(door.server_address) as client:
        return await spoken(client, text)


def kinds(events: list[dict[str, Any]]) -> list[str]:
    return [event["type"].rpartition("conversation.item.")[2] for event in events]


def text_of(events: list[dict[str, Any]]) -> str:
    return "".join(event["delta"] for event in events if event["type"] == DELTA)


async def test_what_the_caller_commits_is_an_item_and_its_deltas_are_its_transcript(door: Door) -> None:
    async with calling(door) as caller:
        created = await caller.event()
        assert created["type"] == "session.created"
        assert created["session"]["type"] == "transcription"
        assert created["session"]["audio"]["input"]["turn_detection"]["threshold"] == 0.5
        updated = await caller.update(**MANUAL)
        assert updated["session"]["id"] == created["session"]["id"]
        assert updated["session"]["audio"]["input"]["turn_detection"] is None
        previous = None
        for text in ("One two three four five.", "Six."):
            await caller.append(await said(door, text))
            await caller.send("input_audio_buffer.commit")
            events = await caller.until(COMPLETED)
            committed = next(one for one in events if one["type"] == "input_audio_buffer.committed")
            assert committed["previous_item_id"] == previous
            previous = committed["item_id"]
            assert {one["item_id"] for one in events if "item_id" in one} == {previous}
            assert events[-1]["transcript"] == text_of(events) == text
            assert events[-1]["usage"] == {
                "type": "duration",
                "seconds": pytest.approx(len(text) / 10, abs=0.05),
            }
            order = kinds([one for one in events if one["type"] != DELTA])
            assert order == [
                "input_audio_buffer.committed",
                "added",
                "done",
                "input_audio_transcription.completed",
            ]
            assert len({event["event_id"] for event in events}) == len(events)


async def test_words_come_while_they_are_spoken(door: Door) -> None:
    text = "".join(f"{number:03} " for number in range(40))
    async with calling(door) as caller:
        await caller.update(**MANUAL)
        samples = await said(door, text)
        talking = asyncio.create_task(talk(caller, samples))
        early = await caller.until(DELTA)
        assert text.startswith(text_of(early)), "before anything was committed"
        await talking
        await caller.send("input_audio_buffer.commit")
        events = early + await caller.until(COMPLETED)
        assert text_of(events) == events[-1]["transcript"]
        assert kinds(events).count("input_audio_buffer.committed") == 1


async def talk(caller: Caller, samples: bytes) -> None:
    """Ten times as fast as somebody would."""
    for start in range(0, len(samples), SECOND // 10):
        await caller.append(samples[start : start + SECOND // 10])
        await asyncio.sleep(0.01)


async def test_what_is_long_is_one_item_all_the_same(door: Door) -> None:
    text = "".join(f"{number:04} " for number in range(100))
    async with calling(door) as caller:
        await caller.update(**MANUAL)
        await caller.append(await said(door, text), SECOND)
        await caller.send("input_audio_buffer.commit")
        events = await caller.until(COMPLETED)
    assert len({event["item_id"] for event in events if "item_id" in event}) == 1
    assert events[-1]["usage"]["seconds"] == pytest.approx(50, abs=0.1)
    assert text_of(events) == events[-1]["transcript"]
    assert text_of(events).startswith("0000 0001 0002 ")


async def test_what_is_cleared_is_never_written_down(door: Door) -> None:
    async with calling(door) as caller:
        await caller.send("input_audio_buffer.clear")
        await caller.until("input_audio_buffer.cleared")
        await caller.update(**MANUAL)
        await caller.append(await said(door, "Forget this."))
        await caller.send("input_audio_buffer.clear")
        await caller.append(await said(door, "Not this."))
        await caller.send("input_audio_buffer.commit")
        events = await caller.until(COMPLETED)
    assert kinds(events).count("input_audio_buffer.cleared") == 1
    assert events[-1]["transcript"] == "Not this."
    cleared = kinds(events).index("input_audio_buffer.cleared")
    assert text_of(events[cleared:]) == "Not this."


async def test_what_is_spoken_is_found_in_silence(door: Door) -> None:
    """The voice detector is the real one; the listener makes nonsense of voices."""
    voice = voiced(READING)
    async with calling(door) as caller:
        await caller.update(format={"type": "audio/pcm", "rate": 24000})
        sound = QUIET + voice + QUIET
        await caller.append(sound)
        events = await caller.until(COMPLETED)
        await caller.append(sound)
        again = await caller.until(COMPLETED)
    order = [kind for kind in kinds(events) if "delta" not in kind and kind != "session.created"]
    assert order == [
        "input_audio_buffer.speech_started",
        "input_audio_buffer.speech_stopped",
        "input_audio_buffer.committed",
        "added",
        "done",
        "input_audio_transcription.completed",
    ]
    started, stopped = (
        next(event for event in events if event["type"].endswith(end))
        for end in ("speech_started", "speech_stopped")
    )
    seconds = len(voice) / SECOND
    assert started["audio_start_ms"] == pytest.approx(700 + 200, abs=350)
    assert stopped["audio_end_ms"] == pytest.approx(1000 + seconds * 1000 + 500 - 200, abs=400)
    [committed] = [event for event in again if event["type"].endswith("committed")]
    assert committed["previous_item_id"] == started["item_id"] != committed["item_id"]
    later = next(event for event in again if event["type"].endswith("speech_started"))
    length = len(sound) / SECOND * 1000
    assert later["audio_start_ms"] - started["audio_start_ms"] == pytest.approx(length, abs=100)


def voiced(name: str) -> bytes:
    """A recording of somebody who reads, as the API wants it."""
    blocks = decode_blocks((DATA / name).read_bytes(), sample_rate_hertz=RATE, max_seconds=60)
    return pcm(*(block.audio.samples for block in blocks))


async def test_a_commit_ends_what_is_being_spoken_and_is_an_error_where_nobody_speaks(door: Door) -> None:
    voice = voiced(READING)
    async with calling(door) as caller:
        await caller.append(voice[: 2 * SECOND])
        await caller.send("input_audio_buffer.commit", event_id="first")
        events = await caller.until(COMPLETED)
        assert "input_audio_buffer.speech_stopped" not in kinds(events)
        await caller.append(bytes(SECOND))
        await caller.send("input_audio_buffer.commit", event_id="second")
        error = (await caller.until("error"))[-1]["error"]
        assert (error["code"], error["event_id"]) == ("input_audio_buffer_commit_empty", "second")


async def test_a_commit_of_sound_without_speech_is_an_empty_item_where_only_the_caller_commits(
    door: Door,
) -> None:
    async with calling(door) as caller:
        await caller.update(**MANUAL)
        for _ in range(2):
            await caller.append(QUIET)
            await caller.send("input_audio_buffer.commit")
            events = await caller.until(COMPLETED, "error")
            assert (events[-1]["type"], events[-1]["transcript"]) == (COMPLETED, "")


@pytest.mark.parametrize("name", ["gpt-live-transcribe", "gpt-realtime-whisper-2027-01-31"])
async def test_live_models_leave_turns_to_the_caller_unless_told_otherwise(door: Door, name: str) -> None:
    async with calling(door, f"/v1/realtime?intent=transcription&model={name}") as caller:
        created = await caller.event()
        assert created["session"]["audio"]["input"]["turn_detection"] is None
        updated = await caller.update(transcription={"model": name, "keywords": None, "delay": "low"})
        assert updated["session"]["audio"]["input"]["turn_detection"] is None
        updated = await caller.update(turn_detection={"type": "server_vad", "threshold": None})
        assert updated["session"]["audio"]["input"]["turn_detection"]["silence_duration_ms"] == 500
        updated = await caller.update(transcription={"model": "gpt-4o-transcribe"})
        assert updated["session"]["audio"]["input"]["turn_detection"]["type"] == "server_vad"


async def test_semantic_turn_detection_waits_as_long_as_the_caller_is_patient(door: Door) -> None:
    async with calling(door) as caller:
        await caller.update(turn_detection={"type": "semantic_vad", "eagerness": "high"})
        await caller.append(voiced(READING) + bytes(3 * SECOND))
        stopped = (await caller.until("input_audio_buffer.speech_stopped"))[-1]["audio_end_ms"]
        await caller.update(turn_detection={"type": "semantic_vad", "eagerness": "low"})
        await caller.append(bytes(SECOND) + voiced(READING) + bytes(3 * SECOND))
        events = await caller.until("input_audio_buffer.speech_stopped")
    # The recording has short pauses: who is patient hears it as one.
    assert sum(event["type"].endswith("speech_started") for event in events) == 1
    assert events[-1]["audio_end_ms"] > stopped


async def test_a_commit_with_no_sound_is_an_error_and_the_session_goes_on(door: Door) -> None:
    async with calling(door) as caller:
        await caller.update(**MANUAL)
        await caller.send("input_audio_buffer.commit", event_id="mine")
        error = (await caller.until("error"))[-1]["error"]
        assert error["code"] == "input_audio_buffer_commit_empty"
        assert (error["type"], error["event_id"]) == ("invalid_request_error", "mine")
        assert "0.00ms" in error["message"]
        await caller.append(await said(door, "Now."))
        await caller.send("input_audio_buffer.commit")
        assert (await caller.until(COMPLETED))[-1]["transcript"] == "Now."
        await caller.send("input_audio_buffer.commit")
        assert (await caller.until("error"))[-1]["error"]["code"] == "input_audio_buffer_commit_empty"


@pytest.mark.parametrize(("kind", "name"), [("audio/pcmu", "mulaw"), ("audio/pcma", "alaw")])
async def test_telephones_are_understood(door: Door, kind: str, name: str) -> None:
    """At 8 kHz there are too few samples to tell the tones of the stand-in for a model apart."""
    samples = np.frombuffer(await said(door, "Hello."), "<i2")
    async with calling(door) as caller:
        updated = await caller.update(format={"type": kind}, **MANUAL)
        assert updated["session"]["audio"]["input"]["format"]["type"] == kind
        await caller.append(telephone(samples[::3].copy(), name))
        await caller.send("input_audio_buffer.commit")
        completed = (await caller.until(COMPLETED))[-1]
    assert completed["usage"]["seconds"] == pytest.approx(0.6, abs=0.02)


async def test_listening_otherwise_ends_what_is_being_spoken_and_times_go_on(door: Door) -> None:
    async with calling(door) as caller:
        await caller.update(**MANUAL)
        await caller.append(await said(door, "Before."))
        updated = await caller.update(turn_detection={"type": "server_vad", "silence_duration_ms": 200})
        assert updated["session"]["audio"]["input"]["turn_detection"]["silence_duration_ms"] == 200
        await caller.append(voiced(READING))
        started = (await caller.until("input_audio_buffer.speech_started"))[-1]
        assert 700 - 300 <= started["audio_start_ms"] < 1200
        assert door.server.models.transcriber("").live_admission.running == 1


async def test_probabilities_of_words_are_sent_if_they_are_asked_for(door: Door) -> None:
    include = ["item.input_audio_transcription.logprobs"]
    async with calling(door, "/openai/v1/realtime?model=whisper-1") as caller:
        created = await caller.event()
        assert created["session"]["audio"]["input"]["transcription"]["model"] == "whisper-1"
        session = {"type": "transcription", "audio": {"input": MANUAL}, "include": include}
        await caller.send("session.update", session=session)
        await caller.append(await said(door, "One two."))
        await caller.send("input_audio_buffer.commit")
        completed = (await caller.until(COMPLETED))[-1]
    assert "".join(one["token"] for one in completed["logprobs"]) == "One two."
    assert all(one["logprob"] <= 0 for one in completed["logprobs"])


async def test_the_names_of_the_beta_are_understood(door: Door) -> None:
    async with calling(door) as caller:
        beta = {"input_audio_format": "g711_ulaw", "turn_detection": None}
        await caller.send("transcription_session.update", session=beta)
        updated = (await caller.until("transcription_session.updated"))[-1]["session"]["audio"]["input"]
        assert (updated["format"]["type"], updated["turn_detection"]) == ("audio/pcmu", None)
