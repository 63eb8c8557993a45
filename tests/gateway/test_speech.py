"""OpenAI's speech endpoint, through the unmodified openai package."""

import asyncio
import io
import json
import wave
from base64 import b64decode
from typing import Any

import openai
import pytest

from audio_grpc.client import AsyncClient, Encoding
from tests.conftest import PATIENCE_SECONDS
from tests.eventually import eventually
from tests.gateway.conftest import KEY, Door, Open
from tests.headers import headed

FORMATS = ["mp3", "opus", "aac", "flac", "wav", "pcm"]
MEDIA_TYPES = {
    "mp3": "audio/mpeg",
    "opus": "audio/ogg",
    "aac": "audio/aac",
    "flac": "audio/flac",
    "wav": "audio/wav",
    "pcm": "audio/pcm",
}
TEXT = "It is all there. Not a word is lost!"
LONG = "This goes on for longer than anybody would like to wait for it. " * 20
SLOW = {"options": {"delay_seconds": 0.05}, "read_ahead": 1, "concurrency": 1}


async def heard(door: Door, audio: bytes, form: str = "wav") -> str:
    """Returns the listener's transcript of the audio."""
    if form == "pcm":
        audio = wave_file(audio)
    async with AsyncClient(door.server.address) as client:
        return "".join([segment.text async for segment in client.transcribe(audio)])


def wave_file(samples: bytes) -> bytes:
    file = io.BytesIO()
    with wave.open(file, "wb") as written:
        written.setparams((1, 2, 24000, 0, "NONE", ""))
        written.writeframes(samples)
    return file.getvalue()


@pytest.mark.parametrize("form", FORMATS)
async def test_every_format_says_the_text(door: Door, form: Any) -> None:
    reply = await door.openai.audio.speech.create(
        model="tts-1", voice="tone", input=TEXT, response_format=form
    )
    assert reply.response.headers["content-type"].partition(";")[0] == MEDIA_TYPES[form]
    assert await heard(door, reply.content, form) == TEXT


@pytest.mark.parametrize(("form", "code"), [("mulaw", "audio/pcmu"), ("alaw", "audio/pcma")])
async def test_telephone_codes_say_the_text(door: Door, form: Any, code: str) -> None:
    reply = await door.openai.audio.speech.create(
        model="tts-1", voice="tone", input=TEXT, response_format=form
    )
    assert reply.response.headers["content-type"].partition(";")[0] == code
    assert await heard(door, headed(reply.content, Encoding(form), 8000)) == TEXT


@pytest.mark.parametrize("form", FORMATS)
async def test_the_first_bytes_arrive_before_the_last_are_made(open_door: Open, form: Any) -> None:
    door = await open_door(**SLOW)
    speech = door.openai.audio.speech.with_streaming_response
    async with speech.create(model="tts-1", voice="tone", input=LONG, response_format=form) as reply:
        assert await anext(reply.iter_bytes())
        assert door.speaking.running == 1


async def test_the_synchronous_client_speaks_as_well(neural: Door) -> None:
    await asyncio.to_thread(_speak_synchronously, neural.url)


def _speak_synchronously(url: str) -> None:
    with openai.OpenAI(base_url=f"{url}/v1", api_key=KEY, max_retries=0) as client:
        reply = client.audio.speech.create(
            model="tts-1", voice="alloy", input="Hello.", response_format="wav"
        )
        transcript = client.audio.transcriptions.create(model="whisper-1", file=("a.wav", reply.content))
        assert transcript.text.startswith("Hello")
        with client.audio.speech.with_streaming_response.create(
            model="tts-1", voice="alloy", input="Hello.", response_format="pcm"
        ) as streamed:
            assert sum(map(len, streamed.iter_bytes())) == len(reply.content) - 44
        events = client.audio.transcriptions.create(
            model="whisper-1", file=("a.wav", reply.content), stream=True
        )
        deltas = [event.delta for event in events if event.type == "transcript.text.delta"]
        assert "".join(deltas) == transcript.text
        assert "tts-1" in {model.id for model in client.models.list()}
        with pytest.raises(openai.NotFoundError):
            client.models.retrieve("nothing")


async def test_a_voice_can_be_named_by_an_id(door: Door) -> None:
    reply = await door.openai.audio.speech.create(
        model="tts-1", voice={"id": "tone"}, input=TEXT, response_format="wav"
    )
    assert await heard(door, reply.content) == TEXT


async def test_a_stream_has_no_length_and_a_header_that_says_so(door: Door) -> None:
    reply = await door.openai.audio.speech.create(
        model="tts-1", voice="tone", input=TEXT, response_format="wav"
    )
    assert "content-length" not in reply.response.headers
    assert reply.content[4:8] == reply.content[40:44] == b"\xff\xff\xff\xff"


async def test_a_whole_file_has_its_exact_sizes(door: Door) -> None:
    reply = await door.openai.audio.speech.create(
        model="tts-1", voice="tone", input=TEXT, response_format="wav", extra_body={"stream": False}
    )
    assert int(reply.response.headers["content-length"]) == len(reply.content)
    with wave.open(io.BytesIO(reply.content)) as file:
        assert (file.getnframes() + 22) * 2 == len(reply.content)
    assert await heard(door, reply.content) == TEXT


@pytest.mark.parametrize("form", ["mp3", "pcm"])
async def test_a_whole_file_is_the_stream_in_one(door: Door, form: str) -> None:
    body = {"model": "tts-1", "input": TEXT, "response_format": form}
    whole = await door.http.post("/v1/audio/speech", json={**body, "stream": False})
    streamed = await door.http.post("/v1/audio/speech", json={**body, "stream": True})
    assert whole.content == streamed.content
    assert int(whole.headers["content-length"]) == len(whole.content)


@pytest.mark.parametrize(("asked", "rate"), [({}, 24000), ({"sample_rate": 8000}, 8000)])
async def test_the_sample_rate_can_be_chosen(door: Door, asked: dict[str, int], rate: int) -> None:
    body = {"model": "tts-1", "input": TEXT, "response_format": "wav", "stream": False, **asked}
    reply = await door.http.post("/v1/audio/speech", json=body)
    with wave.open(io.BytesIO(reply.content)) as file:
        assert file.getframerate() == rate


async def events_of(door: Door, **changes: Any) -> list[dict[str, Any]]:
    body = {"model": "tts-1", "input": TEXT, "response_format": "wav", "stream_format": "sse", **changes}
    reply = await door.http.post("/v1/audio/speech", json=body)
    assert reply.headers["content-type"].startswith("text/event-stream")
    return [json.loads(line.removeprefix("data: ")) for line in reply.text.split("\n\n") if line]


async def test_events_carry_the_audio_and_the_usage_that_grpc_reports(door: Door) -> None:
    events = await events_of(door)
    done = events.pop()
    assert {event["type"] for event in events} == {"speech.audio.delta"}
    audio = b"".join(b64decode(event["audio"]) for event in events)
    assert await heard(door, audio) == TEXT
    async with AsyncClient(door.server.address) as client, client.synthesize(TEXT) as speech:
        assert audio == b"".join([data async for data in speech])
    usage = speech.finished.usage
    assert usage.input_tokens == len(TEXT)
    assert done == {
        "type": "speech.audio.done",
        "usage": {
            "input_tokens": usage.input_tokens,
            "output_tokens": 0,
            "total_tokens": usage.input_tokens,
            "characters": usage.characters,
            "seconds": usage.audio_duration.ToMicroseconds() / 1e6,
        },
    }


async def test_the_first_event_arrives_before_the_last_is_made(open_door: Open) -> None:
    door = await open_door(**SLOW)
    body = {"model": "tts-1", "input": LONG, "stream_format": "sse"}
    async with door.http.stream("POST", "/v1/audio/speech", json=body) as reply:
        line = await anext(reply.aiter_lines())
        assert json.loads(line.removeprefix("data: "))["type"] == "speech.audio.delta"
        assert door.speaking.running == 1


async def test_fields_that_the_model_does_not_use_are_named(door: Door) -> None:
    body = {"model": "tts-1", "input": "Hi.", "instructions": "Cheerfully.", "speed": 2, "unheard_of": 1}
    reply = await door.http.post("/v1/audio/speech", json=body)
    assert reply.status_code == 200
    assert set(reply.headers["x-ignored-fields"].split(", ")) == {"instructions", "speed", "unheard_of"}


async def test_speed_and_voice_reach_a_real_model(neural: Door) -> None:
    async def size(**options: Any) -> int:
        reply = await neural.openai.audio.speech.create(
            model="tts-1", voice="alloy", input=TEXT, response_format="pcm", **options
        )
        return len(reply.content)

    assert await size(speed=2.0) < 0.7 * await size() < 0.7 * await size(speed=0.5)


async def test_a_caller_who_leaves_stops_the_model(open_door: Open) -> None:
    door = await open_door(**SLOW, queue=1)
    body = {"model": "tts-1", "input": LONG, "response_format": "pcm"}
    async with door.http.stream("POST", "/v1/audio/speech", json=body) as reply:
        await anext(reply.aiter_bytes())
        assert door.speaking.running == 1
    # The text would go on for a minute and a half; the place is free after a chunk.
    place = await asyncio.wait_for(door.speaking.enter(), PATIENCE_SECONDS)
    place.leave()


async def test_a_caller_who_leaves_the_queue_is_not_served(open_door: Open) -> None:
    door = await open_door(**SLOW, queue=1)
    body = {"model": "tts-1", "input": LONG, "response_format": "pcm"}
    async with door.http.stream("POST", "/v1/audio/speech", json=body) as reply:
        await anext(reply.aiter_bytes())
        waiting = asyncio.create_task(door.http.post("/v1/audio/speech", json=body))
        await eventually(lambda: door.speaking.waiting)
        waiting.cancel()
        await eventually(lambda: not door.speaking.waiting)


async def test_http_1_0_gets_a_length_since_a_cut_could_not_be_seen(door: Door) -> None:
    body = json.dumps({"model": "tts-1", "input": TEXT, "response_format": "wav"}).encode()
    reader, writer = await asyncio.open_connection(*door.url.removeprefix("http://").split(":"))
    writer.write(
        b"POST /v1/audio/speech HTTP/1.0\r\ncontent-type: application/json\r\n"
        b"content-length: %d\r\n\r\n" % len(body) + body
    )
    head, _, audio = (await reader.read()).partition(b"\r\n\r\n")
    writer.close()
    assert f"content-length: {len(audio)}".encode() in head.lower()
    assert await heard(door, audio) == TEXT
