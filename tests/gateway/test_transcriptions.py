"""OpenAI's transcription and translation endpoints, through the unmodified openai package and by hand."""

import asyncio
import json
import math
from collections.abc import AsyncIterator
from typing import Any

import pytest
from openai.types.audio import TranscriptionVerbose

from audio_grpc.client import AsyncClient, Task
from audio_grpc.languages import language_name
from tests.conftest import DATA
from tests.gateway.conftest import Door, Open

SENTENCES = "First this was said. Then that. And in the end nothing."
RECORDING = (DATA / "sense_and_sensibility_0870.flac").read_bytes()


async def spoken(door: Door, text: str = SENTENCES) -> bytes:
    """A recording that the listener understands."""
    async with AsyncClient(door.server.address) as client:
        return b"".join([data async for data in client.synthesize(text)])


async def test_json_has_the_text_the_language_and_the_usage(neural: Door) -> None:
    reply = await neural.openai.audio.transcriptions.create(model="whisper-1", file=("a.flac", RECORDING))
    async with AsyncClient(neural.server_address) as client, client.transcribe(RECORDING) as transcript:
        expected = "".join([segment.text async for segment in transcript]).strip()
    assert reply.text == expected
    assert reply.languages is not None
    assert [language.code for language in reply.languages] == ["en"]
    assert reply.usage is not None
    assert reply.usage.to_dict() == {"type": "duration", "seconds": 7.1}
    assert transcript.finished.usage.audio_duration.ToMilliseconds() == 7100


async def test_text_srt_and_vtt(door: Door) -> None:
    audio = await spoken(door)

    async def written(form: Any) -> str:
        reply = await door.openai.audio.transcriptions.create(
            model="listener", file=("a.wav", audio), response_format=form
        )
        return str(reply)

    assert await written("text") == f"{SENTENCES}\n"
    srt, vtt = await written("srt"), await written("vtt")
    assert srt.startswith("1\n00:00:00,00")
    assert [cue.splitlines()[2] for cue in srt.split("\n\n") if cue] == [
        "First this was said.",
        "Then that.",
        "And in the end nothing.",
    ]
    assert vtt.startswith("WEBVTT\n\n00:00:00.00")
    assert vtt.count(" --> ") == srt.count(" --> ") == 3


@pytest.mark.parametrize(
    ("granularities", "present", "absent"),
    [
        ([], {"segments"}, {"words"}),
        (["segment"], {"segments"}, {"words"}),
        (["word"], {"words"}, {"segments"}),
        (["word", "segment"], {"words", "segments"}, set()),
    ],
)
async def test_verbose_json_has_what_was_asked_for(
    neural: Door, granularities: list[Any], present: set[str], absent: set[str]
) -> None:
    reply: TranscriptionVerbose = await neural.openai.audio.transcriptions.create(
        model="whisper-1",
        file=("a.flac", RECORDING),
        response_format="verbose_json",
        timestamp_granularities=granularities,
    )
    body = reply.to_dict()
    assert (present <= body.keys(), absent & body.keys()) == (True, set())
    assert body["task"] == "transcribe"
    assert (reply.language, reply.duration) == ("english", 7.1)
    assert reply.usage is not None
    assert reply.usage.seconds == 7.1
    if reply.segments:
        first = reply.segments[0]
        assert "".join(segment.text for segment in reply.segments) == reply.text
        assert (first.id, first.temperature, first.seek) == (0, 0.0, 0)
        assert first.avg_logprob < 0 < first.compression_ratio
        assert first.tokens
    if reply.words:
        assert [word.word for word in reply.words] == reply.text.split()
        assert all(word.start < word.end <= 7.2 for word in reply.words)


@pytest.mark.parametrize(
    ("code", "name"),
    [
        *[
            ("de", "german"),
            ("en-GB", "english"),
            ("haw", "hawaiian"),
            ("ht", "haitian creole"),
            ("und", "und"),
        ],
        *[
            ("zh-Hant-TW", "chinese"),
            ("yue", "cantonese"),
            ("jw", "javanese"),
            ("jv", "javanese"),
            ("xx", "xx"),
        ],
    ],
)
def test_languages_have_the_names_that_openai_gives_them(code: str, name: str) -> None:
    assert language_name(code) == name


async def test_deltas_are_the_final_text(neural: Door) -> None:
    whole = await neural.openai.audio.transcriptions.create(model="whisper-1", file=("a.flac", RECORDING))
    events = await neural.openai.audio.transcriptions.create(
        model="whisper-1", file=("a.flac", RECORDING), stream=True
    )
    deltas, done = [], None
    async for event in events:
        if event.type == "transcript.text.delta":
            deltas.append(event.delta)
        elif event.type == "transcript.text.done":
            done = event
    assert done is not None
    assert "".join(deltas) == done.text == whole.text
    assert done.usage is not None
    assert done.usage.output_tokens == done.usage.total_tokens > 10


async def test_events_have_times_if_they_are_asked_for(door: Door) -> None:
    audio = ("a.wav", await spoken(door))
    deltas: dict[bool, list[dict[str, Any]]] = {}
    for asked in (True, False):
        events = await door.openai.audio.transcriptions.create(
            model="listener",
            file=audio,
            stream=True,
            timestamp_granularities=["segment", "word"] if asked else [],
        )
        deltas[asked] = [event.to_dict() async for event in events if event.type == "transcript.text.delta"]
    assert not any(delta.keys() & {"start", "end", "words"} for delta in deltas[False])
    first, second, third = deltas[True]
    assert first["start"] < second["start"] < third["start"]
    assert (second["start"], second["end"]) == pytest.approx((2.1, 3.2), abs=0.05)
    assert [word["word"] for word in second["words"]] == ["Then", "that."]
    assert second["words"][0]["start"] == second["start"]


async def test_events_come_while_later_audio_is_being_heard(open_door: Open) -> None:
    door = await open_door(listener={"options": {"delay_seconds": 0.1}, "read_ahead": 1})
    events = await door.openai.audio.transcriptions.create(
        model="listener", file=("a.wav", await spoken(door, "One. " * 40)), stream=True
    )
    first = await anext(aiter(events))
    assert first.type == "transcript.text.delta"
    assert door.hearing.running == 1
    await events.close()
    place = await asyncio.wait_for(door.hearing.enter(), 10)
    place.leave()


async def test_probabilities_of_words(door: Door) -> None:
    audio = ("a.wav", await spoken(door))
    reply = await door.openai.audio.transcriptions.create(model="listener", file=audio, include=["logprobs"])
    assert reply.logprobs is not None
    assert [(logprob.token or "").strip() for logprob in reply.logprobs] == SENTENCES.split()
    assert all(math.exp(logprob.logprob or 0) == 1.0 for logprob in reply.logprobs)
    assert bytes(map(int, reply.logprobs[0].bytes or [])) == b"First"
    plain = await door.openai.audio.transcriptions.create(model="listener", file=audio)
    assert plain.logprobs is None


async def test_silence_is_an_empty_transcript(neural: Door) -> None:
    silence = b"RIFF\xff\xff\xff\xffWAVEfmt \x10\0\0\0\1\0\1\0\x80\x3e\0\0\0\x7d\0\0\2\0\x10\0data" + (
        (32000).to_bytes(4, "little") + bytes(32000)
    )
    reply = await neural.openai.audio.transcriptions.create(model="whisper-1", file=("a.wav", silence))
    assert reply.text == ""
    events = await neural.openai.audio.transcriptions.create(
        model="whisper-1", file=("a.wav", silence), stream=True
    )
    assert [event.type async for event in events] == ["transcript.text.done"]


@pytest.mark.filterwarnings("ignore:deprecated:DeprecationWarning")
async def test_translation(neural: Door) -> None:
    reply = await neural.openai.audio.translations.create(
        model="whisper-1", file=("a.flac", RECORDING), response_format="verbose_json"
    )
    assert reply.to_dict()["task"] == "translate"
    async with (
        AsyncClient(neural.server_address) as client,
        client.transcribe(RECORDING, task=Task.TRANSLATE) as transcript,
    ):
        assert reply.text == "".join([segment.text async for segment in transcript]).strip()


@pytest.mark.filterwarnings("ignore:deprecated:DeprecationWarning")
@pytest.mark.parametrize("form", ["json", "text", "srt", "vtt"])
async def test_translation_in_every_form(neural: Door, form: Any) -> None:
    reply = await neural.openai.audio.translations.create(
        model="whisper-1", file=("a.flac", RECORDING), response_format=form
    )
    text = reply if isinstance(reply, str) else reply.text
    assert len(text) > 20


async def posted(
    door: Door, fields: list[tuple[str, str]], audio: bytes, path: str = "transcriptions"
) -> Any:
    """A form as curl sends it: the parts in the order given, the file first."""
    boundary = "b0undary"
    disposition = 'Content-Disposition: form-data; name="file"; filename="a.wav"'
    body = f"--{boundary}\r\n{disposition}\r\n\r\n".encode() + audio + b"\r\n"
    for name, text in fields:
        body += f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{text}\r\n'.encode()
    body += f"--{boundary}--\r\n".encode()
    return await door.http.post(
        "/v1/audio/transcriptions",
        content=body,
        headers={"content-type": f"multipart/form-data; boundary={boundary}"},
    )


async def test_the_file_may_come_before_the_fields(door: Door) -> None:
    reply = await posted(door, [("model", "listener")], await spoken(door))
    assert reply.json()["text"] == SENTENCES


@pytest.mark.parametrize("name", ["timestamp_granularities", "timestamp_granularities[]"])
async def test_arrays_are_taken_with_brackets_and_without(door: Door, name: str) -> None:
    fields = [("model", "listener"), ("response_format", "verbose_json"), (name, "word"), (name, "segment")]
    body = (await posted(door, fields, await spoken(door))).json()
    assert {"words", "segments"} <= body.keys()


@pytest.mark.parametrize(
    "fields",
    [
        [("chunking_strategy", "auto")],
        [("chunking_strategy", '{"type": "server_vad", "threshold": 0.4}')],
        [("chunking_strategy[type]", "server_vad"), ("chunking_strategy[threshold]", "0.4")],
        [("keywords[]", "Zephyr"), ("keywords", "Quill")],
        [("language", "en")],
        [("languages[]", "en")],
        [("languages[]", "ja"), ("languages[]", "en_GB")],
        [("language", "auto")],
        [("prompt", "Names: Elinor."), ("temperature", "0.2"), ("language", "")],
        [("unheard_of", "whatever")],
    ],
)
async def test_options_are_taken_by_a_real_model(neural: Door, fields: list[tuple[str, str]]) -> None:
    reply = await posted(neural, [("model", "whisper-1"), *fields], RECORDING)
    assert (reply.status_code, len(reply.json()["text"]) > 20) == (200, True)


@pytest.mark.parametrize(
    ("fields", "heard_as"),
    [
        ([("language", "english")], {"en"}),
        ([("language", "nb-NO")], {"no"}),
        ([("languages[]", "fil"), ("languages[]", "iw")], {"tl", "he"}),
        ([("languages", "english"), ("language", "iw")], {"en"}),
    ],
)
async def test_languages_reach_the_model_under_all_of_their_names(
    neural: Door, fields: list[tuple[str, str]], heard_as: set[str]
) -> None:
    reply = await posted(neural, [("model", "whisper-1"), *fields], RECORDING)
    assert {language["code"] for language in reply.json()["languages"]} <= heard_as


async def test_the_parameters_of_the_voice_detector_reach_the_model(neural: Door) -> None:
    reply = await neural.openai.audio.transcriptions.create(
        model="whisper-1",
        file=("a.flac", RECORDING),
        chunking_strategy={"type": "server_vad", "threshold": 1.0},
    )
    assert reply.text == ""


async def test_an_upload_passes_through_while_it_is_being_sent(open_door: Open) -> None:
    """The server refuses a file that is too large for it before the caller has sent it whole."""
    door = await open_door(max_audio_bytes=1 << 20)
    sent = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal sent
        yield b'--b\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\n'
        while sent < 20 << 20:
            sent += 1 << 16
            yield bytes(1 << 16)
        yield b"\r\n--b--\r\n"

    reply = await door.http.post(
        "/v1/audio/transcriptions",
        content=endless(),
        headers={"content-type": "multipart/form-data; boundary=b"},
    )
    assert reply.status_code == 413
    assert json.loads(reply.text)["error"]["param"] == "file"


async def test_a_caller_who_leaves_in_the_midst_of_an_upload_leaves_nothing(open_door: Open) -> None:
    door = await open_door(listener={"concurrency": 1, "queue": 0})
    _, writer = await asyncio.open_connection(*door.url.removeprefix("http://").split(":"))
    writer.write(
        b"POST /v1/audio/transcriptions HTTP/1.1\r\nhost: x\r\ncontent-length: 100000\r\n"
        b"content-type: multipart/form-data; boundary=b\r\n\r\n"
        b'--b\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\nRIFF'
    )
    await writer.drain()
    writer.close()
    await writer.wait_closed()
    reply = await posted(door, [("model", "listener")], await spoken(door))
    assert reply.json()["text"] == SENTENCES
    assert door.hearing.running == 0
