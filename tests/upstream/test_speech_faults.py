"""Faults of a provider of speech: each has its status, and no answer is taken for complete."""

import asyncio
import base64
import json
import logging
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import grpc
import pytest

from audio_grpc.backends.openai_upstream import breaker
from audio_grpc.client import AsyncClient, Encoding, ServiceError
from audio_grpc.errors import ConfigurationError
from tests.conftest import Start
from tests.eventually import eventually
from tests.upstream.conftest import Providers, speaker, until_idle, upstream
from tests.upstream.faulty import Behaviour, Connection

Code = grpc.StatusCode
SOUND = b"\x10\x20" * 2400
"""100 ms at 24 kHz."""
KEY = "sk-very-secret"


async def spoken(client: AsyncClient, text: str = "Hello.", **options: Any) -> bytes:
    options.setdefault("encoding", Encoding.PCM_S16LE)
    return b"".join([data async for data in client.synthesize(text, **options)])


async def failure_of(client: AsyncClient, **options: Any) -> ServiceError:
    with pytest.raises(ServiceError) as failure:
        await spoken(client, **options)
    return failure.value


async def well(connection: Connection) -> None:
    await connection.head()
    await connection.chunk(SOUND[:1001])  # not a whole number of samples
    await connection.chunk(SOUND[1001:])
    await connection.end()


def answering(status: int, error: dict[str, Any] | None = None, **headers: str) -> Behaviour:
    async def answer(connection: Connection) -> None:
        body = json.dumps({"error": error or {"message": "no"}}).encode()
        await connection.whole(body, status, "application/json", **headers)

    return answer


async def silent(connection: Connection) -> None:
    await connection.until_left()


async def stalling(connection: Connection) -> None:
    await connection.head()
    await connection.chunk(SOUND)
    await connection.until_left()


async def resetting(connection: Connection) -> None:
    await connection.head()
    await connection.chunk(SOUND)
    connection.reset()


async def cutting(connection: Connection) -> None:
    await connection.head()
    await connection.chunk(SOUND)
    await connection.raw(b"ff\r\nnot all of it")
    connection.close()


async def shortening(connection: Connection) -> None:
    await connection.head(content_length=str(len(SOUND) + 2))
    await connection.raw(SOUND)
    connection.close()


async def halving(connection: Connection) -> None:
    await connection.head()
    await connection.chunk(SOUND + b"\0")
    await connection.end()


async def endless(connection: Connection) -> None:
    await connection.head()
    while True:
        await connection.chunk(SOUND)


async def page(connection: Connection) -> None:
    await connection.whole(b"<html>Welcome to the airport's network</html>", kind="text/html")


async def unmeasured(connection: Connection) -> None:
    await connection.head(connection="close")
    await connection.raw(SOUND)
    connection.close()


async def wordy(connection: Connection) -> None:
    await connection.whole(b'{"error": "no sound today"}', kind="application/json")


async def soundless(connection: Connection) -> None:
    await connection.head()
    await connection.end()


async def wave(connection: Connection) -> None:
    await connection.whole(b"RIFF" + bytes(100))


async def redirecting(connection: Connection) -> None:
    await connection.whole(b"", 302, location="http://127.0.0.1:1/elsewhere")


async def endlessly_refusing(connection: Connection) -> None:
    await connection.head(500, "text/html")
    while True:
        await connection.chunk(SOUND)


def event(kind: str, **fields: object) -> str:
    return json.dumps({"type": f"speech.audio.{kind}", **fields})


DELTA = event("delta", audio=base64.b64encode(SOUND).decode())


def saying(*events: str) -> Behaviour:
    async def say(connection: Connection) -> None:
        await connection.events(*events)
        await connection.end()

    return say


@pytest.mark.parametrize(
    ("behaviour", "told"),
    [
        (endlessly_refusing, "status 500"),
        (answering(500), "status 500"),
        (answering(404), "status 404"),
        (answering(401), "refused the server's key"),
        (redirecting, "status 302"),
        (page, "answered with text/html"),
        (wordy, "answered with application/json"),
        (soundless, "sent no sound"),
        (unmeasured, "without its length"),
        (wave, "sent wav when asked for pcm"),
        (resetting, "broke off"),
        (cutting, "broke off"),
        (shortening, "broke off"),
        (halving, "ends too early"),
        (endless, "more than"),
    ],
)
async def test_a_fault_is_a_failure_of_the_upstream(
    start: Start, providers: Providers, behaviour: Behaviour, told: str
) -> None:
    server, client = await start(**speaker(upstream(await providers(behaviour))))
    failure = await failure_of(client)
    assert (failure.code, failure.reason) == (Code.INTERNAL, "UPSTREAM_FAILED")
    assert told in failure.message
    await until_idle(server)


@pytest.mark.parametrize(
    ("behaviour", "told"),
    [
        (well, "set stream_format to audio"),
        (saying(DELTA), "before it was complete"),
        (saying(DELTA, '{"type": "error", "error": {"message": "too hot"}}'), "broke off: too hot"),
        (saying(event("delta", audio="*")), "not base64"),
        (saying(event("delta"), DELTA), "without its audio"),
        (saying(event("done", usage={"input_tokens": 3})), "sent no sound"),
    ],
)
async def test_a_fault_among_events_is_a_failure_of_the_upstream(
    start: Start, providers: Providers, behaviour: Behaviour, told: str
) -> None:
    made = await providers(behaviour)
    _, client = await start(**speaker(upstream(made, stream_format="sse")))
    failure = await failure_of(client)
    assert failure.reason == "UPSTREAM_FAILED"
    assert told in failure.message


async def test_nobody_there_is_a_failure_of_the_upstream(start: Start) -> None:
    _, client = await start(**speaker(upstream("http://127.0.0.1:1/v1")))
    failure = await failure_of(client)
    assert (failure.reason, failure.message) == ("UPSTREAM_FAILED", "the upstream cannot be reached")


@pytest.mark.parametrize(("behaviour", "limit"), [(silent, "first_result"), (stalling, "idle")])
async def test_one_that_keeps_the_caller_waiting_is_given_up(
    start: Start, providers: Providers, behaviour: Behaviour, limit: str
) -> None:
    made = await providers(behaviour)
    server, client = await start(**speaker(upstream(made, **{f"{limit}_seconds": 0.2})))
    failure = await failure_of(client)
    assert (failure.code, failure.reason) == (Code.DEADLINE_EXCEEDED, "UPSTREAM_TIMEOUT")
    assert "sent nothing for 0.2 seconds" in failure.message
    await made.until_left()
    await until_idle(server)


async def test_a_caller_who_leaves_midway_hangs_up_at_the_provider_and_frees_the_place(
    start: Start, providers: Providers
) -> None:
    """Though it would have been waited for, for half a minute."""
    made = await providers(stalling, well)
    server, client = await start(**speaker(upstream(made), concurrency=1))
    async with client.synthesize("Hello.") as speech:
        await anext(aiter(speech))
    await made.until_left()
    await until_idle(server)
    assert await spoken(client) == SOUND


async def test_a_caller_who_leaves_before_the_first_sound_does_so_too(
    start: Start, providers: Providers
) -> None:
    made = await providers(silent, well)
    server, client = await start(**speaker(upstream(made), concurrency=1))
    leaving = asyncio.create_task(spoken(client))
    await eventually(lambda: made.requests)
    leaving.cancel()
    await made.until_left()
    await until_idle(server)
    assert await spoken(client) == SOUND


async def test_first_sound_comes_while_the_rest_is_held_back(start: Start, providers: Providers) -> None:
    heard = asyncio.Event()

    async def holding_back(connection: Connection) -> None:
        await connection.head()
        await connection.chunk(SOUND)
        await heard.wait()
        await connection.chunk(SOUND)
        await connection.end()

    _, client = await start(**speaker(upstream(await providers(holding_back))))
    async with client.synthesize("Hello.", encoding=Encoding.PCM_S16LE) as speech:
        pieces = b""
        async for data in speech:
            pieces += data
            if pieces == SOUND:
                heard.set()
    assert pieces == SOUND * 2


async def test_what_is_sent_is_what_was_asked_for(
    start: Start, providers: Providers, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("THEIR_KEY", KEY)
    made = await providers(well)
    options = speaker(upstream(made, api_key_env="THEIR_KEY"), voices=["anna"], any_voice=True)
    _, client = await start(**options)
    assert await spoken(client, voice="bert", speed=1.5, instructions="Whisper.") == SOUND
    [request] = made.requests
    assert request.line == "POST /v1/audio/speech HTTP/1.1"
    assert request.headers["accept"] == "*/*"
    assert request.headers["authorization"] == f"Bearer {KEY}"
    assert json.loads(request.body) == {
        "model": "theirs",
        "input": "Hello.",
        "voice": "bert",
        "speed": 1.5,
        "instructions": "Whisper.",
        "response_format": "pcm",
    }


async def test_options_that_have_no_effect_there_are_named_and_not_sent(
    start: Start, providers: Providers
) -> None:
    made = await providers(well)
    _, client = await start(**speaker(upstream(made), honours=["speed"]))
    async with client.synthesize("Hello.", instructions="Whisper.") as speech:
        assert (await speech.start()).ignored_fields == ["instructions"]
        async for _ in speech:
            pass
    assert "instructions" not in json.loads(made.requests[0].body)


async def test_a_voice_that_is_not_configured_is_unknown(start: Start, providers: Providers) -> None:
    made = await providers(well)
    _, client = await start(**speaker(upstream(made), voices=["anna"]))
    assert (await failure_of(client, voice="bert")).reason == "VOICE_NOT_FOUND"
    assert made.requests == []


async def test_a_text_without_words_is_not_sent(start: Start, providers: Providers) -> None:
    made = await providers(well)
    _, client = await start(**speaker(upstream(made)))
    assert await spoken(client, "…")
    assert made.requests == []


async def test_what_is_the_callers_to_mend_is_told_as_the_provider_does(
    start: Start, providers: Providers
) -> None:
    refusing = answering(400, {"message": "speed must be 1", "param": "speed", "code": None})
    made, other = await providers(refusing), await providers(well)
    _, client = await start(**speaker(upstream(made, retries=3), upstream(other)))
    failure = await failure_of(client, speed=2.0)
    assert (failure.code, failure.reason, failure.field) == (Code.INVALID_ARGUMENT, "INVALID_FIELD", "speed")
    assert failure.message == "the upstream refused the request: speed must be 1"
    assert (len(made.requests), len(other.requests)) == (1, 0)


async def test_a_model_that_is_configured_wrongly_is_none_of_the_callers_fault(
    start: Start, providers: Providers
) -> None:
    refusing = answering(400, {"message": "no such model", "param": "model"})
    _, client = await start(**speaker(upstream(await providers(refusing))))
    assert (await failure_of(client)).reason == "UPSTREAM_FAILED"


async def test_a_failed_try_is_repeated(start: Start, providers: Providers) -> None:
    made = await providers(answering(503), lambda connection: _reset(connection), well)
    _, client = await start(**speaker(upstream(made, retries=2)))
    assert await spoken(client) == SOUND
    assert len(made.requests) == 3


async def _reset(connection: Connection) -> None:
    connection.reset()


@pytest.mark.parametrize("behaviour", [answering(500), answering(401), answering(429), page, silent])
async def test_the_next_provider_takes_over(start: Start, providers: Providers, behaviour: Behaviour) -> None:
    first, second = await providers(behaviour), await providers(well)
    _, client = await start(**speaker(upstream(first, first_result_seconds=0.2), upstream(second)))
    assert await spoken(client) == SOUND
    assert (len(first.requests), len(second.requests)) == (1, 1)


async def test_nobody_takes_over_once_sound_has_been_sent(start: Start, providers: Providers) -> None:
    first, second = await providers(resetting), await providers(well)
    _, client = await start(**speaker(upstream(first, retries=3), upstream(second)))
    assert (await failure_of(client)).reason == "UPSTREAM_FAILED"
    assert (len(first.requests), len(second.requests)) == (1, 0)


async def test_one_that_is_busy_is_left_alone_until_it_said(start: Start, providers: Providers) -> None:
    made = await providers(answering(429, retry_after="100"), well)
    _, client = await start(**speaker(upstream(made)))
    for _ in range(2):
        failure = await failure_of(client)
        assert (failure.code, failure.reason) == (Code.RESOURCE_EXHAUSTED, "UPSTREAM_BUSY")
        assert failure.retry_after_seconds is not None
        assert 50 < failure.retry_after_seconds <= 100
    assert len(made.requests) == 1


async def test_one_whose_credit_is_used_up_has_failed(start: Start, providers: Providers) -> None:
    made = await providers(answering(429, {"message": "pay", "code": "insufficient_quota"}))
    _, client = await start(**speaker(upstream(made)))
    assert (await failure_of(client)).reason == "UPSTREAM_FAILED"


async def test_one_that_fails_again_and_again_is_left_alone_and_then_tried_by_one_call(
    start: Start, providers: Providers, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [0.0]
    monkeypatch.setattr(breaker, "time", SimpleNamespace(monotonic=lambda: now[0]))
    began, go_on = asyncio.Event(), asyncio.Event()

    async def recovering(connection: Connection) -> None:
        began.set()
        await go_on.wait()
        await well(connection)

    made = await providers(answering(500), answering(500), recovering)
    _, client = await start(**speaker(upstream(made, failures_to_open=2, open_seconds=30)))
    failures = [await failure_of(client) for _ in range(4)]
    assert failures[-1].message.endswith("is left alone for a while")
    assert len(made.requests) == 2

    now[0] = 31.0
    probe = asyncio.create_task(spoken(client))
    await began.wait()
    assert (await failure_of(client)).message.endswith("is left alone for a while")
    go_on.set()
    assert await probe == SOUND
    assert await spoken(client) == SOUND


async def test_failures_of_a_provider_do_not_count_as_crashes_of_the_model(
    start: Start, providers: Providers
) -> None:
    made = await providers(resetting)
    server, client = await start(**speaker(upstream(made)))
    for _ in range(4):
        await failure_of(client)
    await until_idle(server)
    assert server.models.synthesizer("").reloads == 0


@pytest.mark.parametrize("status", [400, 401, 429, 500])
async def test_the_key_is_in_no_message_and_no_log(
    start: Start,
    providers: Providers,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    status: int,
) -> None:
    monkeypatch.setenv("THEIR_KEY", KEY)
    made = await providers(answering(status, {"message": f"Incorrect API key provided: {KEY}"}))
    _, client = await start(**speaker(upstream(made, api_key_env="THEIR_KEY")))
    with caplog.at_level(logging.DEBUG):
        failure = await failure_of(client)
    assert KEY not in failure.message
    assert KEY not in caplog.text
    assert made.requests[0].headers["authorization"] == f"Bearer {KEY}"


async def test_a_key_that_is_missing_is_told_by_the_variables_name(
    start: Start, providers: Providers
) -> None:
    made = await providers(well)
    _, client = await start(**speaker(upstream(made, api_key_env="NO_SUCH_KEY")))
    failure = await failure_of(client)
    assert failure.reason == "MODEL_LOAD_FAILED"
    assert "NO_SUCH_KEY" in failure.message


async def test_a_key_can_be_in_a_file(start: Start, providers: Providers, tmp_path: Path) -> None:
    (tmp_path / "key").write_text(f"{KEY}\n")
    made = await providers(well)
    _, client = await start(**speaker(upstream(made, api_key_file=str(tmp_path / "key"))))
    assert await spoken(client) == SOUND
    assert made.requests[0].headers["authorization"] == f"Bearer {KEY}"


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"base_url": "ftp://there/v1"}, "such as https://api.example.com/v1"),
        ({"base_url": "https://me:secret@there/v1"}, "api_key_env"),
        ({"response_format": "opus"}, "'pcm', 'wav' or 'mp3'"),
        ({"api_key": KEY}, "api_key is no setting"),
    ],
)
async def test_a_configuration_that_cannot_work_is_refused(
    start: Start, options: dict[str, str], told: str
) -> None:
    with pytest.raises(ConfigurationError) as failure:
        await start(**speaker({**upstream("http://there/v1"), **options}))
    assert told in str(failure.value)
    assert "secret" not in str(failure.value)


async def test_a_model_without_an_upstream_is_refused(start: Start) -> None:
    with pytest.raises(ConfigurationError, match="upstreams"):
        await start(**speaker())
