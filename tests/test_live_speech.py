"""StreamingSynthesize over the wire: text as it is written, sound as it is spoken, and interruptions."""

import asyncio
import threading
from collections.abc import AsyncIterator, Iterator
from typing import Any

import grpc
import pytest

from audio_grpc.backends.base import ModelSpec
from audio_grpc.backends.tone import ToneSpeaker
from audio_grpc.client import (
    AsyncClient,
    AsyncLiveSpeech,
    Client,
    Encoding,
    ServiceError,
    SpeechCancelled,
    SpokenAudio,
)
from audio_grpc.runtime.admission import Admission
from audio_grpc.server import Server
from audio_grpc.types import Speech, SynthesisOptions
from audio_grpc.v1.text_to_speech_pb2 import (
    SpeechFlush,
    StreamingSynthesisOptions,
    StreamingSynthesizeRequest,
    SynthesizeRequest,
)
from tests.conftest import PATIENCE_SECONDS, Start
from tests.eventually import eventually
from tests.headers import BARE, headed
from tests.test_calls import until_idle

PCM = Encoding.PCM_S16LE
BYTE = 4800
"""Bytes of sound for each byte of text, at 24 kHz."""
TEXT = "Here is one. “And two,” she said! Then, as everybody knows, came 3.14: 世界 🎉 … and the end."
INVALID = grpc.StatusCode.INVALID_ARGUMENT


def admission(server: Server) -> Admission:
    return server.models.synthesizer("").admission


async def write(speech: AsyncLiveSpeech, text: str, size: int = 3) -> None:
    for start in range(0, len(text), size):
        await speech.write(text[start : start + size])


async def chunk(speech: AsyncLiveSpeech) -> SpokenAudio:
    event = await anext(speech)
    assert isinstance(event, SpokenAudio)
    return event


async def read(speech: AsyncLiveSpeech, size: int) -> list[SpokenAudio]:
    """Chunks of so many bytes in all."""
    chunks: list[SpokenAudio] = []
    while sum(len(one.data) for one in chunks) < size:
        chunks.append(await chunk(speech))
    assert sum(len(one.data) for one in chunks) == size
    return chunks


async def until_cancelled(speech: AsyncLiveSpeech) -> tuple[list[SpokenAudio], SpeechCancelled]:
    chunks: list[SpokenAudio] = []
    async for event in speech:
        if isinstance(event, SpeechCancelled):
            return chunks, event
        chunks.append(event)
    raise AssertionError("it ended before it was cancelled")


async def said(client: AsyncClient, audio: bytes, encoding: Encoding = Encoding.WAV) -> str:
    audio = headed(audio, encoding, 24000)
    return "".join([segment.text async for segment in client.transcribe(audio)])


class Gate:
    """Lets the speaker make as many chunks as a test allows."""

    def __init__(self, server: Server) -> None:
        self.allowed = threading.Semaphore(0)
        self.made = 0
        server.models.synthesizer("")._make = self._speaker

    def _speaker(self, spec: ModelSpec) -> ToneSpeaker:
        gate = self

        class Gated(ToneSpeaker):
            def synthesize(self, text: str, options: SynthesisOptions) -> Iterator[Speech]:
                for speech in super().synthesize(text, options):
                    assert gate.allowed.acquire(timeout=PATIENCE_SECONDS)
                    gate.made += 1
                    yield speech

        return Gated(spec)

    def let(self, chunks: int) -> None:
        self.allowed.release(chunks)


@pytest.mark.parametrize("encoding", list(Encoding))
async def test_every_character_comes_through_in_one_container(start: Start, encoding: Encoding) -> None:
    _, client = await start()
    async with client.live_speech(encoding=encoding, sample_rate_hertz=24000) as speech:
        await write(speech, TEXT)
        await speech.end()
        audio = b"".join([event.data async for event in speech if isinstance(event, SpokenAudio)])
    assert await said(client, audio, encoding) == TEXT
    assert speech.finished.usage.characters == len(TEXT)
    assert speech.finished.usage.input_tokens == len(TEXT.encode())


async def test_sound_comes_while_the_text_is_still_being_written(start: Start) -> None:
    server, client = await start()
    async with client.live_speech(encoding=PCM) as speech:
        started = await speech.start()
        assert (started.model, started.voice) == ("speaker", "tone")
        await write(speech, "Hello. How ")
        assert (await read(speech, 7 * BYTE))[0].text_end == 7
        await write(speech, "are you? Fine ")
        assert (await read(speech, 13 * BYTE))[0].text_start == 7
        assert admission(server).running == 1
        await speech.end()
        await read(speech, 5 * BYTE)
        with pytest.raises(StopAsyncIteration):
            await anext(speech)


async def test_the_first_clause_is_spoken_before_its_sentence_is_complete(start: Start) -> None:
    _, client = await start()
    async with client.live_speech(encoding=PCM, max_wait=10) as speech:
        await write(speech, "As everybody here knows, t", size=1)
        assert (await read(speech, 25 * BYTE))[0].text_end == 25


async def test_marks_tie_all_sound_to_all_characters(start: Start) -> None:
    _, client = await start()
    async with client.live_speech(encoding=PCM) as speech:
        await write(speech, TEXT)
        await speech.end()
        chunks = [event async for event in speech if isinstance(event, SpokenAudio)]
    offset = 0.0
    spoken: dict[tuple[int, int], bytes] = {}
    for one in chunks:
        assert one.offset_seconds == pytest.approx(offset)
        assert one.seconds == pytest.approx(len(one.data) / 48000)
        offset += one.seconds
        place = (one.text_start, one.text_end)
        spoken[place] = spoken.get(place, b"") + one.data
    assert "".join(TEXT[start:end] for start, end in spoken) == TEXT
    assert len(spoken) >= 3
    for (start_, end), audio in spoken.items():
        assert await said(client, audio, PCM) == TEXT[start_:end]


async def test_a_flush_speaks_what_there_is(start: Start) -> None:
    _, client = await start()
    async with client.live_speech(encoding=PCM, max_wait=10) as speech:
        await speech.write("Unfinish")
        await speech.flush()
        assert (await read(speech, 8 * BYTE))[-1].text_end == 8
        await speech.write("ed")
        await speech.flush()
        assert (await read(speech, 2 * BYTE))[0].text_start == 8


@pytest.mark.parametrize("encoding", [one for one in Encoding if one not in (*BARE, Encoding.WAV)])
async def test_a_flush_keeps_no_sound_back(start: Start, encoding: Encoding) -> None:
    _, client = await start()
    async with client.live_speech(encoding=encoding, max_wait=10) as speech:
        await speech.write("All of it")
        await speech.flush()
        audio, seconds = b"", 0.0
        while seconds <= 0.9:  # nine bytes, and the silence that pushes the last of them out
            one = await chunk(speech)
            audio, seconds = audio + one.data, one.offset_seconds + one.seconds
        assert await said(client, audio, encoding) == "All of it"


async def test_what_ends_at_a_safe_place_is_spoken_after_a_wait(start: Start) -> None:
    _, client = await start()
    async with client.live_speech(encoding=PCM, max_wait=0.01) as speech:
        await speech.write("It is so. Isn't it")
        assert (await read(speech, 10 * BYTE))[-1].text_end == 10
        await speech.flush()
        await read(speech, 8 * BYTE)


async def test_a_cancel_stops_the_model_within_one_chunk(start: Start) -> None:
    server, client = await start(read_ahead=1)
    gate = Gate(server)
    async with client.live_speech(encoding=PCM) as speech:
        await speech.write("Hi. This is going to be interrupted. ")
        await speech.flush()
        gate.let(4 + 3)
        chunks = await read(speech, (4 + 3) * BYTE)
        await speech.cancel()
        await speech.write("Pardon?")
        await speech.flush()
        await client.list_voices()  # what was sent before a call on the same connection has arrived by then
        gate.let(1)
        # The chunk that was being made, if one was yet, is dropped.
        late, cancelled = await until_cancelled(speech)
        assert late == []
        assert (cancelled.spoken_end, cancelled.begun_end, cancelled.dropped_end) == (4, 37, 37)
        assert cancelled.offset_seconds == pytest.approx(sum(one.seconds for one in chunks))
        gate.let(7)
        after = await read(speech, 7 * BYTE)
        assert (after[0].text_start, after[-1].text_end) == (37, 44)
        assert await said(client, b"".join(one.data for one in after), PCM) == "Pardon?"
        assert 7 + 7 <= gate.made <= 7 + 1 + 7


async def test_a_cancel_drops_text_that_waits_and_is_always_answered(start: Start) -> None:
    _, client = await start()
    async with client.live_speech(encoding=PCM, max_wait=10) as speech:
        await speech.cancel()
        assert await anext(speech) == SpeechCancelled(0, 0, 0, 0.0)
        await speech.write("Never heard")
        for _ in range(20):
            await speech.cancel()
        for _ in range(20):
            assert await anext(speech) in (SpeechCancelled(0, 0, 11, 0.0), SpeechCancelled(11, 11, 11, 0.0))
        await speech.write("Heard.")
        await speech.end()
        assert (await chunk(speech)).text_start == 11
        assert [event.text_end async for event in speech if isinstance(event, SpokenAudio)][-1] == 17
        assert speech.finished.usage.audio_duration.ToMilliseconds() == 600


@pytest.mark.parametrize("encoding", list(Encoding))
async def test_a_container_survives_being_interrupted(start: Start, encoding: Encoding) -> None:
    _, client = await start(options={"delay_seconds": 0.001})
    async with client.live_speech(encoding=encoding, sample_rate_hertz=24000) as speech:
        await speech.write("This sentence is interrupted while it is being spoken, at some place or other. ")
        await speech.flush()
        begun = [await chunk(speech)]
        while begun[-1].offset_seconds < 1:
            begun.append(await chunk(speech))
        await speech.cancel()
        late, _ = await until_cancelled(speech)
        await speech.write("~This one is whole.")
        await speech.end()
        rest = [event.data async for event in speech if isinstance(event, SpokenAudio)]
    heard = await said(client, b"".join([*(one.data for one in begun + late), *rest]), encoding)
    assert heard.startswith("This s")
    assert heard.endswith("~This one is whole.")


async def test_a_stream_that_waits_for_text_leaves_the_only_thread_to_others(start: Start) -> None:
    server, client = await start(threads=1, concurrency=2)
    async with client.live_speech(encoding=PCM) as waiting:
        await waiting.write("Hello. And so ")
        await read(waiting, 7 * BYTE)
        other = b"".join([data async for data in client.synthesize("Meanwhile.", encoding=PCM)])
        assert len(other) == 10 * BYTE
        assert admission(server).running == 1
        await waiting.end()
        await read(waiting, 7 * BYTE)


async def test_a_stream_holds_its_place_until_it_ends(start: Start) -> None:
    server, client = await start(concurrency=1, queue=1)
    async with client.live_speech() as speech:
        await speech.start()
        following = asyncio.create_task(anext(client.synthesize("Next.")))
        await eventually(lambda: admission(server).waiting)
        assert not following.done()
    assert await following
    await until_idle(server)


async def test_an_abrupt_end_leaves_nothing_behind(start: Start) -> None:
    server, client = await start(options={"delay_seconds": 0.01}, concurrency=2)
    for _ in range(10):
        async with client.live_speech(encoding=Encoding.MP3) as speech:
            await speech.write("It goes on for longer than anybody listens. " * 20)
            await anext(speech)
    await asyncio.wait_for(until_idle(server), PATIENCE_SECONDS)
    assert (admission(server).running, admission(server).waiting) == (0, 0)


async def test_silence_for_too_long_ends_the_stream_and_frees_the_place(start: Start) -> None:
    server, client = await start(max_idle_seconds=0.1)
    async with client.live_speech(encoding=PCM) as speech:
        await speech.write("Hello. Unfinish")
        with pytest.raises(ServiceError) as failure:
            async for _ in speech:
                pass
    assert (failure.value.code, failure.value.reason) == (grpc.StatusCode.ABORTED, "STREAM_IDLE")
    assert "max_idle_seconds" in failure.value.message
    await until_idle(server)


async def test_silence_before_the_options_ends_the_stream(start: Start) -> None:
    _, client = await start(max_idle_seconds=0.05)
    call = client._text_to_speech.StreamingSynthesize()
    with pytest.raises(grpc.aio.AioRpcError) as failure:
        await call.read()
    assert ServiceError.of(failure.value).reason == "STREAM_IDLE"


def options(**speech: Any) -> StreamingSynthesizeRequest:
    return StreamingSynthesizeRequest(options=StreamingSynthesisOptions(speech=SynthesizeRequest(**speech)))


def text(said: str) -> StreamingSynthesizeRequest:
    return StreamingSynthesizeRequest(text=said)


LONG_WAIT = StreamingSynthesisOptions()
LONG_WAIT.max_wait.seconds = 11


@pytest.mark.parametrize(
    ("requests", "reason", "advice"),
    [
        ([], "INVALID_FIELD", "first message"),
        ([text("Hi.")], "INVALID_FIELD", "first message"),
        ([StreamingSynthesizeRequest(flush=SpeechFlush())], "INVALID_FIELD", "first message"),
        ([options(), options()], "INVALID_FIELD", "once"),
        ([options(), StreamingSynthesizeRequest()], "INVALID_FIELD", "empty"),
        ([options(text="Hi.")], "INVALID_FIELD", "messages of its own"),
        ([options(speed=9)], "INVALID_FIELD", "0.25 to 4.0"),
        ([options(splitting={"target_size": 9})], "INVALID_FIELD", "10 to 1000"),
        ([options(splitting={"strategy": 3})], "OPTION_UNSUPPORTED", "by sentence"),
        ([options(sample_rate_hertz=1)], "INVALID_FIELD", "8000"),
        ([StreamingSynthesizeRequest(options=LONG_WAIT)], "INVALID_FIELD", "0.0 to 10.0"),
        ([options(), text("x" * 60), text("x" * 60)], "TEXT_TOO_LONG", "max_text_characters"),
        ([options(), b"\xff\xff"], "MALFORMED_MESSAGE", "UTF-8"),
        ([options(), b"\x12\x01\xff"], "MALFORMED_MESSAGE", "UTF-8"),
    ],
)
async def test_what_is_wrong_is_said_and_the_place_is_free(
    start: Start, requests: list[Any], reason: str, advice: str
) -> None:
    server, client = await start(max_text_characters=100, concurrency=1)
    error = await refused(client, requests)
    assert (error.code, error.reason) == (INVALID, reason)
    assert advice in error.message
    await until_idle(server)


@pytest.mark.parametrize(
    ("speech", "reason"), [({"model": "x"}, "MODEL_NOT_FOUND"), ({"voice": "x"}, "VOICE_NOT_FOUND")]
)
async def test_what_is_not_there_is_not_found(start: Start, speech: dict[str, str], reason: str) -> None:
    _, client = await start()
    error = await refused(client, [options(**speech)])
    assert (error.code, error.reason) == (grpc.StatusCode.NOT_FOUND, reason)


async def refused(client: AsyncClient, requests: list[Any]) -> ServiceError:
    """Sends requests, messages or bytes, and then waits; returns the error."""

    async def sent() -> AsyncIterator[bytes]:
        for request in requests:
            yield request if isinstance(request, bytes) else request.SerializeToString()

    call: Any = client._channel.stream_stream(
        "/audio_grpc.v1.TextToSpeechService/StreamingSynthesize", request_serializer=bytes
    )(sent())
    with pytest.raises(grpc.aio.AioRpcError) as failure:
        async for _ in call:
            pass
    return ServiceError.of(failure.value)


async def test_a_model_that_breaks_ends_its_own_stream_only(start: Start) -> None:
    server, client = await start(options={"fail_after": 3})
    async with client.live_speech(encoding=PCM) as good, client.live_speech(encoding=PCM) as bad:
        await bad.write("Broken.")
        await bad.end()
        with pytest.raises(ServiceError) as failure:
            async for _ in bad:
                pass
        assert failure.value.reason == "MODEL_FAILED"
        await good.write("Ok!")
        await good.end()
        await read(good, 3 * BYTE)
    await until_idle(server)


async def test_an_empty_text_is_a_complete_file(start: Start) -> None:
    _, client = await start()
    async with client.live_speech() as speech:
        await speech.write(" \n")
        await speech.end()
        audio = b"".join([event.data async for event in speech if isinstance(event, SpokenAudio)])
    assert len(audio) == 44
    assert speech.finished.usage.audio_duration.ToMilliseconds() == 0


async def test_reader_and_writer_learn_why_the_stream_has_ended(start: Start) -> None:
    _, client = await start(max_text_characters=10)

    async def write_on(speech: AsyncLiveSpeech) -> None:
        while True:
            await speech.write("More and more. ")

    for _ in range(60):  # one write in thirty is under way when the stream ends, on a busy machine
        async with client.live_speech() as speech:
            writing = asyncio.create_task(write_on(speech))
            with pytest.raises(ServiceError) as failure:
                async for _ in speech:
                    pass
            assert failure.value.reason == "TEXT_TOO_LONG"
            with pytest.raises(ServiceError) as failure:
                await writing
            assert failure.value.reason == "TEXT_TOO_LONG"


def test_the_client_for_threads_writes_and_reads(embedded: str) -> None:
    with Client(embedded) as client:
        with client.live_speech(encoding=PCM) as speech:
            speech.write("Hello there. How are ")
            first = next(speech)
            assert isinstance(first, SpokenAudio)
            assert first.text_end == 13
            speech.cancel()
            while not isinstance(event := next(speech), SpeechCancelled):
                pass
            assert event.dropped_end == 21
            speech.write("Goodbye.")
            speech.flush()
            speech.end()
            rest = [one for one in speech if isinstance(one, SpokenAudio)]
        assert (rest[0].text_start, rest[-1].text_end) == (21, 29)
        assert speech.finished.usage.characters == 29
        with client.live_speech(voice="nobody") as refused_, pytest.raises(ServiceError, match="nobody"):
            refused_.start()
