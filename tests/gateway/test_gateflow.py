"""GateFlow's voice pipelines: over HTTP, streamed and not, and over WebSocket."""

import asyncio
import base64
import io
import json
import wave
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
from websockets.asyncio.client import ClientConnection, connect

from audio_grpc.client import AsyncClient, Encoding
from tests.conftest import PATIENCE_SECONDS
from tests.conversation.chat_double import ChatDouble
from tests.eventually import eventually
from tests.gateway.conftest import Door, Open

QUESTION, REPLY = "Who are you?", "I am. You are."
PIPELINES = "/gateflow/v1/audio/pipelines"


class Flow:
    """A gateway, the server behind it, and the chat endpoint behind that."""

    def __init__(self, door: Door, chat: ChatDouble) -> None:
        self.door = door
        self.chat = chat

    async def spoken(self, text: str, encoding: Encoding = Encoding.FLAC) -> bytes:
        async with AsyncClient(self.door.server_address) as client:
            return b"".join([data async for data in client.synthesize(text, encoding=encoding)])

    async def heard(self, data: bytes) -> str:
        async with AsyncClient(self.door.server_address) as client:
            return "".join([segment.text async for segment in client.transcribe(data)])

    async def body(self, **fields: Any) -> dict[str, Any]:
        audio = base64.b64encode(await self.spoken(QUESTION)).decode()
        return {"template": "agent", "audio": audio, "audio_format": "flac", **fields}


OpenFlow = Callable[..., Awaitable[Flow]]


@pytest.fixture
async def open_flow(open_door: Open) -> AsyncIterator[OpenFlow]:
    async with ChatDouble() as chat:

        async def open_one(llm: dict[str, Any] | None = None, **changes: Any) -> Flow:
            table = {"base_url": chat.base_url, "system_prompt": "Be brief.", **(llm or {})}
            return Flow(await open_door(pipelines={"agent": {"llm": table}}, **changes), chat)

        yield open_one


@pytest.fixture
async def flow(open_flow: OpenFlow) -> Flow:
    return await open_flow()


async def lines(flow: Flow, **request: Any) -> AsyncGenerator[dict[str, Any], None]:
    """The events of a streamed answer, as they come."""
    async with flow.door.http.stream("POST", PIPELINES, **request) as response:
        assert response.status_code == 200, await response.aread()
        assert response.headers["content-type"] == "application/x-ndjson"
        async for line in response.aiter_lines():
            yield json.loads(line)


async def test_a_pipeline_answers_in_one_piece(flow: Flow) -> None:
    asking = asyncio.create_task(flow.door.http.post(PIPELINES, json=await flow.body()))
    await (await flow.chat.asked()).reply(REPLY)
    answer = (await asking).json()
    assert (answer["transcription"], answer["response"]) == (QUESTION, REPLY)
    assert answer["media_type"] == "audio/flac"
    assert answer["usage"] == {"prompt_tokens": 7, "completion_tokens": 3, "total_tokens": 10}
    assert set(answer["timing"]) == {"first_transcription_ms", "first_token_ms", "first_audio_ms", "total_ms"}
    assert await flow.heard(base64.b64decode(answer["audio"])) == REPLY


@pytest.mark.parametrize("path", [PIPELINES, "/v1/audio/pipelines"])
async def test_events_are_sent_while_they_happen(flow: Flow, path: str) -> None:
    body = await flow.body(stream=True, context="The caller is Ada.", audio_format="pcm")
    events = []
    async with flow.door.http.stream("POST", path, json=body) as response:
        read = response.aiter_lines()
        asked = await flow.chat.asked()
        assert asked.messages == [("system", "Be brief.\n\nThe caller is Ada."), ("user", QUESTION)]
        await asked.say("I am. You")
        async for line in read:
            events.append(json.loads(line))
            if events[-1]["type"] == "audio.chunk":
                break  # while the endpoint holds back the rest
        await asked.say(" are.")
        await asked.finish()
        events += [json.loads(line) async for line in read]
    kinds = list(dict.fromkeys(event["type"] for event in events))
    assert kinds == [
        "transcription.partial",
        "transcription.final",
        "llm.token",
        "audio.chunk",
        "llm.done",
        "done",
    ]
    assert [event["text"] for event in events if event["type"] == "transcription.final"] == [QUESTION]
    assert "".join(event["token"] for event in events if event["type"] == "llm.token") == REPLY
    sound = b"".join(base64.b64decode(event["data"]) for event in events if event["type"] == "audio.chunk")
    assert len(sound) == len(REPLY) * 4800
    assert events[-1]["type"] == "done"


async def test_a_form_does_the_same(flow: Flow) -> None:
    form = {"template": "agent", "stream": "true", "overrides": json.dumps({"llm": {"max_tokens": 5}})}
    events = lines(flow, files={"audio": ("who.flac", await flow.spoken(QUESTION))}, data=form)
    reading = asyncio.ensure_future(anext(events))
    asked = await flow.chat.asked()
    assert asked.body["max_tokens"] == 5
    await asked.reply("Me.")
    assert (await reading)["type"] == "transcription.partial"
    assert [event async for event in events][-1]["type"] == "done"


async def test_an_encoded_answer_is_whole_when_it_is_done(flow: Flow) -> None:
    events = lines(flow, json=await flow.body(stream=True, audio_format="mp3"))
    reading = asyncio.ensure_future(anext(events))
    await (await flow.chat.asked()).reply(REPLY)
    await reading
    rest = [event async for event in events]
    sound = b"".join(base64.b64decode(event["data"]) for event in rest if event["type"] == "audio.chunk")
    assert await flow.heard(sound) == REPLY


async def test_an_error_says_whether_to_try_again(flow: Flow) -> None:
    events = lines(flow, json=await flow.body(stream=True))
    reading = asyncio.ensure_future(anext(events))
    asked = await flow.chat.asked()
    await asked.say("Well")
    asked.hang_up()
    await reading
    *_, error = [event async for event in events]
    assert (error["type"], error["recoverable"], error["code"]) == ("error", True, "chat_broken")
    assert "middle of its reply" in error["message"]


async def test_what_is_not_streamed_fails_with_a_status(flow: Flow) -> None:
    asking = asyncio.create_task(flow.door.http.post(PIPELINES, json=await flow.body()))
    await (await flow.chat.asked()).refuse(400, "{}")
    answer = await asking
    assert (answer.status_code, answer.json()["error"]["code"]) == (502, "chat_refused")


@pytest.mark.parametrize(
    ("changes", "status", "param"),
    [
        ({"template": "nobody"}, 404, "template"),
        ({"audio": "!"}, 400, "audio"),
        ({"audio": "ä"}, 400, "audio"),
        ({"audio": ""}, 400, "audio"),
        ({"audio": base64.b64encode(b"no sound").decode()}, 400, "audio"),
        ({"context": "x" * 100_001}, 400, "context"),
        ({"template": "x" * 257}, 400, "template"),
        ({"tts": {"voice": "nobody"}}, 404, "tts.voice"),
        ({"audio_format": "midi"}, 400, "audio_format"),
    ],
)
async def test_what_cannot_be_is_refused(
    flow: Flow, changes: dict[str, str], status: int, param: str
) -> None:
    answer = await flow.door.http.post(PIPELINES, json={**await flow.body(), **changes})
    assert (answer.status_code, answer.json()["error"]["param"]) == (status, param)
    assert flow.chat.count == 0


async def test_a_recording_that_is_too_large_is_refused_either_way(open_flow: OpenFlow) -> None:
    flow = await open_flow(gateway={"max_file_bytes": 1000})
    large = base64.b64encode(bytes(2 << 20)).decode()
    answer = await flow.door.http.post(PIPELINES, json={"audio": large})
    assert (answer.status_code, answer.json()["error"]["code"]) == (413, "too_large")
    answer = await flow.door.http.post(PIPELINES, files={"audio": bytes(1001)})
    assert answer.status_code == 413


async def test_a_file_comes_once(flow: Flow) -> None:
    sound = await flow.spoken(QUESTION)
    twice = [("audio", ("a.flac", sound)), ("audio", ("b.flac", sound))]
    answer = await flow.door.http.post(PIPELINES, files=twice)
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "invalid_form")


async def test_headers_in_the_name_of_a_file_go_nowhere(flow: Flow) -> None:
    head = b'--x\r\ncontent-disposition: form-data; name="audio"; filename="a\r\nx-evil: 1"\r\n\r\n'
    body = head + await flow.spoken(QUESTION) + b"\r\n--x--\r\n"
    form = {"content-type": "multipart/form-data; boundary=x"}
    asking = asyncio.create_task(flow.door.http.post(PIPELINES, content=body, headers=form))
    asked = await flow.chat.asked()
    await asked.reply("Me.")
    answer = await asking
    assert answer.status_code == 200
    assert "x-evil" not in {**answer.headers, **asked.headers}


async def test_transcripts_are_streamed_as_lines(flow: Flow) -> None:
    sound = await flow.spoken("One two. Three four.")
    async with flow.door.http.stream(
        "POST",
        "/gateflow/v1/audio/transcriptions",
        files={"file": ("said.flac", sound)},
        data={"model": "whisper-1", "stream": "true"},
    ) as response:
        assert response.headers["content-type"] == "application/x-ndjson"
        events = [json.loads(line) async for line in response.aiter_lines()]
    assert events == [
        {"type": "partial", "text": "One two."},
        {"type": "partial", "text": "One two. Three four."},
        {"type": "final", "text": "One two. Three four."},
    ]


async def test_without_stream_a_transcript_is_openais(flow: Flow) -> None:
    sound = await flow.spoken("One two.")
    answer = await flow.door.http.post(
        "/gateflow/v1/audio/transcriptions", files={"file": sound}, data={"model": "whisper-1"}
    )
    assert answer.json()["text"] == "One two."


@pytest.mark.parametrize("persona", ["professional", "friendly", "calm", "energetic"])
async def test_personas_are_voices(flow: Flow, persona: str) -> None:
    body = {"model": "tts-1", "input": "Hi.", "voice": persona, "response_format": "wav", "stream": True}
    answer = await flow.door.http.post("/gateflow/v1/audio/speech", json=body)
    assert answer.status_code == 200
    assert await flow.heard(answer.content) == "Hi."


class Phone:
    """A caller's side of the WebSocket."""

    def __init__(self, connection: ClientConnection) -> None:
        self._connection = connection

    async def send(self, kind: str, **fields: Any) -> None:
        await self._connection.send(json.dumps({"type": kind, **fields}))

    async def until(self, kind: str) -> list[dict[str, Any]]:
        """Events up to the first of a kind."""
        events: list[dict[str, Any]] = []
        while not events or events[-1]["type"] != kind:
            events.append(json.loads(await asyncio.wait_for(self._connection.recv(), PATIENCE_SECONDS)))
        return events

    async def closed(self) -> int | None:
        await asyncio.wait_for(self._connection.wait_closed(), PATIENCE_SECONDS)
        return self._connection.close_code


@pytest.fixture
async def call(flow: Flow) -> AsyncIterator[Phone]:
    url = flow.door.url.replace("http", "ws", 1)
    async with connect(f"{url}/v1/audio/realtime") as connection:
        yield Phone(connection)


async def test_a_call_is_held_over_a_websocket(flow: Flow, call: Phone) -> None:
    await call.send("config", template="agent", context="The caller is Ada.", vad={"enabled": False})
    samples = await flow.spoken(QUESTION, Encoding.PCM_S16LE)
    for start in range(0, len(samples), 4800):
        await call.send("audio", data=base64.b64encode(samples[start : start + 4800]).decode())
    await call.send("commit")
    asked = await flow.chat.asked()
    assert asked.messages[-1] == ("user", QUESTION)
    await asked.reply(REPLY)
    events = await call.until("done")
    assert [event["text"] for event in events if event["type"] == "transcription.final"] == [QUESTION]
    assert [event["text"] for event in events if event["type"] == "transcript"] == [REPLY]
    sound = b"".join(base64.b64decode(event["data"]) for event in events if event["type"] == "audio")
    assert await flow.heard(_wave(sound)) == REPLY
    await call.send("end")
    assert await call.closed() == 1000


async def test_a_reply_is_interrupted_and_what_was_played_is_remembered(flow: Flow, call: Phone) -> None:
    await call.send("config", reports_playback=True)
    await call.send("text", text="Count.")
    await (await flow.chat.asked()).reply("One two three. Four five.")
    await call.until("done")
    await call.send("playback", seconds=0.65)
    await call.send("cancel")
    assert (await call.until("interrupted"))[-1]["text"] == "One"
    await call.send("text", text="And?")
    asked = await flow.chat.asked()
    assert asked.messages[1:] == [("user", "Count."), ("assistant", "One"), ("user", "And?")]


@pytest.mark.parametrize(
    ("messages", "code", "close"),
    [
        ([{"type": "text", "text": "Hi."}], "out_of_order", 4400),
        ([{"type": "config", "template": "nobody"}], "pipeline_not_found", 4404),
        ([{"type": "config"}, {"type": "config"}], "out_of_order", 4400),
        ([{"type": "config"}, {"type": "audio", "data": "!"}], "invalid_message", 4400),
        ([{"type": "config"}, {"type": "nonsense"}], "invalid_message", 4400),
        ([{"type": "config"}, {"type": "playback", "seconds": 1}], "invalid_field", 4400),
    ],
)
async def test_what_is_wrong_is_an_event_and_a_close_code(
    call: Phone, messages: list[dict[str, Any]], code: str, close: int
) -> None:
    for message in messages:
        await call.send(**{"kind" if name == "type" else name: value for name, value in message.items()})
    error = (await call.until("error"))[-1]
    assert (error["code"], error["recoverable"]) == (code, False)
    assert await call.closed() == close


async def test_a_caller_who_hangs_up_leaves_nothing_running(flow: Flow) -> None:
    url = flow.door.url.replace("http", "ws", 1)
    async with connect(f"{url}/gateflow/v1/audio/realtime") as connection:
        call = Phone(connection)
        await call.send("config")
        await call.send("text", text="Count.")
        asked = await flow.chat.asked()
        await asked.say("One. ")
        await call.until("audio")
    await asked.was_left()
    await eventually(
        lambda: (
            not (flow.door.speaking.running or flow.door.server.models.transcriber("").live_admission.running)
        )
    )


def _wave(samples: bytes) -> bytes:
    file = io.BytesIO()
    with wave.open(file, "wb") as written:
        written.setparams((1, 2, 24000, 0, "NONE", ""))
        written.writeframes(samples)
    return file.getvalue()
