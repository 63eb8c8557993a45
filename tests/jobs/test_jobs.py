"""Jobs over the wire: made, listed, watched, delivered and forgotten."""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import grpc
import pytest

from audio_grpc.access import key_file
from audio_grpc.access.limits import KeyLimits
from audio_grpc.client import AsyncClient, Client, Encoding, ServiceError, Strategy
from audio_grpc.v1 import job_pb2 as pb
from audio_grpc.v1.job_pb2_grpc import JobServiceStub
from audio_grpc.v1.text_to_speech_pb2 import SynthesizeRequest
from tests.conftest import Start
from tests.jobs.conftest import PIECES, TEXT, Speaker, ended, files, reached, refused, sound, spoken


@pytest.fixture
async def client(start: Start) -> AsyncClient:
    """A client of a server with a tone speaker."""
    return (await start(voice_aliases={"alloy": "tone"}, max_job_characters=2000))[1]


async def test_a_job_is_made_spoken_watched_and_forgotten(client: AsyncClient, tmp_path: Path) -> None:
    before = datetime.now(UTC)
    job = await client.create_job(TEXT, voice="alloy", speed=1.5, **PIECES)
    assert (job.state, job.pieces_done, job.pieces_total) == (pb.SPEECH_JOB_STATE_QUEUED, 0, 12)
    assert (job.speech.model, job.speech.voice, job.speech.text) == ("speaker", "tone", "")
    assert (job.speech.speed, job.speech.splitting.target_size) == (1.5, 40)
    assert (job.characters, job.text_start) == (len(TEXT), TEXT[:80])
    assert not [field for field in ("start_time", "end_time", "error") if job.HasField(field)]
    done = await ended(client, job.id)
    assert (done.state, done.pieces_done) == (pb.SPEECH_JOB_STATE_COMPLETED, 12)
    times = [stamp.ToDatetime(UTC) for stamp in (done.create_time, done.start_time, done.end_time)]
    assert [before, *times] == sorted([before, *times])
    assert done.audio_duration.ToMilliseconds() == 100 * len(TEXT)
    assert not done.HasField("remaining")
    assert await client.get_job(job.id) == done == (await client.list_jobs().page()).jobs[0]
    assert len(files(tmp_path / "results")) == 12
    await client.delete_job(job.id)
    assert list((await client.list_jobs().page()).jobs) == []
    assert files(tmp_path / "results") == []
    assert (await refused(client.get_job(job.id))).reason == "JOB_NOT_FOUND"


async def test_nothing_is_written_before_the_first_job(client: AsyncClient, tmp_path: Path) -> None:
    assert files(tmp_path) == []


@pytest.mark.parametrize("encoding", list(Encoding))
async def test_the_audio_is_what_synthesize_makes_of_the_text(
    client: AsyncClient, encoding: Encoding
) -> None:
    job = await client.create_job(TEXT, **PIECES)
    await ended(client, job.id)
    # At the model's own rate: a job's sound is kept in 16 bits, which shows where it is resampled.
    async with client.download_job(job.id, encoding=encoding, sample_rate_hertz=24_000) as stream:
        started = await stream.start()
        data = b"".join([part async for part in stream])
    assert (started.model, started.voice) == ("speaker", "tone")
    assert data == await spoken(client, TEXT, encoding=encoding, sample_rate_hertz=24_000, **PIECES)
    assert stream.finished.usage.characters == stream.finished.usage.input_tokens == len(TEXT)
    assert stream.finished.usage.audio_duration.ToMilliseconds() == 100 * len(TEXT)


async def test_a_job_is_delivered_as_it_was_made_unless_a_download_says_otherwise(
    client: AsyncClient,
) -> None:
    job = await client.create_job("Hi.", encoding=Encoding.MP3, sample_rate_hertz=16_000)
    await ended(client, job.id)
    for options, wanted in (
        ({}, ("audio/mpeg", 16_000)),
        ({"sample_rate_hertz": 8_000}, ("audio/mpeg", 8_000)),
        ({"encoding": Encoding.OPUS}, ("audio/ogg", 24_000)),
    ):
        async with client.download_job(job.id, **options) as stream:
            found = (await stream.start()).format
        assert (found.media_type, found.sample_rate_hertz) == wanted
    error = await refused(client.download_job(job.id, encoding=Encoding.MP3, sample_rate_hertz=8_001))
    assert (error.reason, error.field) == ("INVALID_FIELD", "sample_rate_hertz")


async def test_every_strategy_loses_nothing(client: AsyncClient) -> None:
    text = "Ärger & 日本語!\n\nAnd: «quotes», 3.14; e\u0301 – 🙂. " * 5
    for strategy in Strategy:
        job = await client.create_job(text, strategy=strategy)
        await ended(client, job.id)
        assert await sound(client, job.id) == await spoken(client, text, strategy=strategy)


async def test_the_list_has_pages_newest_first(client: AsyncClient) -> None:
    made = [(await client.create_job(f"Number {number}.")).id for number in range(5)]
    found, token = [], ""
    for size in (2, 2, 1):
        page = await client.list_jobs(2, token).page()
        assert len(page.jobs) == size
        found += [job.id for job in page.jobs]
        token = page.next_page_token
    assert found == made[::-1]
    assert token == ""
    assert len((await client.list_jobs(5).page()).jobs) == 5
    assert (await client.list_jobs(5).page()).next_page_token == ""
    first = await client.list_jobs(1).page()
    await client.delete_job(first.jobs[0].id)
    assert [job.id for job in (await client.list_jobs(9, first.next_page_token).page()).jobs] == made[3::-1]


@pytest.mark.parametrize(
    ("size", "token", "field"),
    [(-1, "", "page_size")]
    + [(0, token, "page_token") for token in ("x", "%%%", "bm9uc2Vuc2U=", "é", "MS4wIGpvYg")],
)
async def test_a_page_that_is_none_is_refused(client: AsyncClient, size: int, token: str, field: str) -> None:
    error = await refused(client.list_jobs(size, token))
    assert (error.code, error.field) == (grpc.StatusCode.INVALID_ARGUMENT, field)


@pytest.mark.parametrize(
    ("text", "options", "reason", "field"),
    [
        ("", {}, "TEXT_EMPTY", "speech.text"),
        (" \n", {}, "TEXT_EMPTY", "speech.text"),
        ("\x00\x01", {}, "TEXT_EMPTY", "speech.text"),
        ("x" * 2001, {}, "TEXT_TOO_LONG", "speech.text"),
        ("Hi.", {"model": "nobody"}, "MODEL_NOT_FOUND", "speech.model"),
        ("Hi.", {"voice": "nobody"}, "VOICE_NOT_FOUND", "speech.voice"),
        ("Hi.", {"speed": 9.0}, "INVALID_FIELD", "speech.speed"),
        ("Hi.", {"temperature": -1.0}, "INVALID_FIELD", "speech.temperature"),
        ("Hi.", {"seed": -1}, "INVALID_FIELD", "speech.seed"),
        ("Hi.", {"sample_rate_hertz": 7}, "INVALID_FIELD", "speech.sample_rate_hertz"),
        ("Hi.", {"target_size": 9}, "INVALID_FIELD", "speech.splitting.target_size"),
    ],
)
async def test_what_cannot_be_spoken_is_refused_at_once(
    client: AsyncClient, text: str, options: Any, reason: str, field: str
) -> None:
    error = await refused(client.create_job(text, **options))
    assert (error.reason, error.field) == (reason, field)
    assert list((await client.list_jobs().page()).jobs) == []


async def test_numbers_that_no_enum_has_are_refused(client: AsyncClient, start: Start) -> None:
    server, _ = await start()
    async with grpc.aio.insecure_channel(server.address) as channel:
        stub: Any = JobServiceStub(channel)
        for speech in ({"encoding": 99}, {"splitting": {"strategy": 99}}):
            with pytest.raises(grpc.RpcError) as failure:
                await stub.CreateSpeechJob(pb.CreateSpeechJobRequest(speech={"text": "Hi.", **speech}))  # type: ignore[arg-type]
            assert failure.value.code() is grpc.StatusCode.INVALID_ARGUMENT
        made = await stub.CreateSpeechJob(pb.CreateSpeechJobRequest(speech=SynthesizeRequest(text="Hi.")))
        call = stub.DownloadSpeechJob(pb.DownloadSpeechJobRequest(id=made.job.id, encoding=99, follow=True))  # type: ignore[arg-type]
        with pytest.raises(grpc.RpcError) as failure:
            await call.read()
        assert "encoding has no value 99" in str(failure.value.details())


@pytest.mark.parametrize(
    "job_id",
    [
        *(
            "",
            "..",
            "../../etc/passwd",
            "job_0123456789abcde/",
            "job_0123456789ABCDEF",
            "job_0123456789abcdef",
        ),
        *("x" * 100, "job_0123456789abcdef\n", "job_' OR 1=1 --xx", "\x00"),
    ],
)
async def test_an_id_that_no_job_has_is_not_found(client: AsyncClient, job_id: str, tmp_path: Path) -> None:
    precious = tmp_path / "precious"
    precious.write_text("precious")
    job = await client.create_job("Hi.")
    await ended(client, job.id)
    calls = (
        *(client.get_job, client.pause_job, client.resume_job, client.retry_job, client.cancel_job),
        *(client.delete_job, client.watch_job, client.download_job),
    )
    for method in calls:
        error = await refused(method(job_id))
        assert (error.code, error.reason) == (grpc.StatusCode.NOT_FOUND, "JOB_NOT_FOUND")
        assert len(error.message) < 200
    assert await sound(client, job.id)
    assert precious.exists()


async def test_a_job_that_is_not_completed_is_delivered_only_to_who_follows_it(
    start: Start, speaker: Speaker
) -> None:
    _, client = await start()
    speaker.hold("number 3,")
    job = await client.create_job(TEXT, **PIECES)
    following = asyncio.create_task(sound(client, job.id, follow=True))
    await asyncio.to_thread(speaker.reached.wait, 60)
    error = await refused(client.download_job(job.id))
    assert (error.code, error.reason) == (grpc.StatusCode.FAILED_PRECONDITION, "JOB_INCOMPLETE")
    speaker.go_on.set()
    assert await following == await spoken(client, TEXT, **PIECES)


async def test_who_follows_a_job_is_told_when_it_is_cancelled_or_deleted(
    start: Start, speaker: Speaker
) -> None:
    _, client = await start()
    for end, reason in ((client.cancel_job, "JOB_INCOMPLETE"), (client.delete_job, "JOB_NOT_FOUND")):
        speaker.hold("number 3,")
        job = await client.create_job(TEXT, **PIECES)
        await asyncio.to_thread(speaker.reached.wait, 60)
        async with client.download_job(job.id, follow=True) as stream:
            await anext(stream)
            await end(job.id)
            assert (await refused(stream)).reason == reason
        speaker.go_on.set()


async def test_who_watches_a_job_is_told_when_it_is_deleted(start: Start, speaker: Speaker) -> None:
    _, client = await start()
    speaker.hold("number 0,")
    job = await client.create_job(TEXT, **PIECES)
    watching = client.watch_job(job.id)
    await anext(watching)
    await client.delete_job(job.id)
    assert (await refused(watching)).reason == "JOB_NOT_FOUND"


async def test_what_is_left_is_estimated_from_the_pace(start: Start, speaker: Speaker) -> None:
    _, client = await start()
    speaker.hold("number 6,")
    job = await client.create_job(TEXT, **PIECES)
    halfway = await reached(client, job.id, lambda job: job.pieces_done == 6)
    assert halfway.state == pb.SPEECH_JOB_STATE_RUNNING
    assert 0 < halfway.remaining.ToMilliseconds() < 60_000
    speaker.go_on.set()
    await ended(client, job.id)


async def test_a_key_sees_its_own_jobs_only(start: Start, tmp_path: Path) -> None:
    path = tmp_path / "keys.json"
    key, alice = key_file.add(path, "alice", KeyLimits(characters_per_minute=100))
    _, berta = key_file.add(path, "berta", KeyLimits())
    server, _ = await start(keys_file=path)
    async with (
        AsyncClient(server.address, api_key=alice) as hers,
        AsyncClient(server.address, api_key=berta) as other,
    ):
        job = await hers.create_job("Mine alone.")
        assert job.key_id == key.id
        await ended(hers, job.id)
        assert [each.id for each in (await hers.list_jobs().page()).jobs] == [job.id]
        assert list((await other.list_jobs().page()).jobs) == []
        calls: list[Callable[[str], Any]] = [other.get_job, other.cancel_job, other.delete_job]
        for method in (*calls, other.watch_job, other.download_job):
            assert (await refused(method(job.id))).reason == "JOB_NOT_FOUND"
        assert await sound(hers, job.id)
        assert (await refused(hers.create_job("x" * 101))).reason == "TEXT_TOO_LONG"
        await hers.delete_job(job.id)


async def test_the_client_for_threads_does_the_same(start: Start) -> None:
    server, _ = await start()
    await asyncio.to_thread(_all_methods, server.address)


def _all_methods(address: str) -> None:
    with Client(address) as client:
        job = client.create_job(TEXT, **PIECES)
        states = [each.state for each in client.watch_job(job.id)]
        assert states[-1] == pb.SPEECH_JOB_STATE_COMPLETED
        assert client.get_job(job.id) == client.list_jobs(page_size=1).page().jobs[0]
        with client.download_job(job.id, encoding=Encoding.PCM_S16LE) as stream:
            assert len(b"".join(stream)) == 2 * 2400 * len(TEXT)
        for method in (client.pause_job, client.resume_job, client.retry_job, client.cancel_job):
            with pytest.raises(ServiceError) as failure:
                method(job.id)
            assert failure.value.reason == "JOB_STATE"
        client.delete_job(job.id)
        with pytest.raises(ServiceError):
            list(client.watch_job(job.id))
