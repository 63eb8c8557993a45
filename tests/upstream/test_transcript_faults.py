"""Faults of a provider of transcripts: each has its status, and no answer is taken for complete."""

import asyncio
import json
from collections.abc import Callable
from typing import Any

import grpc
import numpy as np
import pytest

from audio_grpc.audio import encode
from audio_grpc.client import AsyncClient, Segment, ServiceError, Task
from audio_grpc.types import Audio, Encoding
from tests.conftest import Start
from tests.eventually import eventually
from tests.upstream.conftest import Providers, listener, until_idle, upstream
from tests.upstream.faulty import Behaviour, Connection

Code = grpc.StatusCode
SILENCE = Audio(np.zeros(16000, np.float32), 16000)
RECORDING = b"".join(encode([SILENCE], Encoding.WAV, 16000))
"""One second."""
DELTA = json.dumps({"type": "transcript.text.delta", "delta": "Good"})
DONE = json.dumps({"type": "transcript.text.done", "text": "Good day.", "usage": {"output_tokens": 7}})
VERBOSE = {
    "task": "transcribe",
    "language": "german",
    "duration": 1.0,
    "text": "Guten Tag, Welt. Ende.",
    "segments": [
        {"id": 0, "seek": 3, "start": 0.0, "end": 0.6, "text": "Guten Tag, Welt.", "tokens": [5, 6],
         "temperature": 0.2, "avg_logprob": -0.5, "compression_ratio": 1.5, "no_speech_prob": 0.25},
        {"id": 1, "start": 0.6, "end": 1.0, "text": " Ende."},
    ],
    "words": [
        {"word": "Guten", "start": 0.0, "end": 0.2},
        {"word": "Tag", "start": 0.2, "end": 0.3},
        {"word": "Welt", "start": 0.3, "end": 0.6},
        {"word": "Ende", "start": 0.6, "end": 1.0},
    ],
}  # fmt: skip


async def heard(client: AsyncClient, **options: Any) -> list[Segment]:
    return [segment async for segment in client.transcribe(RECORDING, **options)]


async def failure_of(client: AsyncClient) -> ServiceError:
    with pytest.raises(ServiceError) as failure:
        await heard(client)
    return failure.value


def answering(body: object, kind: str = "application/json", status: int = 200) -> Behaviour:
    async def answer(connection: Connection) -> None:
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        await connection.whole(data, status, kind)

    return answer


def saying(*events: str, then: Callable[[Connection], Any] = Connection.end) -> Behaviour:
    async def say(connection: Connection) -> None:
        await connection.events(*events)
        if (ending := then(connection)) is not None:
            await ending

    return say


async def endless(connection: Connection) -> None:
    await connection.events()
    while True:
        await connection.chunk(f"data: {DELTA}\n\n".encode() * 100)


async def endless_json(connection: Connection) -> None:
    await connection.head(kind="application/json")
    while True:
        await connection.chunk(b" " * (1 << 20))


@pytest.mark.parametrize(
    ("behaviour", "told"),
    [
        (answering({}, status=500), "status 500"),
        (answering(b"<html></html>", "text/html"), "answered with text/html"),
        (answering(b"<html></html>"), "cannot be read"),
        (answering({"words": []}), "cannot be read"),
        (answering({"text": "a", "segments": [{"text": "a", "start": -1, "end": 0}]}), "cannot be read"),
        (endless, "more than 10100 characters"),
        (endless_json, "more than 32 MiB"),
        (answering(b"x", "application/json\r\ncontent-encoding: gzip"), "compressed its answer"),
        (saying("no json"), "not JSON"),
        (saying("[" * 100_000), "not JSON"),
        (saying('["no object"]'), "no JSON object"),
        (saying(DELTA), "before it was complete"),
        (saying(DELTA, "[DONE]"), "before it was complete"),
        (saying(DELTA, then=Connection.reset), "broke off"),
        (saying(DELTA, then=Connection.close), "broke off"),
        (
            saying(DELTA, '{"type": "error", "error": {"message": "out of memory"}}'),
            "broke off: out of memory",
        ),
        (saying('{"error": {"message": "out of memory"}}'), "broke off: out of memory"),
        (saying(DELTA, '{"type": "transcript.text.delta"}'), "without its text"),
    ],
)
async def test_a_fault_is_a_failure_of_the_upstream(
    start: Start, providers: Providers, behaviour: Behaviour, told: str
) -> None:
    server, client = await start(**listener(upstream(await providers(behaviour), streaming=True)))
    failure = await failure_of(client)
    assert (failure.code, failure.reason) == (Code.INTERNAL, "UPSTREAM_FAILED")
    assert told in failure.message
    await until_idle(server)


async def test_what_was_heard_before_the_fault_came_through(start: Start, providers: Providers) -> None:
    made = await providers(saying(DELTA, then=Connection.reset))
    _, client = await start(**listener(upstream(made, streaming=True)))
    transcript = client.transcribe(RECORDING)
    assert (await anext(aiter(transcript))).text == " Good"
    with pytest.raises(ServiceError):
        await anext(aiter(transcript))


async def test_a_caller_who_leaves_hangs_up_and_frees_the_place(start: Start, providers: Providers) -> None:
    made = await providers(saying(DELTA, then=Connection.until_left))
    server, client = await start(**listener(upstream(made, streaming=True), concurrency=1))
    async with client.transcribe(RECORDING) as transcript:
        assert (await anext(aiter(transcript))).text == " Good"
    await made.until_left()
    await until_idle(server)


async def test_one_who_leaves_before_the_first_word_hangs_up_too(start: Start, providers: Providers) -> None:
    made = await providers(Connection.until_left)
    server, client = await start(**listener(upstream(made), concurrency=1))
    leaving = asyncio.create_task(heard(client))
    await eventually(lambda: made.requests)
    leaving.cancel()
    await made.until_left()
    await until_idle(server)


async def test_the_first_words_come_while_the_rest_is_held_back(start: Start, providers: Providers) -> None:
    came = asyncio.Event()

    async def holding_back(connection: Connection) -> None:
        await connection.events(DELTA)
        await came.wait()
        await connection.chunk(f"data: {DELTA}\n\ndata: {DONE}\n\n".encode())
        await connection.end()

    _, client = await start(**listener(upstream(await providers(holding_back), streaming=True)))
    async with client.transcribe(RECORDING) as transcript:
        said = []
        async for segment in transcript:
            said.append(segment.text)
            came.set()
        assert said == [" Good", "Good"]
        assert transcript.finished.usage.output_tokens == 7, "what the provider states"


async def test_a_stream_without_deltas_has_its_text_in_the_last_event(
    start: Start, providers: Providers
) -> None:
    _, client = await start(**listener(upstream(await providers(saying(DONE)), streaming=True)))
    assert [segment.text for segment in await heard(client)] == [" Good day."]


async def test_one_that_knows_nothing_of_streams_is_understood(start: Start, providers: Providers) -> None:
    _, client = await start(**listener(upstream(await providers(answering({"text": "Hi."})), streaming=True)))
    assert [(one.text, one.start, one.end) for one in await heard(client)] == [(" Hi.", 0.0, 1.0)]


async def test_verbose_json_passes_without_loss(start: Start, providers: Providers) -> None:
    made = await providers(answering(VERBOSE))
    _, client = await start(**listener(upstream(made, streaming=True)))
    async with client.transcribe(RECORDING, word_timestamps=True) as transcript:
        first, second = [segment async for segment in transcript]
        assert (await transcript.start()).language_code == "de"
    assert (first.text, second.text) == (" Guten Tag, Welt.", " Ende.")
    assert (first.start, first.end) == pytest.approx((0.0, 0.6))
    assert (first.tokens, first.seek) == ((5, 6), 3)
    measures = (first.temperature, first.avg_logprob, first.compression_ratio, first.no_speech_prob)
    assert measures == pytest.approx((0.2, -0.5, 1.5, 0.25))
    assert second.avg_logprob is None
    assert [word.text for word in first.words] == [" Guten", " Tag", ", Welt."]
    [word] = second.words
    assert word.text == " Ende."
    assert (word.start, word.end) == pytest.approx((0.6, 1.0))
    assert b'name="timestamp_granularities[]"\r\n\r\nword\r\n' in made.requests[0].body


async def test_what_is_sent_is_what_was_asked_for(start: Start, providers: Providers) -> None:
    made = await providers(saying(DONE))
    _, client = await start(**listener(upstream(made, streaming=True)))
    async for _ in client.transcribe(RECORDING, language_code="de-AT", prompt="Grüß Gott", temperature=0.5):
        pass
    [request] = made.requests
    assert request.line == "POST /v1/audio/transcriptions HTTP/1.1"
    assert request.headers["accept"] == "text/event-stream"
    for name, value in {
        "model": "theirs",
        "language": "de",
        "prompt": "Grüß Gott",
        "temperature": "0.5",
        "response_format": "json",
        "stream": "true",
    }.items():
        assert f'name="{name}"\r\n\r\n{value}\r\n'.encode() in request.body
    assert b'filename="audio.wav"' in request.body
    assert RECORDING[44:] in request.body


async def test_a_translation_goes_to_its_own_path(start: Start, providers: Providers) -> None:
    made = await providers(answering({"text": "Good day.", "language": "english"}))
    _, client = await start(**listener(upstream(made, streaming=True)))
    async with client.transcribe(RECORDING, task=Task.TRANSLATE, language_code="de") as transcript:
        assert [segment.text async for segment in transcript] == [" Good day."]
        assert (await transcript.start()).language_code == "de", "what was spoken, not what is written"
    assert made.requests[0].line == "POST /v1/audio/translations HTTP/1.1"
    assert b'name="language"' not in made.requests[0].body


async def test_the_next_provider_takes_over(start: Start, providers: Providers) -> None:
    first, second = await providers(answering({}, status=502)), await providers(answering({"text": "Hi."}))
    _, client = await start(**listener(upstream(first), upstream(second)))
    assert [segment.text for segment in await heard(client)] == [" Hi."]
