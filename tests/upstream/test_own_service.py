"""Our own service as the provider of our own service: gateway, server, and the tone backends behind them."""

import asyncio
from typing import Any

import pytest

from audio_grpc.client import Encoding, ServiceError
from tests.conftest import Start
from tests.eventually import eventually
from tests.gateway.conftest import Door, Open
from tests.upstream.conftest import Providers, listener, speaker, until_idle, upstream
from tests.upstream.faulty import Connection
from tests.upstream.test_speech_faults import SOUND, answering, page, resetting, silent

TEXT = "Hello there. Grüße an alle! Goodbye."


def served_by(door: Door, **options: Any) -> dict[str, Any]:
    """Returns the settings of an upstream that is a service of ours."""
    return upstream(f"{door.url}/v1", model="tts-1", **options)


async def heard(door: Door, audio: bytes) -> str:
    """Returns the tone listener's transcript of audio, through a gateway."""
    reply = await door.openai.audio.transcriptions.create(model="whisper-1", file=("a.wav", audio))
    return reply.text


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"response_format": "wav"},
        {"response_format": "mp3"},
        {"stream_format": "sse"},
        {"stream_format": "sse", "response_format": "wav"},
    ],
    ids=lambda options: " ".join(options.values()) or "pcm",
)
async def test_speech_comes_through_in_whatever_form_it_is_asked_for(
    start: Start, door: Door, options: dict[str, Any]
) -> None:
    # Each MP3 file begins and ends with some silence, and the tone listener wants its bytes 100 ms apart.
    text = "Hello there." if "mp3" in options.values() else TEXT
    _, client = await start(**speaker(served_by(door, **options), voices=["tone"]))
    async with client.synthesize(text, encoding=Encoding.WAV) as speech:
        audio = b"".join([data async for data in speech])
        usage = speech.finished.usage
    assert await heard(door, audio) == text
    if "stream_format" in options:
        assert usage.input_tokens == len(TEXT.encode()), "what the provider states"


async def test_the_samples_are_those_that_the_provider_made(start: Start, door: Door) -> None:
    _, client = await start(**speaker(served_by(door), voices=["tone"]))
    made = await door.http.post(
        "/v1/audio/speech", json={"model": "tts-1", "input": "Hi.", "response_format": "pcm"}
    )
    sound = [data async for data in client.synthesize("Hi.", encoding=Encoding.PCM_S16LE)]
    assert b"".join(sound) == made.content


async def test_speech_is_heard_while_the_provider_speaks(start: Start, open_door: Open) -> None:
    """The text would take minutes; whoever leaves stops both services."""
    door = await open_door(options={"delay_seconds": 0.05})
    server, client = await start(**speaker(served_by(door), voices=["tone"]))
    async with client.synthesize("word " * 800) as speech:
        await anext(aiter(speech))
    await until_idle(server)
    await eventually(lambda: not door.speaking.running)


@pytest.mark.parametrize("streaming", [True, False])
async def test_a_transcript_comes_through(start: Start, door: Door, streaming: bool) -> None:
    audio = (await door.http.post("/v1/audio/speech", json={"model": "tts-1", "input": TEXT})).content
    _, client = await start(**listener(upstream(f"{door.url}/v1", model="whisper-1", streaming=streaming)))
    async with client.transcribe(audio) as transcript:
        segments = [segment async for segment in transcript]
        assert "".join(segment.text for segment in segments).strip() == TEXT
        assert len(segments) == 3
        assert transcript.finished.usage.output_tokens == len(TEXT.encode())


async def test_words_and_their_times_come_through(start: Start, door: Door) -> None:
    audio = (await door.http.post("/v1/audio/speech", json={"model": "tts-1", "input": TEXT})).content
    _, client = await start(**listener(upstream(f"{door.url}/v1", model="whisper-1")))
    theirs = await door.openai.audio.transcriptions.create(
        model="whisper-1",
        file=("a.mp3", audio),
        response_format="verbose_json",
        timestamp_granularities=["word", "segment"],
    )
    ours = [segment async for segment in client.transcribe(audio, word_timestamps=True)]
    assert [segment.start for segment in ours] == pytest.approx([one.start for one in theirs.segments or ()])
    words = [word for segment in ours for word in segment.words]
    assert [word.text.strip() for word in words] == [word.word for word in theirs.words or ()]
    assert [word.end for word in words] == pytest.approx([word.end for word in theirs.words or ()])
    assert "".join(word.text for word in words).strip() == TEXT


async def test_segments_are_heard_while_the_provider_listens(start: Start, open_door: Open) -> None:
    door = await open_door(listener={"options": {"delay_seconds": 0.5}})
    audio = (await door.http.post("/v1/audio/speech", json={"model": "tts-1", "input": "A. " * 60})).content
    hearing = listener(upstream(f"{door.url}/v1", model="whisper-1", streaming=True))
    server, client = await start(**hearing)
    async with client.transcribe(audio) as transcript:
        assert (await anext(aiter(transcript))).text == " A. "
    await until_idle(server)
    await eventually(lambda: not door.hearing.running)


async def test_a_full_queue_there_says_when_to_come_back(start: Start, open_door: Open) -> None:
    door = await open_door(concurrency=1, queue=0, options={"delay_seconds": 0.05})
    _, client = await start(**speaker(served_by(door), voices=["tone"]))
    async with client.synthesize("word " * 800) as speech:
        await anext(aiter(speech))
        refused = await door.http.post("/v1/audio/speech", json={"model": "tts-1", "input": "Hi."})
        assert refused.status_code == 429
        with pytest.raises(ServiceError) as failure:
            await anext(aiter(client.synthesize("Hi.")))
    assert failure.value.reason == "UPSTREAM_BUSY"
    assert failure.value.retry_after_seconds


@pytest.mark.parametrize(
    ("behaviour", "status", "code"),
    [
        (answering(500), 502, "upstream_failed"),
        (page, 502, "upstream_failed"),
        (silent, 504, "upstream_timeout"),
        (answering(429, retry_after="5"), 429, "rate_limit_exceeded"),
        (answering(400, {"message": "no"}), 400, "invalid_field"),
    ],
)
async def test_the_gateway_has_a_status_for_each_fault(
    open_door: Open, providers: Providers, behaviour: Any, status: int, code: str
) -> None:
    made = await providers(behaviour)
    door = await open_door(**speaker(upstream(made, first_result_seconds=0.3)))
    reply = await door.http.post("/v1/audio/speech", json={"model": "tts-1", "input": "Hi."})
    assert (reply.status_code, reply.json()["error"]["code"]) == (status, code)
    assert reply.headers.get("retry-after") == ("5" if status == 429 else None)


async def test_what_breaks_off_midway_is_an_error_event_at_the_gateway(
    open_door: Open, providers: Providers
) -> None:
    door = await open_door(**speaker(upstream(await providers(resetting))))
    request = {"model": "tts-1", "input": "Hi.", "stream_format": "sse", "response_format": "pcm"}
    reply = await door.http.post("/v1/audio/speech", json=request)
    *_, last = reply.text.strip().split("\n\n")
    assert '"type":"error"' in last
    assert '"code":"upstream_failed"' in last


async def test_many_callers_wait_at_the_same_time(start: Start, providers: Providers) -> None:
    """No call holds a thread that another one needs."""
    here = asyncio.Barrier(8)

    async def together(connection: Connection) -> None:
        await here.wait()
        await connection.whole(SOUND)

    _, client = await start(**speaker(upstream(await providers(together)), concurrency=8))

    async def spoken() -> bytes:
        return b"".join([data async for data in client.synthesize("Hi.", encoding=Encoding.PCM_S16LE)])

    assert await asyncio.gather(*(spoken() for _ in range(8))) == [SOUND] * 8
