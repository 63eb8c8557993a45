"""Chatterbox's speech: its paths, each of its options, and what is told about bad ones."""

import io
import json
import wave
from base64 import b64decode
from typing import Any

import pytest

from audio_grpc.text import split
from audio_grpc.types import Strategy
from tests.gateway.chatterbox.conftest import OpenActing
from tests.gateway.conftest import Door, Open
from tests.gateway.test_errors import error_of
from tests.gateway.test_speech import LONG, SLOW, TEXT, heard, wave_file
from tests.gateway.test_transcriptions import RECORDING

PREFIXES = ["", "/v1", "/chatterbox", "/chatterbox/v1"]
SPEECH = ["/audio/speech", "/tts", "/audio/speech/stream", "/tts/stream"]
UPLOADS = [f"{path}/upload" for path in SPEECH]
PROSE = (
    "It was late. Nobody had come yet, and the lamps were burning low; still she waited at the door. "
    "Then she heard steps.\n\nThe next morning all was quiet again. A letter lay upon the table. "
    "It had no name on it, and no seal, and it was very long, as letters of that kind are.\n\n"
) * 3


def events(text: str) -> list[dict[str, Any]]:
    lines = [line for line in text.split("\n") if line]
    assert all(line.startswith("data: ") for line in lines)
    return [json.loads(line[6:]) for line in lines]


@pytest.mark.parametrize("prefix", PREFIXES)
async def test_every_path_of_speech_speaks_wav(door: Door, prefix: str) -> None:
    for path in SPEECH:
        reply = await door.http.post(prefix + path, json={"input": "Hello."})
        assert (reply.status_code, reply.headers["content-type"]) == (200, "audio/wav"), path
        assert await heard(door, reply.content) == "Hello."


async def test_texts_may_be_longer_than_chatterbox_takes(door: Door) -> None:
    for path in SPEECH:
        reply = await door.http.post(f"/chatterbox{path}", json={"input": "Hello. " * 500})
        assert (reply.status_code, reply.headers["content-type"]) == (200, "audio/wav"), path


@pytest.mark.parametrize("prefix", PREFIXES)
async def test_every_path_of_uploads_speaks_with_the_sample(open_door: Open, prefix: str) -> None:
    door = await open_door(options={"cloning": True, "wants_transcript": True})
    # This speaker first says what its sample says, which the listener has to find out.
    sample = (await door.http.post("/tts", json={"input": "It is I. "})).content
    sample += bytes(24000)  # so that it is long enough
    files = {"voice_file": ("s.wav", sample, "audio/wav")}
    for path in UPLOADS:
        reply = await door.http.post(prefix + path, data={"input": "Hello."}, files=files)
        assert (reply.status_code, reply.headers["content-type"]) == (200, "audio/wav"), path
        assert await heard(door, reply.content) == "It is I.Hello."
    assert [voice["name"] for voice in (await door.http.get("/v1/audio/voices")).json()["data"]] == ["tone"]


async def test_the_first_44_bytes_are_a_header(door: Door) -> None:
    async with door.http.stream("POST", "/audio/speech/stream", json={"input": TEXT}) as reply:
        data = b"".join([chunk async for chunk in reply.aiter_raw()])
    with wave.open(io.BytesIO(data[:44])) as header:
        assert (header.getnchannels(), header.getsampwidth(), header.getframerate()) == (1, 2, 24000)
    assert await heard(door, data[44:], "pcm") == TEXT


async def test_a_file_that_is_asked_for_whole_has_its_length(door: Door) -> None:
    reply = await door.http.post("/audio/speech", json={"input": "x", "stream": False})
    assert int(reply.headers["content-length"]) == len(reply.content)
    with wave.open(io.BytesIO(reply.content)) as file:
        assert file.getnframes() == 2400


@pytest.mark.parametrize("path", ["/v1/audio/speech", "/audio/speech", "/chatterbox/audio/speech"])
async def test_events_begin_with_the_format_and_carry_bare_samples(door: Door, path: str) -> None:
    reply = await door.http.post(path, json={"input": TEXT, "stream_format": "sse"})
    assert reply.headers["content-type"] == "text/event-stream"
    info, *deltas, done = events(reply.text)
    assert info == {
        "type": "speech.audio.info", "sample_rate": 24000, "channels": 1, "bits_per_sample": 16
    }  # fmt: skip
    assert {delta["type"] for delta in deltas} == {"speech.audio.delta"}
    assert await heard(door, wave_file(b"".join(b64decode(delta["audio"]) for delta in deltas))) == TEXT
    assert done["type"] == "speech.audio.done"
    tokens = done["usage"]
    assert tokens["total_tokens"] == tokens["input_tokens"] + tokens["output_tokens"] > 0


async def test_a_failure_amid_events_is_an_event(open_door: Open) -> None:
    door = await open_door(options={"fail_after": 3})
    reply = await door.http.post("/v1/audio/speech", json={"input": TEXT, "stream_format": "sse"})
    last = events(reply.text)[-1]
    assert (last["type"], last["error"]["code"]) == ("error", "model_failed")


async def test_sound_comes_before_all_is_made(open_door: Open) -> None:
    door = await open_door(**SLOW)
    async with door.http.stream("POST", "/tts/stream", json={"input": LONG}) as reply:
        assert await anext(reply.aiter_raw())
        assert door.speaking.running == 1


async def test_with_a_model_the_path_that_both_have_is_openais(door: Door) -> None:
    body = {"input": TEXT, "model": "tts-1", "voice": "tone"}
    assert (await door.http.post("/v1/audio/speech", json=body)).headers["content-type"] == "audio/mpeg"
    reply = await door.http.post("/v1/audio/speech", json={**body, "stream_format": "sse"})
    assert events(reply.text)[0]["type"] == "speech.audio.delta"
    chatterbox = await door.http.post("/chatterbox/v1/audio/speech", json=body)
    assert chatterbox.headers["content-type"] == "audio/wav"
    alone = await door.http.post("/openai/v1/audio/speech", json={"input": TEXT})
    assert (alone.status_code, error_of(alone)["param"]) == (400, "model")


@pytest.mark.parametrize(
    ("option", "value"),
    [
        *(("exaggeration", 0.25), ("exaggeration", 2), ("cfg_weight", 0), ("cfg_weight", 1.0)),
        *(("temperature", 0.05), ("temperature", 5.0), ("speed", 2.0)),
    ],
)
async def test_what_the_model_can_do_reaches_it(open_acting: OpenActing, option: str, value: float) -> None:
    door, actor = await open_acting()
    reply = await door.http.post("/audio/speech/stream", json={"input": TEXT, option: value})
    assert reply.status_code == 200
    assert "x-ignored-fields" not in reply.headers
    assert [getattr(options, option) for options in actor.options] == [value] * len(actor.pieces)


@pytest.mark.parametrize("form", ["audio", "sse"])
async def test_what_the_model_cannot_do_is_named(door: Door, form: str) -> None:
    options = {"exaggeration": 0.7, "cfg_weight": 0.4, "temperature": 0.9}
    reply = await door.http.post("/audio/speech", json={"input": "x", "stream_format": form, **options})
    assert reply.status_code == 200
    assert set(reply.headers["x-ignored-fields"].split(", ")) == set(options)
    plain = await door.http.post("/audio/speech", json={"input": "x"})
    assert "x-ignored-fields" not in plain.headers


PIECES: list[tuple[dict[str, Any], Strategy, int]] = [
    ({}, Strategy.SENTENCE, 200),
    ({"streaming_strategy": "sentence", "streaming_chunk_size": 50}, Strategy.SENTENCE, 50),
    ({"streaming_strategy": "paragraph", "streaming_chunk_size": 400}, Strategy.PARAGRAPH, 400),
    ({"streaming_strategy": "fixed", "streaming_chunk_size": 150}, Strategy.FIXED, 150),
    ({"streaming_strategy": "word", "streaming_chunk_size": 100}, Strategy.WORD, 100),
    ({"streaming_chunk_size": 500}, Strategy.SENTENCE, 500),
    ({"streaming_quality": "fast"}, Strategy.WORD, 100),
    ({"streaming_quality": "balanced"}, Strategy.SENTENCE, 200),
    ({"streaming_quality": "high"}, Strategy.PARAGRAPH, 300),
    ({"streaming_quality": "fast", "streaming_chunk_size": 80}, Strategy.WORD, 80),
    ({"streaming_quality": "high", "streaming_strategy": "fixed"}, Strategy.FIXED, 300),
]


@pytest.mark.parametrize(("options", "strategy", "size"), PIECES)
async def test_the_text_is_cut_as_was_asked_for(
    open_acting: OpenActing, options: dict[str, Any], strategy: Strategy, size: int
) -> None:
    door, actor = await open_acting()
    reply = await door.http.post("/audio/speech/stream", json={"input": PROSE, **options})
    assert reply.status_code == 200
    assert actor.pieces == list(split(PROSE, strategy=strategy, target_size=size))
    assert "".join(actor.pieces) == PROSE


@pytest.mark.parametrize("size", [1, 10])
async def test_the_buffer_is_how_far_the_model_goes_ahead(open_door: Open, size: int) -> None:
    door = await open_door(read_ahead=20)
    worker_of: list[int] = []
    loaded = await door.server.models.synthesizer("").load()
    start = loaded.worker.start

    def started(*arguments: Any) -> Any:
        stream = start(*arguments)
        worker_of.append(stream._read_ahead)
        return stream

    loaded.worker.start = started  # type: ignore[assignment, method-assign]
    await door.http.post("/tts", json={"input": "x", "streaming_buffer_size": size})
    await door.http.post("/tts", json={"input": "x"})
    assert worker_of == [size, 3]


BAD: list[tuple[dict[str, Any], str]] = [
    ({"exaggeration": 0.24}, "exaggeration"),
    ({"exaggeration": 2.1}, "exaggeration"),
    ({"exaggeration": "much"}, "exaggeration"),
    ({"cfg_weight": -0.1}, "cfg_weight"),
    ({"cfg_weight": 1.1}, "cfg_weight"),
    ({"temperature": 0.04}, "temperature"),
    ({"temperature": 5.1}, "temperature"),
    ({"speed": 5}, "speed"),
    ({"streaming_chunk_size": 49}, "streaming_chunk_size"),
    ({"streaming_chunk_size": 501}, "streaming_chunk_size"),
    ({"streaming_chunk_size": 99.5}, "streaming_chunk_size"),
    ({"streaming_strategy": "syllable"}, "streaming_strategy"),
    ({"streaming_buffer_size": 0}, "streaming_buffer_size"),
    ({"streaming_buffer_size": 11}, "streaming_buffer_size"),
    ({"streaming_quality": "best"}, "streaming_quality"),
    ({"response_format": "midi"}, "response_format"),
    ({"stream_format": "websocket"}, "stream_format"),
    ({"input": ""}, "input"),
    ({"input": "  "}, "input"),
    ({"input": 7.5}, "input"),
    ({"input": None}, "input"),
]


@pytest.mark.parametrize(("options", "param"), BAD)
async def test_what_is_out_of_range_is_named(door: Door, options: dict[str, Any], param: str) -> None:
    for path in ("/audio/speech", "/v1/audio/speech", "/v1/audio/speech/stream"):
        reply = await door.http.post(path, json={"input": "x", **options})
        error = error_of(reply)
        assert (reply.status_code, error["param"], error["type"]) == (400, param, "invalid_request_error")
        assert error["message"]
    if None in options.values() or options.get("input") == 7.5:
        return  # forms have nothing but text
    form = {"input": "x", **{name: str(value) for name, value in options.items()}}
    reply = await door.http.post("/tts/upload", data=form)
    assert (reply.status_code, error_of(reply)["param"]) == (400, param)


@pytest.mark.parametrize("voice", ["nobody", "../../etc/passwd", "voice_0123456789abcdef"])
async def test_an_unknown_voice_is_no_path(door: Door, voice: str) -> None:
    reply = await door.http.post("/audio/speech", json={"input": "x", "voice": voice})
    assert (reply.status_code, error_of(reply)["param"], error_of(reply)["code"]) == (
        *(404, "voice"),
        "voice_not_found",
    )


async def test_forms_without_a_file_are_spoken_in_the_default_voice(open_acting: OpenActing) -> None:
    door, actor = await open_acting()
    fields = {"input": "Grüße & Küsse", "exaggeration": "0.7", "streaming_chunk_size": "50"}
    urlencoded = await door.http.post("/audio/speech/upload", data=fields)
    multipart = await door.http.post("/audio/speech/upload", files={k: (None, v) for k, v in fields.items()})
    as_json = await door.http.post("/audio/speech/upload", json=fields | {"exaggeration": 0.7, "seed": None})
    assert urlencoded.status_code == multipart.status_code == as_json.status_code == 200
    assert actor.pieces == ["Grüße & Küsse"] * 3
    assert [(options.exaggeration, options.sample) for options in actor.options] == [(0.7, None)] * 3


async def test_a_sample_needs_a_model_that_can(door: Door) -> None:
    files = {"voice_file": ("a.flac", RECORDING)}
    reply = await door.http.post("/tts/upload", data={"input": "x"}, files=files)
    assert (reply.status_code, error_of(reply)["param"]) == (400, "voice_file")
    assert error_of(reply)["code"] == "option_unsupported"
    assert "cannot speak with the voice of a sample" in error_of(reply)["message"]


@pytest.mark.parametrize(
    ("sample", "status"),
    [(b"no sound", 400), (RECORDING[:5000], 400), (bytes((10 << 20) + 1), 413)],
    ids=["no sound", "cut short", "too large"],
)
async def test_samples_that_are_none(open_door: Open, sample: bytes, status: int) -> None:
    door = await open_door(options={"cloning": True})
    files = {"voice_file": ("../../a.wav", sample)}
    for path in UPLOADS:
        reply = await door.http.post(path, data={"input": "x"}, files=files)
        assert (reply.status_code, error_of(reply)["param"]) == (status, "voice_file")


async def test_a_form_that_is_none(door: Door) -> None:
    for body in (["x"], None):
        reply = await door.http.post("/tts/upload", json=body)
        assert (reply.status_code, error_of(reply)["code"]) == (400, "invalid_form")
    nested = await door.http.post("/tts/upload", json={"input": "x", "exaggeration": [0.5]})
    assert (nested.status_code, error_of(nested)["param"]) == (400, "exaggeration")
    broken = await door.http.post("/tts/upload", content=b"{", headers={"content-type": "application/json"})
    assert broken.status_code == 400
    missing = await door.http.post("/tts/upload", data={"voice": "tone"})
    assert (missing.status_code, error_of(missing)["param"]) == (400, "input")
    large = await door.http.post("/tts/upload", data={"input": "x" * ((1 << 20) + 1)})
    assert large.status_code == 413
