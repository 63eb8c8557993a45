"""Transcribe over the wire, on the real model and the tone listener."""

import io
import json

import av
import grpc
import numpy as np
import pytest
from google.protobuf.duration_pb2 import Duration

from audio_grpc.audio import decode, encode
from audio_grpc.client import AsyncClient, Client, Encoding, Segment, ServiceError, Task
from audio_grpc.types import Audio
from audio_grpc.v1.speech_to_text_pb2 import (
    RawAudioFormat,
    TranscribeRequest,
    TranscribeUploadRequest,
    VoiceActivityParameters,
)
from audio_grpc.v1.speech_to_text_pb2_grpc import SpeechToTextServiceStub
from tests.conftest import DATA, Start

SPOKEN: dict[str, str] = json.loads((DATA / "transcripts.json").read_text())
LONGEST = (DATA / "sense_and_sensibility_0870.flac").read_bytes()


def test_segments_carry_everything_that_verbose_json_needs(client: Client) -> None:
    with client.transcribe(LONGEST, word_timestamps=True) as transcript:
        started = transcript.start()
        segments = list(transcript)
    assert started.model == "whisper-base"
    assert started.language_code == "en"
    assert 0.5 < started.language_probability <= 1
    finished = transcript.finished
    assert finished.audio_duration.ToMilliseconds() == 7100
    assert finished.usage.audio_duration == finished.audio_duration
    assert finished.usage.output_tokens == sum(len(segment.tokens) for segment in segments) > 20
    assert finished.language_code == "en"
    for segment in segments:
        assert 0 <= segment.start < segment.end <= 7.2
        assert segment.avg_logprob is not None
        assert segment.avg_logprob < 0
        assert segment.compression_ratio is not None
        assert segment.no_speech_prob is not None
        assert segment.temperature == 0.0
        check_words(segment)


def check_words(segment: Segment) -> None:
    assert "".join(word.text for word in segment.words) == segment.text
    times = [time for word in segment.words for time in (word.start, word.end)]
    assert times == sorted(times)
    assert all(0 < word.probability <= 1 for word in segment.words)


def test_words_come_only_when_asked_for(client: Client) -> None:
    assert all(segment.words == () for segment in client.transcribe(LONGEST))


def test_a_given_language_is_not_detected(client: Client) -> None:
    with client.transcribe(LONGEST, language_code="en-GB") as transcript:
        started = transcript.start()
        list(transcript)
    assert started.language_code == "en"
    assert not started.HasField("language_probability")


def test_a_prompt_and_hotwords_shape_the_spelling(client: Client) -> None:
    def heard(**options: object) -> str:
        segments = client.transcribe(LONGEST, language_code="en", **options)  # type: ignore[arg-type]
        return "".join(segment.text for segment in segments)

    assert "Dashwood" in heard()
    assert "Jon Dashwood" in heard(prompt="Letters to Jon Dashwood. Jon Dashwood was rich.")
    assert "Dashwould" in heard(hotwords=["Dashwould", "Mr. Dashwould"])


def test_the_task_translate_writes_english(client: Client) -> None:
    segments = client.transcribe(LONGEST, task=Task.TRANSLATE)
    assert "leisure to consider" in "".join(segment.text for segment in segments)


def test_silence_has_no_segments(client: Client) -> None:
    silence = b"".join(encode([Audio(np.zeros(48000, np.float32), 16000)], Encoding.WAV, 16000))
    with client.transcribe(silence) as transcript:
        assert list(transcript) == []
        assert transcript.finished.audio_duration.ToMilliseconds() == 3000


def test_speech_between_minutes_of_silence_keeps_its_place(client: Client) -> None:
    speech = decode(LONGEST, max_seconds=60).samples
    quiet = np.zeros(40 * 16000, np.float32)
    audio = b"".join(encode([Audio(np.concatenate([quiet, speech, quiet]), 16000)], Encoding.FLAC, 16000))
    segments = list(client.transcribe(audio, language_code="en"))
    assert 39 < segments[0].start < 42
    assert 45 < segments[-1].end < 49


def test_bare_samples_in_stereo(client: Client) -> None:
    samples = (decode(LONGEST, max_seconds=60).samples * 32767).astype("<i2")
    stereo = np.repeat(samples, 2).tobytes()
    raw = RawAudioFormat(sample_rate_hertz=16000, channel_count=2)
    text = "".join(segment.text for segment in client.transcribe(stereo, raw_format=raw))
    assert "leisure to consider" in text


def test_the_sound_of_a_video(client: Client) -> None:
    file = io.BytesIO()
    with av.open(file, "w", format="mp4") as container:
        picture = container.add_stream("mpeg4", rate=25, width=16, height=16, pix_fmt="yuv420p")
        sound = container.add_stream("aac", rate=16000, layout="mono")
        container.mux(picture.encode(av.VideoFrame(16, 16, "yuv420p")))
        frame = av.AudioFrame.from_ndarray(
            decode(LONGEST, max_seconds=60).samples[None], format="fltp", layout="mono"
        )
        frame.sample_rate = 16000
        container.mux(sound.encode(frame))
        container.mux(picture.encode(None))
        container.mux(sound.encode(None))
    text = "".join(segment.text for segment in client.transcribe(file.getvalue()))
    assert "leisure to consider" in text


async def test_segments_arrive_while_later_ones_are_still_being_recognised(start: Start) -> None:
    """The listener breaks at its third sentence: the two before it have arrived by then."""
    _, client = await start(listener={"options": {"fail_after": 2}, "read_ahead": 1})
    audio = b"".join([data async for data in client.synthesize("One. Two. Three. Four.")])
    heard = []
    with pytest.raises(ServiceError, match="broke"):
        async for segment in client.transcribe(audio):
            heard.append(segment.text)  # noqa: PERF401 - what came before the failure is the point
    assert heard == ["One. ", "Two. "]


async def test_options_that_the_model_has_no_use_for_are_named(start: Start) -> None:
    _, client = await start()
    audio = b"".join([data async for data in client.synthesize("One.")])
    transcript = client.transcribe(audio, word_timestamps=True, prompt="Hm.", beam_size=2)
    assert (await transcript.start()).ignored_fields == ["prompt", "beam_size"]


async def test_a_caller_who_leaves_stops_the_listener(start: Start) -> None:
    server, client = await start(
        listener={"options": {"delay_seconds": 0.02}, "concurrency": 1, "read_ahead": 1}
    )
    audio = b"".join([data async for data in client.synthesize("A. " * 400, sample_rate_hertz=8000)])
    async with client.transcribe(audio) as transcript:
        await anext(transcript)
    place = await server.models.transcriber("").admission.enter()
    place.leave()


async def test_two_transcripts_at_once_keep_apart(embedded: str) -> None:
    import asyncio

    async with AsyncClient(embedded) as client:

        async def heard(name: str) -> str:
            audio = (DATA / name).read_bytes()
            segments = [segment async for segment in client.transcribe(audio, language_code="en")]
            return "".join(segment.text for segment in segments)

        names = list(SPOKEN)[1:4]
        together = await asyncio.gather(*map(heard, names))
        assert together == [await heard(name) for name in names]


async def test_an_upload_in_pieces_gives_the_same_transcript(embedded: str) -> None:
    async with AsyncClient(embedded) as client:
        async with client.transcribe(LONGEST, word_timestamps=True) as whole:
            expected = [segment async for segment in whole]
        async with client.upload() as upload:
            for start in range(0, len(LONGEST), 10_000):
                await upload.write(LONGEST[start : start + 10_000])
            async with await upload.transcribe(word_timestamps=True) as transcript:
                assert (await transcript.start()).model == "whisper-base"
                assert [segment async for segment in transcript] == expected
    assert transcript.finished.usage == whole.finished.usage


async def test_an_upload_is_refused_as_soon_as_it_is_too_large(start: Start) -> None:
    _, client = await start(max_audio_bytes=100_000)
    async with client.upload() as upload:
        with pytest.raises(ServiceError, match=r"more than 0.0953674 MiB") as failure:
            for _ in range(10_000):  # 640 MB if nobody says stop
                await upload.write(bytes(64_000))
    assert (failure.value.reason, failure.value.field) == ("MESSAGE_TOO_LARGE", "audio")


async def test_an_upload_without_audio_is_refused(start: Start) -> None:
    _, client = await start()
    async with client.upload() as upload, await upload.transcribe() as transcript:
        with pytest.raises(ServiceError) as failure:
            await transcript.start()
    assert failure.value.reason == "AUDIO_EMPTY"


async def test_an_upload_that_is_left_ends_on_the_server(start: Start) -> None:
    server, client = await start(listener={"concurrency": 1, "queue": 0})
    async with client.upload() as upload:
        await upload.write(b"RIFF")
    spoken = b"".join([data async for data in client.synthesize("Hello.")])
    async with client.transcribe(spoken) as transcript:
        assert [segment.text async for segment in transcript] == ["Hello."]
    assert server.models.transcriber("").admission.running == 0


async def test_the_options_of_an_upload_come_once(start: Start) -> None:
    server, _ = await start()
    options = TranscribeUploadRequest(options=TranscribeRequest(model="listener"))
    async with grpc.aio.insecure_channel(server.address) as channel:
        call = SpeechToTextServiceStub(channel).TranscribeUpload(iter([options, options]))
        with pytest.raises(grpc.aio.AioRpcError, match="come once"):
            await call.read()


def test_the_parameters_of_the_voice_detector_have_an_effect(client: Client) -> None:
    silent = Audio(np.zeros(16000, np.float32), 16000)
    speech = decode(LONGEST, sample_rate_hertz=16000, max_seconds=60)
    whole = b"".join(encode([speech, silent, speech], Encoding.WAV, 16000))
    eager = VoiceActivityParameters(threshold=0.1)
    deaf = VoiceActivityParameters(threshold=1.0)
    assert list(client.transcribe(whole, voice_activity_parameters=eager))
    assert list(client.transcribe(whole, voice_activity_parameters=deaf)) == []


@pytest.mark.parametrize(
    ("parameters", "field"),
    [
        (VoiceActivityParameters(threshold=1.1), "threshold"),
        (VoiceActivityParameters(min_silence=Duration(seconds=11)), "min_silence"),
        (VoiceActivityParameters(padding=Duration(seconds=-1)), "padding"),
        (VoiceActivityParameters(min_speech=Duration(seconds=11)), "min_speech"),
        (VoiceActivityParameters(max_speech=Duration(nanos=1)), "max_speech"),
        (VoiceActivityParameters(neg_threshold=-0.1), "neg_threshold"),
    ],
)
async def test_parameters_out_of_range_are_refused(
    start: Start, parameters: VoiceActivityParameters, field: str
) -> None:
    _, client = await start()
    with pytest.raises(ServiceError) as failure:
        await client.transcribe(b"RIFF", voice_activity_parameters=parameters).start()
    assert failure.value.field == f"voice_activity_parameters.{field}"
