"""The history of each kind of call, and of each way to end."""

import asyncio
import sqlite3
from datetime import UTC, datetime, timedelta
from pathlib import Path

import grpc
import pytest

from audio_grpc.access import key_file
from audio_grpc.access.limits import KeyLimits
from audio_grpc.backends.base import ModelSpec
from audio_grpc.client import Encoding, ServiceError, UtteranceTranscript
from audio_grpc.convert import to_seconds
from audio_grpc.v1.audio_pb2 import AUDIO_ENCODING_MP3
from audio_grpc.v1.conversation_pb2 import ReplyAudio
from audio_grpc.v1.speech_to_text_pb2 import Endpointing
from tests.conftest import Start
from tests.conversation.chat_double import ChatDouble
from tests.eventually import eventually
from tests.history.conftest import TEXT, hear, kept, played, refused, speak
from tests.jobs.conftest import files

RATE = 24000
"""The rate of the tone speaker."""


async def test_speech_is_kept_with_what_was_asked_for_and_what_came(keeping: Start) -> None:
    _, client = await keeping()
    before = datetime.now(UTC)
    named = client.with_metadata({"x-request-id": "spoken"})
    async with named.synthesize(TEXT, encoding=Encoding.MP3, speed=1.2, instructions="Softly.") as speech:
        sound = b"".join([data async for data in speech])
    (past,) = await kept(client)
    assert (past.request_id, past.method, past.model, past.voice) == (
        "spoken",
        "Synthesize",
        "speaker",
        "tone",
    )
    assert (past.status, past.reason, past.key, past.key_id) == ("OK", "", "", "")
    assert (past.speech.speed, past.speech.instructions, past.speech.text) == (1.2, "Softly.", "")
    assert not past.speech.HasField("seed")
    assert (past.text, past.is_whole_text, past.characters) == (TEXT, True, len(TEXT))
    usage = speech.finished.usage
    assert (past.input_tokens, past.audio_out) == (usage.input_tokens, usage.audio_duration)
    assert past.timing.queued == speech.finished.timing.queued
    assert past.timing.first_result == speech.finished.timing.first_result
    assert before - timedelta(milliseconds=1) <= past.start_time.ToDatetime(UTC) <= datetime.now(UTC)
    assert to_seconds(past.duration) >= to_seconds(past.timing.total) > 0
    assert (past.audio.format.media_type, past.audio.format.encoding) == ("audio/mpeg", AUDIO_ENCODING_MP3)
    assert past.audio.size_bytes == len(sound)
    assert await played(client, past) == sound
    assert await client.get_past_request(past.id) == past


async def test_a_recording_is_kept_with_what_was_heard(keeping: Start) -> None:
    _, client = await keeping()
    recording = await speak(client, encoding=Encoding.FLAC)
    async with client.transcribe(recording, prompt="Once.", word_timestamps=True) as transcript:
        heard = "".join([segment.text async for segment in transcript])
    past, _ = await kept(client, 2)
    assert (past.method, past.model, past.voice, past.text) == ("Transcribe", "listener", "", heard)
    assert (past.transcript.prompt, past.transcript.word_timestamps, past.transcript.audio) == (
        "Once.",
        True,
        b"",
    )
    assert past.output_tokens == transcript.finished.usage.output_tokens
    assert past.audio_in == transcript.finished.audio_duration
    assert past.audio.format.media_type == "audio/flac"
    assert await played(client, past) == recording


async def test_an_upload_is_kept_as_it_came(keeping: Start) -> None:
    _, client = await keeping()
    recording = await speak(client, encoding=Encoding.OPUS)
    async with client.upload() as upload:
        for start in range(0, len(recording), 1000):
            await upload.write(recording[start : start + 1000])
        assert "".join([segment.text async for segment in await upload.transcribe()]) == TEXT
    past, _ = await kept(client, 2)
    assert (past.method, past.text, past.audio.format.media_type) == ("TranscribeUpload", TEXT, "audio/ogg")
    assert await played(client, past) == recording


async def test_bare_samples_are_kept_as_a_file_that_can_be_heard_again(keeping: Start) -> None:
    _, client = await keeping()
    samples = await speak(client, encoding=Encoding.PCM_S16LE)
    async with client.listen(RATE, endpointing=Endpointing(manual=True)) as live:
        for start in range(0, len(samples), 9600):
            await live.write(samples[start : start + 9600])
        await live.end()
        heard = "".join([event.text async for event in live if isinstance(event, UtteranceTranscript)])
    past, _ = await kept(client, 2)
    assert (past.method, past.text) == ("StreamingTranscribe", heard)
    assert past.live_transcript.sample_rate_hertz == RATE
    assert (past.audio.format.media_type, past.audio.format.sample_rate_hertz) == ("audio/wav", RATE)
    file = await played(client, past)
    assert file[44:] == samples
    assert await hear(client, file) == TEXT


async def test_live_speech_is_kept_as_one_file(keeping: Start) -> None:
    _, client = await keeping()
    async with client.live_speech(encoding=Encoding.WAV) as live:
        for word in TEXT.split(" "):
            await live.write(f"{word} ")
        await live.end()
        sound = b"".join([audio.data async for audio in live if hasattr(audio, "data")])
    (past,) = await kept(client)
    assert (past.method, past.text, past.status) == ("StreamingSynthesize", f"{TEXT} ", "OK")
    assert past.live_speech.HasField("speech")
    assert await played(client, past) == sound


async def test_speech_for_telephones_is_kept_with_a_header(keeping: Start) -> None:
    _, client = await keeping()
    sound = await speak(client, encoding=Encoding.MULAW)
    (past,) = await kept(client)
    assert (past.audio.format.media_type, past.audio.format.sample_rate_hertz) == ("audio/wav", 8000)
    file = await played(client, past)
    assert file[44:] == sound
    assert await hear(client, file) == TEXT


async def test_a_conversation_is_kept_with_both_sides_and_the_sound_of_one(keeping: Start) -> None:
    async with ChatDouble() as chat:
        llm = {"base_url": chat.base_url, "system_prompt": "Be brief."}
        _, client = await keeping(pipelines={"agent": {"llm": llm}})
        async with client.converse() as conversation:
            await conversation.start()
            await conversation.say("Who are you?")
            await conversation.end()
            await (await chat.asked()).reply("I am a tone.")
            events = [event async for event in conversation]
        (past,) = await kept(client)
    assert (past.method, past.status) == ("Converse", "OK")
    assert past.text == "Who are you?\nI am a tone.\n"
    sound = b"".join(event.audio.data for event in events if isinstance(event, ReplyAudio))
    assert await played(client, past) == sound


async def test_failures_refusals_and_cancellations_are_told_apart(keeping: Start) -> None:
    speakers = {
        "speaker": ModelSpec("tone", read_ahead=1),
        "broken": ModelSpec("tone", options={"fail_after": 3}),
    }
    _, client = await keeping(synthesizers=speakers)
    assert (await refused(client.synthesize(TEXT, model="broken"))).reason == "MODEL_FAILED"
    assert (await refused(client.synthesize(TEXT, speed=9))).field == "speed"
    assert (await refused(client.synthesize(TEXT, model="nobody"))).reason == "MODEL_NOT_FOUND"
    async with client.synthesize(TEXT * 50, encoding=Encoding.PCM_S16LE) as speech:
        received = [await anext(speech)]
    left, unknown, wrong, broken = await kept(client, 4)
    assert (broken.status, broken.reason, broken.model) == ("INTERNAL", "MODEL_FAILED", "broken")
    assert (wrong.status, wrong.reason, wrong.field) == ("INVALID_ARGUMENT", "INVALID_FIELD", "speed")
    assert (wrong.speech.speed, wrong.HasField("timing"), wrong.HasField("audio")) == (9, False, False)
    assert (unknown.status, unknown.model, unknown.speech.model) == ("NOT_FOUND", "", "nobody")
    assert left.status == "CANCELLED"
    assert (await played(client, left)).startswith(b"".join(received))
    assert (await refused(client.past_audio(wrong.id))).reason == "AUDIO_NOT_KEPT"


async def test_looking_is_not_kept(keeping: Start) -> None:
    _, client = await keeping()
    await client.list_models()
    await client.list_voices()
    await client.list_activities()
    await speak(client)
    assert [past.method for past in await kept(client)] == ["Synthesize"]


async def test_by_default_nothing_is_kept_and_no_file_is_made(start: Start, tmp_path: Path) -> None:
    server, client = await start()
    await hear(client, await speak(client))
    page = await client.list_past_requests().page()
    assert (list(page.requests), page.is_kept) == ([], False)
    assert (await refused(client.get_past_request("req_0123456789abcdef"))).reason == "REQUEST_NOT_FOUND"
    assert await client.delete_past_requests(before=datetime.now(UTC)) == 0
    await server.stop(0)
    assert files(tmp_path) == []


async def test_without_texts_only_their_beginnings_are_kept(start: Start, tmp_path: Path) -> None:
    _, client = await start(history=True)
    await speak(client, "x" * 120, instructions="Secretly.")
    (past,) = await kept(client)
    assert (past.text, past.is_whole_text, past.characters) == ("x" * 100, False, 120)
    assert not past.speech.HasField("instructions")
    assert not past.HasField("audio")
    assert not (tmp_path / "results").exists()


async def test_without_previews_no_text_is_kept(start: Start) -> None:
    _, client = await start(history=True, activity_previews=False)
    await hear(client, await speak(client), prompt="Secretly.")
    assert [(past.text, past.transcript.prompt) for past in await kept(client, 2)] == [("", ""), ("", "")]


async def test_speech_can_be_kept_without_recordings(start: Start) -> None:
    _, client = await start(history=True, history_audio="speech")
    await hear(client, await speak(client))
    transcript, speech = await kept(client, 2)
    assert (transcript.HasField("audio"), speech.HasField("audio")) == (False, True)


async def test_keys_see_their_own_requests_and_are_not_written_down(keeping: Start, tmp_path: Path) -> None:
    keys = tmp_path / "keys.json"
    (_, first), (_, second) = (key_file.add(keys, name, KeyLimits()) for name in ("alice", "bob"))
    server, client = await keeping(keys_file=keys)
    alice, bob = (client.with_metadata({"authorization": f"Bearer {key}"}) for key in (first, second))
    await refused(client.synthesize("Whose is this?"))
    await speak(alice, "Mine.")
    (past,) = await kept(alice)
    assert (past.key, past.text) == ("alice", "Mine.")
    assert await kept(bob, 0) == []
    for call in (bob.get_past_request(past.id), bob.past_audio(past.id)):
        assert (await refused(call)).reason == "REQUEST_NOT_FOUND"
    assert await bob.delete_past_requests([past.id]) == 0
    assert await bob.delete_past_requests(before=datetime.now(UTC)) == 0
    assert await kept(alice) == [past]
    assert (await refused(client.list_past_requests())).code is grpc.StatusCode.UNAUTHENTICATED
    await server.stop(0)
    with sqlite3.connect(tmp_path / "jobs.db") as connection:
        written = "\n".join(connection.iterdump())
    connection.close()
    assert past.key_id in written
    assert first not in written
    assert second not in written


async def test_the_list_has_pages_and_filters(keeping: Start) -> None:
    speakers = {name: ModelSpec("tone") for name in ("speaker", "other")}
    _, client = await keeping(synthesizers=speakers)
    for number in range(5):
        await speak(client, f"Number {number}.", model="other" if number == 3 else "speaker")
        await kept(client, number + 1)
    await refused(client.synthesize(" "))
    texts = [past.text for past in await kept(client, 6)]
    assert texts == [" ", "Number 4.", "Number 3.", "Number 2.", "Number 1.", "Number 0."]
    seen = []
    token = ""
    while True:
        page = await client.list_past_requests(page_size=4, page_token=token).page()
        seen.append([past.text for past in page.requests])
        if not (token := page.next_page_token):
            break
    assert seen == [texts[:4], texts[4:]]
    (other,) = await kept(client, 1, model="other")
    assert other.text == "Number 3."
    assert [past.text for past in await kept(client, 1, status="INVALID_ARGUMENT")] == [" "]
    assert len(await kept(client, 6, method="Synthesize")) == 6
    moment = other.start_time.ToDatetime(UTC)
    later = [past.text for past in (await client.list_past_requests(since=moment).page()).requests]
    earlier = [past.text for past in (await client.list_past_requests(before=moment).page()).requests]
    assert later + earlier == texts
    assert "Number 4." in later
    assert "Number 2." in earlier


async def test_what_cannot_be_asked_for_is_refused(keeping: Start) -> None:
    _, client = await keeping()
    for call, field in (
        (client.list_past_requests(page_size=-1), "page_size"),
        (client.list_past_requests(page_token="?"), "page_token"),
        (client.list_past_requests(status="FINE"), "status"),
        (client.delete_past_requests(), "ids"),
        (client.delete_past_requests(["x"] * 1001), "ids"),
    ):
        error = await refused(call)
        assert (error.code, error.field) == (grpc.StatusCode.INVALID_ARGUMENT, field)
    for odd in ("", "../../etc", "req_\x00", "req_" + "0" * 17):
        assert (await refused(client.get_past_request(odd))).reason == "REQUEST_NOT_FOUND"


async def test_requests_are_forgotten_with_their_sound(keeping: Start, tmp_path: Path) -> None:
    _, client = await keeping()
    for number in range(4):
        await speak(client, f"Number {number}.")
    pasts = await kept(client, 4)
    assert len(list((tmp_path / "results").iterdir())) == 4
    assert await client.delete_past_requests([pasts[0].id, pasts[0].id, "unknown"]) == 1
    assert await client.delete_past_requests(before=pasts[1].start_time.ToDatetime(UTC)) == 2
    (left,) = await kept(client)
    assert left.id == pasts[1].id
    assert [path.name for path in (tmp_path / "results").iterdir()] == [left.id]


async def test_old_requests_are_forgotten_at_the_start(keeping: Start, tmp_path: Path) -> None:
    server, client = await keeping()
    await speak(client, "Old.")
    (old,) = await kept(client)
    await speak(client, "New.")
    await kept(client, 2)
    await server.stop(0)
    with sqlite3.connect(tmp_path / "jobs.db") as connection:
        connection.execute("UPDATE past_requests SET started = started - 86400 * 8 WHERE id = ?", [old.id])
    connection.close()
    _, client = await keeping(history=False, history_days=7)

    async def forgotten() -> bool:
        return old.id not in {past.id for past in (await client.list_past_requests().page()).requests}

    await eventually(forgotten)
    assert [past.text for past in await kept(client)] == ["New."]
    await eventually(lambda: not (tmp_path / "results" / old.id).exists())


async def test_the_end_of_the_server_waits_for_what_is_to_be_written(keeping: Start) -> None:
    server, client = await keeping()
    sounds = await asyncio.gather(*(speak(client, f"Number {number}.") for number in range(8)))
    await server.stop(0)
    _, client = await keeping()
    assert sorted([await played(client, past) for past in await kept(client, 8)]) == sorted(sounds)


async def test_samples_that_cannot_be_are_kept_as_they_came(keeping: Start) -> None:
    _, client = await keeping()
    with pytest.raises(ServiceError):
        async with client.listen(-5) as live:
            await live.start()
    (past,) = await kept(client)
    assert (past.status, past.live_transcript.sample_rate_hertz) == ("INVALID_ARGUMENT", -5)
