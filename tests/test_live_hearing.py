"""StreamingTranscribe over the wire: events, limits, and how streams end."""

import asyncio
from collections.abc import AsyncIterator
from io import BytesIO
from typing import Any

import av
import grpc
import numpy as np
import pytest
from numpy.typing import NDArray

from audio_grpc.backends.base import TranscriberInfo, Transcript
from audio_grpc.backends.tone import ToneListener
from audio_grpc.client import (
    AsyncClient,
    AsyncLiveTranscript,
    Encoding,
    EndCause,
    Hypothesis,
    LiveTranscriptEvent,
    ServiceError,
    SpeechStarted,
    SpeechStopped,
    UtteranceTranscript,
)
from audio_grpc.convert import from_seconds
from audio_grpc.server import Server
from audio_grpc.types import Audio, TranscriptionOptions
from audio_grpc.v1.speech_to_text_pb2 import (
    SAMPLE_FORMAT_ALAW,
    SAMPLE_FORMAT_F32LE,
    SAMPLE_FORMAT_MULAW,
    Endpointing,
    SampleFormat,
    StreamingTranscribeRequest,
    StreamingTranscriptionOptions,
    UtteranceEnd,
)
from tests.conftest import Start
from tests.eventually import eventually

RATE = 24000
"""The rate of the tone speaker."""
PIECE = RATE // 10 * 2
"""100 ms of 16-bit samples: one byte of text."""
MANUAL = Endpointing(manual=True)
INVALID = grpc.StatusCode.INVALID_ARGUMENT


async def until_free(server: Server) -> None:
    await eventually(lambda: not server.models.transcriber("").live_admission.running)


async def spoken(client: AsyncClient, text: str) -> bytes:
    return b"".join([data async for data in client.synthesize(text, encoding=Encoding.PCM_S16LE)])


async def write(transcript: AsyncLiveTranscript, samples: bytes, size: int = PIECE) -> None:
    for start in range(0, len(samples), size):
        await transcript.write(samples[start : start + size])


async def following(transcript: AsyncLiveTranscript, kind: type[Any]) -> Any:
    """The next event of that kind."""
    async for event in transcript:
        if isinstance(event, kind):
            return event
    raise AssertionError(f"the stream ended without a {kind.__name__}")


def texts(events: list[LiveTranscriptEvent]) -> list[str]:
    return [event.text for event in events if isinstance(event, UtteranceTranscript)]


async def test_the_caller_ends_utterances_and_times_are_those_of_the_stream(start: Start) -> None:
    server, client = await start()
    async with client.listen(RATE, endpointing=MANUAL) as transcript:
        assert (await transcript.start()).model == "listener"
        for text in ("First one.", "And two."):
            await write(transcript, await spoken(client, text))
            await transcript.end_utterance()
        await write(transcript, await spoken(client, "Rest"))
        await transcript.end()
        events = [event async for event in transcript]
    heard = [event for event in events if isinstance(event, UtteranceTranscript)]
    assert [event.text for event in heard] == ["First one.", "And two.", "Rest"]
    assert [event.utterance for event in heard] == [0, 1, 2]
    assert heard[1].words[0].start == pytest.approx(1.0, abs=0.05)
    assert heard[2].words[0].end == pytest.approx(2.2, abs=0.05)
    causes = [event.cause for event in events if isinstance(event, SpeechStopped)]
    assert causes == [EndCause.CALLER, EndCause.CALLER, EndCause.END_OF_STREAM]
    assert transcript.finished.audio_duration.ToMilliseconds() == pytest.approx(2200, abs=5)
    assert transcript.finished.usage.output_tokens == 22
    await until_free(server)


async def test_words_are_shown_while_they_are_spoken_and_stable_ones_stay(start: Start) -> None:
    _, client = await start()
    samples = await spoken(client, "One two three four five.")
    shown = ""
    async with client.listen(RATE, endpointing=MANUAL, interim_results=True) as transcript:
        for place in range(0, len(samples), 6 * PIECE):
            await write(transcript, samples[place : place + 6 * PIECE])
            hypothesis = await following(transcript, Hypothesis)
            assert hypothesis.stable_text.startswith(shown)
            shown = hypothesis.stable_text
        assert shown.startswith("One two")
        await transcript.end()
        final = await following(transcript, UtteranceTranscript)
    assert final.text == "One two three four five."
    assert final.text.startswith(shown)


async def test_nothing_is_guessed_unless_it_was_asked_for(start: Start) -> None:
    _, client = await start()
    async with client.listen(RATE, endpointing=MANUAL) as transcript:
        await write(transcript, await spoken(client, "One two three."))
        await transcript.end()
        assert not [event async for event in transcript if isinstance(event, Hypothesis)]


async def test_a_file_is_sent_faster_than_it_is_heard_and_nothing_is_lost(start: Start) -> None:
    _, client = await start(listener={"options": {"delay_seconds": 0.01}})
    said = "".join(f"{number:04} " for number in range(100))
    endpointing = Endpointing(manual=True, max_utterance=from_seconds(5))
    async with client.listen(RATE, endpointing=endpointing, interim_results=True) as transcript:
        sending = asyncio.create_task(_send_all(transcript, await spoken(client, said)))
        events = [event async for event in transcript]
        await sending
    heard = [event for event in events if isinstance(event, UtteranceTranscript)]
    assert len(heard) > 10
    assert heard[0].text.startswith("0000 0001 0002")
    assert [event.start for event in heard[1:]] == [event.end for event in heard[:-1]]
    assert heard[-1].end == pytest.approx(50, abs=0.01)
    causes = {event.cause for event in events if isinstance(event, SpeechStopped)}
    assert EndCause.MAX_UTTERANCE in causes


async def _send_all(transcript: AsyncLiveTranscript, samples: bytes) -> None:
    await write(transcript, samples, 200_000)
    await transcript.end()


@pytest.mark.parametrize("channels", [1, 2])
async def test_floats_and_channels_are_understood(start: Start, channels: int) -> None:
    _, client = await start()
    integers = np.frombuffer(await spoken(client, "Floating."), "<i2")
    floats = np.repeat(integers.astype("<f4") / 32768, channels).tobytes()
    async with client.listen(
        RATE, sample_format=SAMPLE_FORMAT_F32LE, channel_count=channels, endpointing=MANUAL
    ) as transcript:
        await write(transcript, floats, 8000)
        await transcript.end()
        assert texts([event async for event in transcript]) == ["Floating."]


@pytest.mark.parametrize("size", [8, PIECE, 200_000])
async def test_channels_that_cancel_each_other_are_heard(start: Start, size: int) -> None:
    _, client = await start()
    left = np.frombuffer(await spoken(client, "Opposites."), "<i2")
    both = np.stack([left, -left], axis=1).tobytes()
    async with client.listen(RATE, channel_count=2, endpointing=MANUAL) as transcript:
        await write(transcript, both[: 8 * size], size)
        await write(transcript, both[8 * size :], 200_000)
        await transcript.end()
        assert texts([event async for event in transcript]) == ["Opposites."]


@pytest.mark.parametrize(
    ("name", "sample_format"), [("mulaw", SAMPLE_FORMAT_MULAW), ("alaw", SAMPLE_FORMAT_ALAW)]
)
async def test_telephones_are_understood(
    start: Start, name: str, sample_format: SampleFormat.ValueType
) -> None:
    _, client = await start()
    integers = np.frombuffer(await spoken(client, "Ring ring."), "<i2")
    async with client.listen(RATE, sample_format=sample_format, endpointing=MANUAL) as transcript:
        await write(transcript, telephone(integers, name))
        await transcript.end()
        assert texts([event async for event in transcript]) == ["Ring ring."]


def telephone(samples: NDArray[np.int16], name: str) -> bytes:
    """Encodes samples with FFmpeg: ``mulaw`` or ``alaw``."""
    sink = BytesIO()
    with av.open(sink, "w", format=name) as file:
        stream: Any = file.add_stream(f"pcm_{name}", rate=RATE, layout="mono")
        frame = av.AudioFrame.from_ndarray(samples[np.newaxis], format="s16", layout="mono")
        frame.sample_rate = RATE
        file.mux([*stream.encode(frame), *stream.encode(None)])
    return sink.getvalue()


class Remembering(ToneListener):
    """Remembers how it was told to listen."""

    asked: list[TranscriptionOptions]

    @property
    def info(self) -> TranscriberInfo:
        return TranscriberInfo(("und",), frozenset({"prompt", "hotwords", "word_timestamps"}))

    def transcribe(self, audio: Audio, options: TranscriptionOptions) -> Transcript:
        self.asked.append(options)
        return super().transcribe(audio, options)


async def test_what_was_said_is_the_prompt_of_what_follows(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    Remembering.asked = []
    monkeypatch.setattr("audio_grpc.backends.tone.ToneListener", Remembering)
    _, client = await start()
    async with client.listen(
        RATE, endpointing=MANUAL, prompt="Names.", hotwords=["Dashwood"], interim_results=True
    ) as transcript:
        assert (await transcript.start()).ignored_fields == []
        for text in (" Said once.", " Said twice.", " And more."):
            await write(transcript, await spoken(client, text))
            await transcript.end_utterance()
            await following(transcript, UtteranceTranscript)
    finals = [options for options in Remembering.asked if not options.draft]
    assert [options.prompt for options in finals] == ["Names.", "Names. Said once.", "Names. Said twice."]
    assert {options.hotwords for options in Remembering.asked} == {("Dashwood",)}
    assert all(options.short_context for options in Remembering.asked)


@pytest.mark.parametrize("sound", [b"", bytes(PIECE)])
async def test_ending_what_nobody_said_is_no_error(start: Start, sound: bytes) -> None:
    _, client = await start()
    async with client.listen(RATE, endpointing=Endpointing()) as transcript:
        await transcript.write(sound)
        await transcript.end_utterance()
        await transcript.end()
        assert [event async for event in transcript] == []


async def test_an_idle_stream_is_told_so_and_its_place_is_free(start: Start) -> None:
    server, client = await start(max_idle_seconds=0.05)
    async with client.listen(RATE) as transcript:
        with pytest.raises(ServiceError, match="max_idle_seconds") as failure:
            await following(transcript, UtteranceTranscript)
    assert (failure.value.code, failure.value.reason) == (grpc.StatusCode.ABORTED, "STREAM_IDLE")
    await until_free(server)


async def test_one_stream_too_many_is_refused_at_once(start: Start) -> None:
    server, client = await start(listener={"live_streams": 1})
    async with client.listen(RATE, endpointing=MANUAL) as first:
        await first.start()
        async with client.listen(RATE, endpointing=MANUAL) as second:
            with pytest.raises(ServiceError, match="live_streams") as failure:
                await second.start()
        assert failure.value.reason == "QUEUE_FULL"
        assert failure.value.retry_after_seconds
        await first.end()
        assert [event async for event in first] == []
    await until_free(server)


async def test_callers_who_leave_abruptly_leave_nothing_behind(start: Start) -> None:
    server, client = await start(listener={"live_streams": 20})
    samples = await spoken(client, "Interrupted in the middle of a")

    async def leave(number: int) -> None:
        async with client.listen(RATE, endpointing=MANUAL, interim_results=True) as transcript:
            await write(transcript, samples[: number * PIECE])
            if number % 2:
                await following(transcript, SpeechStarted)

    await asyncio.gather(*(leave(number) for number in range(1, 20)))
    await until_free(server)
    async with client.listen(RATE, endpointing=MANUAL) as transcript:
        await write(transcript, samples)
        await transcript.end()
        assert texts([event async for event in transcript]) == ["Interrupted in the middle of a"]


async def test_a_model_that_breaks_ends_its_own_stream(start: Start) -> None:
    server, client = await start(listener={"options": {"fail_after": 0}})
    async with client.listen(RATE, endpointing=MANUAL) as transcript:
        await write(transcript, await spoken(client, "Broken."))
        await transcript.end()
        with pytest.raises(ServiceError) as failure:
            await following(transcript, UtteranceTranscript)
    assert failure.value.reason == "MODEL_FAILED"
    await until_free(server)


async def test_many_streams_take_turns_and_all_get_their_transcripts(start: Start) -> None:
    _, client = await start(listener={"live_streams": 8, "options": {"delay_seconds": 0.02}})

    async def one(text: str) -> list[str]:
        async with client.listen(RATE, endpointing=MANUAL, interim_results=True) as transcript:
            await write(transcript, await spoken(client, text))
            await transcript.end()
            return texts([event async for event in transcript])

    wanted = [f"This is stream number {number}." for number in range(8)]
    assert await asyncio.gather(*map(one, wanted)) == [[text] for text in wanted]


def options(**fields: Any) -> StreamingTranscribeRequest:
    fields.setdefault("sample_rate_hertz", 16000)
    return StreamingTranscribeRequest(options=StreamingTranscriptionOptions(**fields))


def audio(size: int) -> StreamingTranscribeRequest:
    return StreamingTranscribeRequest(audio=bytes(size))


NOT_A_NUMBER = StreamingTranscribeRequest(audio=np.full(100, np.nan, "<f4").tobytes())
SECONDS_99 = {"seconds": 99}


@pytest.mark.parametrize(
    ("requests", "reason", "advice"),
    [
        ([], "INVALID_FIELD", "first message"),
        ([audio(100)], "INVALID_FIELD", "first message"),
        ([StreamingTranscribeRequest(end_utterance=UtteranceEnd())], "INVALID_FIELD", "first message"),
        ([options(), audio(100), options()], "INVALID_FIELD", "once"),
        ([options(), StreamingTranscribeRequest()], "INVALID_FIELD", "empty"),
        ([options(), audio(101)], "INVALID_FIELD", "multiple of 2"),
        ([options(channel_count=3), audio(100)], "INVALID_FIELD", "multiple of 6"),
        ([options(sample_format=SAMPLE_FORMAT_F32LE), audio(102)], "INVALID_FIELD", "multiple of 4"),
        ([options(sample_format=SAMPLE_FORMAT_F32LE), NOT_A_NUMBER], "INVALID_FIELD", "finite"),
        ([options(sample_format=SAMPLE_FORMAT_ALAW, channel_count=2), audio(3)], "INVALID_FIELD", "of 2"),
        ([options(sample_format=9)], "INVALID_FIELD", "sample_format"),
        ([options(), audio((1 << 20) + 2)], "MESSAGE_TOO_LARGE", "smaller pieces"),
        ([options(sample_rate_hertz=0)], "INVALID_FIELD", "1000"),
        ([options(endpointing={"silence": SECONDS_99})], "INVALID_FIELD", "0.1 to 5.0"),
        ([options(endpointing={"max_utterance": SECONDS_99})], "INVALID_FIELD", "5.0 to 28.0"),
        ([options(endpointing={"threshold": 1.0})], "INVALID_FIELD", "0.05 to 0.95"),
        ([options(hotwords=["x" * 65])], "INVALID_FIELD", "hotwords"),
        ([options(), b"\xff\xff"], "MALFORMED_MESSAGE", "UTF-8"),
    ],
)
async def test_what_is_wrong_is_said_and_the_place_is_free(
    start: Start, requests: list[Any], reason: str, advice: str
) -> None:
    server, client = await start()

    async def sent() -> AsyncIterator[bytes]:
        for request in requests:
            yield request if isinstance(request, bytes) else request.SerializeToString()

    call: Any = client._channel.stream_stream(
        "/audio_grpc.v1.SpeechToTextService/StreamingTranscribe", request_serializer=bytes
    )(sent())
    with pytest.raises(grpc.aio.AioRpcError) as failure:
        async for _ in call:
            pass
    error = ServiceError.of(failure.value)
    assert (error.code, error.reason) == (INVALID, reason)
    assert advice in error.message
    await until_free(server)


async def test_an_unknown_model_is_not_found(start: Start) -> None:
    _, client = await start()
    async with client.listen(RATE, model="nobody") as transcript:
        with pytest.raises(ServiceError) as failure:
            await transcript.start()
    assert failure.value.reason == "MODEL_NOT_FOUND"


async def test_writer_and_reader_learn_why_the_stream_has_ended(start: Start) -> None:
    _, client = await start()

    async def write_on(transcript: AsyncLiveTranscript) -> None:
        while True:
            await transcript.write(b"odd")

    async with client.listen(RATE, endpointing=MANUAL) as transcript:
        writing = asyncio.create_task(write_on(transcript))
        with pytest.raises(ServiceError, match="whole samples"):
            await following(transcript, UtteranceTranscript)
        with pytest.raises(ServiceError, match="whole samples"):
            await writing
