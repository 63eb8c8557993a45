"""Live speech over WebSocket."""

import asyncio
import json
import wave
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.datastructures import Headers
from websockets.typing import Subprotocol

from audio_gateway.sockets import MAX_MESSAGE_BYTES
from audio_grpc.access import key_file
from audio_grpc.access.limits import KeyLimits
from audio_grpc.client import AsyncClient
from audio_grpc.server import Server
from tests.conftest import PATIENCE_SECONDS, Start
from tests.gateway.conftest import running
from tests.test_calls import until_idle

PATH = "/v1/audio/speech/stream"
BYTE = 4800
LONG = "This goes on for longer than anybody would like to wait for it. " * 20


class Socket:
    """A caller's side."""

    def __init__(self, connection: ClientConnection) -> None:
        self._connection = connection

    async def send(self, kind: str, **fields: Any) -> None:
        await self._connection.send(json.dumps({"type": kind, **fields}))

    async def send_frame(self, frame: str | bytes) -> None:
        await self._connection.send(frame)

    async def event(self) -> dict[str, Any]:
        event: dict[str, Any] = json.loads(await self._receive())
        if event["type"] == "audio":
            event["data"] = await self._receive()
        return event

    async def until(self, kind: str) -> list[dict[str, Any]]:
        """Events up to the first of a kind."""
        events = [await self.event()]
        while events[-1]["type"] != kind:
            events.append(await self.event())
        return events

    async def closed(self) -> tuple[int | None, str | None]:
        """Code and reason of the other side's close."""
        await asyncio.wait_for(self._connection.wait_closed(), PATIENCE_SECONDS)
        return self._connection.close_code, self._connection.close_reason

    async def _receive(self) -> str | bytes:
        return await asyncio.wait_for(self._connection.recv(), PATIENCE_SECONDS)


class Speaker:
    """A server, and gateways in front of it."""

    def __init__(self, server: Server, client: AsyncClient) -> None:
        self.server = server
        self.client = client
        self.headers = Headers()
        """The headers of the answer to the last handshake."""

    @asynccontextmanager
    async def socket(
        self, gateway: dict[str, Any] | None = None, subprotocols: Sequence[str] = (), **headers: str
    ) -> AsyncIterator[Socket]:
        """A connection that is cut when the context is left, if it is still there."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        async with running(server=self.server.address, **gateway or {}) as url:
            connection = await connect(
                f"ws{url.removeprefix('http')}{PATH}",
                additional_headers=named,
                subprotocols=[Subprotocol(name) for name in subprotocols] or None,
            )
            assert connection.response is not None
            self.headers = connection.response.headers
            yield Socket(connection)
            connection.transport.abort()
            await connection.wait_closed()
            await until_idle(self.server)


Make = Callable[..., Awaitable[Speaker]]


@pytest.fixture
def speaker(start: Start) -> Make:
    async def make(**changes: Any) -> Speaker:
        return Speaker(*await start(**changes))

    return make


async def test_text_goes_in_and_sound_comes_out(speaker: Make) -> None:
    text = "Hello there. How, as everybody asks, are you? 世界 🎉"
    made = await speaker()
    async with made.socket() as socket:
        await socket.send("start", model="tts-1", voice="alloy", response_format="wav", instructions="loudly")
        for character in text:
            await socket.send("text", text=character)
        await socket.send("end")
        started, *chunks, finished = await socket.until("finished")
        assert await socket.closed() == (1000, "")
    assert started == {
        "type": "started",
        "model": "speaker",
        "voice": "tone",
        "media_type": "audio/wav",
        "sample_rate": 24000,
        "ignored_fields": ["instructions"],
    }
    assert [chunk["type"] for chunk in chunks] == ["audio"] * len(chunks)
    places = dict.fromkeys((chunk["text_start"], chunk["text_end"]) for chunk in chunks)
    assert "".join(text[start:end] for start, end in places) == text
    assert chunks[-1]["offset"] + chunks[-1]["seconds"] == pytest.approx(len(text.encode()) / 10)
    assert finished["usage"]["characters"] == len(text)
    audio = b"".join(chunk["data"] for chunk in chunks)
    with wave.open(BytesIO(audio)) as file:
        assert file.getframerate() == 24000
    assert "".join([segment.text async for segment in made.client.transcribe(audio)]) == text


async def test_sound_comes_before_the_text_ends_and_a_flush_brings_the_rest(speaker: Make) -> None:
    async with (await speaker()).socket() as socket:
        await socket.send("start", max_wait=10)
        await socket.send("text", text="Hi. Unfinish ed")
        assert (await socket.event())["sample_rate"] == 24000
        first = await socket.event()
        assert (first["text_start"], first["text_end"], first["offset"]) == (0, 4, 0)
        size = len(first["data"])
        await socket.send("flush")
        while size < 15 * BYTE:
            size += len((await socket.event())["data"])
        await socket.send("end")
        assert (await socket.event())["type"] == "finished"


async def test_a_cancel_is_answered_and_the_stream_goes_on(speaker: Make) -> None:
    made = await speaker(options={"delay_seconds": 0.005}, read_ahead=1)
    async with made.socket() as socket:
        await socket.send("start")
        await socket.send("text", text=LONG)
        await socket.until("audio")
        await socket.send("cancel")
        *_, cancelled = await socket.until("cancelled")
        assert cancelled["dropped_end"] == len(LONG)
        assert cancelled["spoken_end"] < cancelled["begun_end"] < len(LONG)
        assert 0 < cancelled["offset"] < len(LONG) / 20
        await socket.send("text", text="Pardon?")
        await socket.send("end")
        *chunks, finished = await socket.until("finished")
    assert {(chunk["text_start"], chunk["text_end"]) for chunk in chunks} == {(len(LONG), len(LONG) + 7)}
    assert finished["usage"]["characters"] == len(LONG) + 7


START = {"type": "start"}


@pytest.mark.parametrize(
    ("frames", "code", "status", "advice"),
    [
        (["garbage"], "invalid_message", 4400, "JSON"),
        (["[]"], "invalid_message", 4400, "object"),
        ([b"\x00\x01"], "invalid_message", 4400, "binary"),
        ([{"type": "text", "text": "Hi."}], "out_of_order", 4400, "start"),
        ([{"type": "nonsense"}], "invalid_message", 4400, "nonsense"),
        ([START, START], "out_of_order", 4400, "once"),
        ([START, {"type": "end"}, {"type": "flush"}], "out_of_order", 4400, "after end"),
        ([START, "garbage"], "invalid_message", 4400, "JSON"),
        ([START, {"type": "text"}], "invalid_message", 4400, "text"),
        ([START, '{"type": "text", "text": "\\ud83d"}'], "invalid_message", 4400, "JSON"),
        ([{**START, "speed": 9}], "invalid_message", 4400, "speed"),
        ([{**START, "sped": 1}], "invalid_message", 4400, "sped"),
        ([{**START, "response_format": "opus", "sample_rate": 44100}], "invalid_field", 4400, "44100"),
        ([{**START, "voice": "nobody"}], "voice_not_found", 4404, "nobody"),
        ([{**START, "model": "nobody"}], "model_not_found", 4404, "nobody"),
        ([START, {"type": "text", "text": "x" * 101}], "text_too_long", 4400, "max_text_characters"),
        ([START], "stream_idle", 4408, "nothing came"),
    ],
)
async def test_what_is_wrong_is_an_event_and_a_close_code(
    speaker: Make, frames: list[Any], code: str, status: int, advice: str
) -> None:
    slow = {"delay_seconds": 0.01}
    idle = 0.1 if code == "stream_idle" else 60
    made = await speaker(max_text_characters=100, max_idle_seconds=idle, options=slow)
    async with made.socket() as socket:
        for frame in frames:
            await socket.send_frame(json.dumps(frame) if isinstance(frame, dict) else frame)
        error = (await socket.until("error"))[-1]["error"]
        assert error["code"] == code
        assert advice in error["message"]
        assert await socket.closed() == (status, code)


async def test_who_never_begins_is_told_so(speaker: Make) -> None:
    async with (await speaker()).socket(gateway={"max_idle_seconds": 0.05}) as socket:
        assert (await socket.event())["error"]["code"] == "idle"
        assert await socket.closed() == (4408, "idle")


async def test_a_message_that_is_too_large_is_told_so(speaker: Make) -> None:
    async with (await speaker()).socket() as socket:
        await socket.send("start")
        await socket.send("text", text="x" * MAX_MESSAGE_BYTES)
        assert (await socket.until("error"))[-1]["error"]["code"] == "message_too_large"
        assert await socket.closed() == (4413, "message_too_large")


async def test_a_server_that_wants_a_key_is_told_of_the_callers(start: Start, tmp_path: Path) -> None:
    _, secret = key_file.add(tmp_path / "keys.json", "me", KeyLimits())
    made = Speaker(*await start(keys_file=tmp_path / "keys.json"))
    async with made.socket() as socket:
        await socket.send("start")
        assert (await socket.until("error"))[-1]["error"]["code"] == "invalid_api_key"
        assert (await socket.closed())[0] == 4401
    async with made.socket(authorization=f"Bearer {secret}") as socket:
        await socket.send("start")
        assert (await socket.event())["type"] == "started"
    as_browsers_do = ("speech", f"openai-insecure-api-key.{secret}")
    async with made.socket(subprotocols=as_browsers_do) as socket:
        await socket.send("start")
        assert (await socket.event())["type"] == "started"
        assert made.headers["sec-websocket-protocol"] == "speech"


async def test_a_caller_who_leaves_stops_the_model(speaker: Make) -> None:
    made = await speaker(options={"delay_seconds": 0.02}, read_ahead=1, concurrency=1)
    async with asyncio.timeout(PATIENCE_SECONDS):  # all of it would take two minutes
        async with made.socket() as socket:
            await socket.send("start")
            await socket.send("text", text=LONG * 4)
            await socket.send("end")
            await socket.until("audio")


async def test_it_is_logged_and_counted_like_any_request(
    speaker: Make, caplog: pytest.LogCaptureFixture
) -> None:
    made = await speaker()
    with caplog.at_level("INFO", "audio_gateway.access"):
        async with made.socket(x_request_id="one") as socket:
            assert made.headers["x-request-id"] == "one"
            await socket.send("start")
            await socket.send("end")
            await socket.until("finished")
            assert await socket.closed() == (1000, "")
    [fields] = [
        record.__dict__["fields"] for record in caplog.records if record.name == "audio_gateway.access"
    ]
    assert (fields["path"], fields["status"], fields["complete"]) == (PATH, 101, True)
