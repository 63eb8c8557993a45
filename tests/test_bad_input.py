"""Refusals of bad input: the status, the field, and the advice."""

import io
import wave
from collections.abc import AsyncIterator
from typing import Any

import av
import grpc
import numpy as np
import pytest

from audio_grpc.audio import encode
from audio_grpc.client import AsyncClient, Encoding, ServiceError
from audio_grpc.types import Audio
from audio_grpc.v1.speech_to_text_pb2 import RawAudioFormat
from audio_grpc.v1.text_to_speech_pb2 import SynthesizeRequest, SynthesizeResponse
from tests.conftest import DATA, Start

INVALID, MISSING = grpc.StatusCode.INVALID_ARGUMENT, grpc.StatusCode.NOT_FOUND
FLAC = (DATA / "sense_and_sensibility_0880.flac").read_bytes()


async def refused(stream: Any) -> ServiceError:
    with pytest.raises(ServiceError) as failure:
        async for _ in stream:
            pass
    return failure.value


@pytest.fixture
async def client(start: Start) -> AsyncIterator[AsyncClient]:
    """A client of a server that is in order after whatever a test has sent it."""
    server, client = await start(max_text_characters=1000, max_audio_seconds=60.0)
    yield client
    assert b"".join([data async for data in client.synthesize("Still well.")])
    assert server.models.synthesizer("").admission.running == 0


@pytest.mark.parametrize(
    ("text", "options", "code", "reason", "field", "advice"),
    [
        ("", {}, INVALID, "TEXT_EMPTY", "text", "send at least one"),
        (" \n\t", {}, INVALID, "TEXT_EMPTY", "text", "send at least one"),
        ("\x00\x07\x1b", {}, INVALID, "TEXT_EMPTY", "text", "send at least one"),
        ("\u200b\u202e", {}, INVALID, "TEXT_EMPTY", "text", "send at least one"),
        ("x" * 1001, {}, INVALID, "TEXT_TOO_LONG", "text", "more than 1000; send it in several"),
        ("Hi.", {"model": "gpt"}, MISSING, "MODEL_NOT_FOUND", "model", "there are: speaker"),
        ("Hi.", {"model": "listener"}, MISSING, "MODEL_NOT_FOUND", "model", "there are: speaker"),
        ("Hi.", {"voice": "nobody"}, MISSING, "VOICE_NOT_FOUND", "voice", "it has: tone"),
        ("Hi.", {"sample_rate_hertz": 7999}, INVALID, "INVALID_FIELD", "sample_rate_hertz", "8000"),
        ("Hi.", {"sample_rate_hertz": 48001}, INVALID, "INVALID_FIELD", "sample_rate_hertz", "48000"),
        ("Hi.", {"sample_rate_hertz": 0}, INVALID, "INVALID_FIELD", "sample_rate_hertz", "8000"),
        (
            "Hi.",
            {"encoding": Encoding.OPUS, "sample_rate_hertz": 22050},
            INVALID,
            "INVALID_FIELD",
            "sample_rate_hertz",
            "24000",
        ),
        ("Hi.", {"speed": 0.2}, INVALID, "INVALID_FIELD", "speed", "from 0.25 to 4.0"),
        ("Hi.", {"speed": float("nan")}, INVALID, "INVALID_FIELD", "speed", "from 0.25 to 4.0"),
        ("Hi.", {"temperature": 5.1}, INVALID, "INVALID_FIELD", "temperature", "from 0.0 to 5.0"),
        ("Hi.", {"seed": -1}, INVALID, "INVALID_FIELD", "seed", "from 0"),
        ("Hi.", {"target_size": 9}, INVALID, "INVALID_FIELD", "splitting.target_size", "10"),
        ("Hi.", {"target_size": 1001}, INVALID, "INVALID_FIELD", "splitting.target_size", "1000"),
    ],
)
async def test_synthesize_refuses(
    client: AsyncClient,
    text: str,
    options: dict[str, Any],
    code: grpc.StatusCode,
    reason: str,
    field: str,
    advice: str,
) -> None:
    error = await refused(client.synthesize(text, **options))
    assert (error.code, error.reason, error.field) == (code, reason, field)
    assert advice in error.message


async def raw_synthesize(client: AsyncClient, request: bytes) -> grpc.aio.AioRpcError:
    """Sends bytes as a Synthesize request, which no typed client could; returns the error."""
    call = client._channel.unary_stream(
        "/audio_grpc.v1.TextToSpeechService/Synthesize",
        request_serializer=bytes,
        response_deserializer=SynthesizeResponse.FromString,
    )
    with pytest.raises(grpc.aio.AioRpcError) as failure:
        async for _ in call(request):
            pass
    return failure.value


async def test_an_unknown_encoding_is_refused(client: AsyncClient) -> None:
    request = SynthesizeRequest(text="Hi.", encoding=99)  # type: ignore[arg-type]
    error = ServiceError.of(await raw_synthesize(client, request.SerializeToString()))
    assert (error.code, error.reason, error.field) == (INVALID, "INVALID_FIELD", "encoding")


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(b"\xed\xa0\xbd", id="a lone surrogate"),
        pytest.param(b"caf\xe9", id="Latin-1"),
    ],
)
async def test_text_that_is_not_utf8_is_refused(client: AsyncClient, text: bytes) -> None:
    error = ServiceError.of(await raw_synthesize(client, b"\x0a" + bytes([len(text)]) + text))
    assert (error.code, error.reason) == (INVALID, "MALFORMED_MESSAGE")
    assert "UTF-8" in error.message


async def test_bytes_that_are_no_message_are_refused(client: AsyncClient) -> None:
    error = ServiceError.of(await raw_synthesize(client, b"\xff\xff\xff"))
    assert (error.code, error.reason) == (INVALID, "MALFORMED_MESSAGE")


async def test_rich_errors_say_which_field_and_why(client: AsyncClient) -> None:
    """The details are in google.rpc.Status, which every gRPC library reads."""
    from google.rpc.error_details_pb2 import BadRequest, ErrorInfo
    from google.rpc.status_pb2 import Status

    request = SynthesizeRequest(text="Hi.", speed=9).SerializeToString()
    error = await raw_synthesize(client, request)
    details = dict(error.trailing_metadata())["grpc-status-details-bin"]
    status = Status.FromString(details)
    info, bad = ErrorInfo(), BadRequest()
    assert (status.code, status.message) == (3, error.details())
    assert status.details[0].Unpack(info)
    assert (info.reason, info.domain, info.metadata["field"]) == ("INVALID_FIELD", "audio-grpc", "speed")
    assert status.details[1].Unpack(bad)
    assert bad.field_violations[0].field == "speed"


def noise(seconds: float, encoding: Encoding = Encoding.WAV) -> bytes:
    samples = np.random.default_rng(1).uniform(-0.3, 0.3, round(seconds * 16000)).astype(np.float32)
    return b"".join(encode([Audio(samples, 16000)], encoding, 16000))


def picture() -> bytes:
    """A video without sound."""
    file = io.BytesIO()
    with av.open(file, "w", format="matroska") as container:
        stream = container.add_stream("mpeg4", rate=25, width=16, height=16, pix_fmt="yuv420p")
        container.mux(stream.encode(av.VideoFrame(16, 16, "yuv420p")))
        container.mux(stream.encode(None))
    return file.getvalue()


SHORT = noise(1)


def truncated_wav() -> bytes:
    file = io.BytesIO()
    with wave.open(file, "wb") as whole:
        whole.setparams((1, 2, 16000, 0, "NONE", ""))
        whole.writeframes(bytes(64000))
    return file.getvalue()[:20000]


@pytest.mark.parametrize(
    ("audio", "options", "reason", "field", "advice"),
    [
        pytest.param(b"", {}, "AUDIO_EMPTY", "audio", "send", id="no bytes"),
        pytest.param(noise(0), {}, "AUDIO_EMPTY", "audio", "send", id="no samples"),
        pytest.param(b"GIF89a" * 99, {}, "AUDIO_UNDECODABLE", "audio", "send", id="not audio"),
        pytest.param(picture(), {}, "AUDIO_UNDECODABLE", "audio", "send", id="only a picture"),
        pytest.param(FLAC[:20000], {}, "AUDIO_TRUNCATED", "audio", "send", id="half a FLAC"),
        pytest.param(truncated_wav(), {}, "AUDIO_TRUNCATED", "audio", "send", id="half a WAV"),
        pytest.param(noise(61), {}, "AUDIO_TOO_LONG", "audio", "60 seconds", id="too long"),
        pytest.param(
            noise(1), {"temperature": 1.1}, "INVALID_FIELD", "temperature", "0.0 to 1.0", id="too hot"
        ),
        pytest.param(SHORT, {"beam_size": 0}, "INVALID_FIELD", "beam_size", "1 to 16", id="beam size"),
        pytest.param(noise(1), {"prompt": "x" * 5000}, "INVALID_FIELD", "prompt", "4096", id="prompt"),
        pytest.param(noise(1), {"hotwords": ["x"] * 129}, "INVALID_FIELD", "hotwords", "128", id="hotwords"),
        pytest.param(noise(1), {"hotwords": ["x" * 65]}, "INVALID_FIELD", "hotwords", "64", id="a hotword"),
        pytest.param(
            bytes(3200),
            {"raw_format": RawAudioFormat()},
            "INVALID_FIELD",
            "raw_format.sample_rate_hertz",
            "1000",
            id="raw without a rate",
        ),
        pytest.param(
            bytes(3200),
            {"raw_format": RawAudioFormat(sample_rate_hertz=16000, channel_count=9)},
            "INVALID_FIELD",
            "raw_format.channel_count",
            "8",
            id="raw with nine channels",
        ),
        pytest.param(
            bytes(3201),
            {"raw_format": RawAudioFormat(sample_rate_hertz=16000)},
            "INVALID_FIELD",
            "audio",
            "whole samples",
            id="raw with half a sample",
        ),
    ],
)
async def test_transcribe_refuses(
    client: AsyncClient, audio: bytes, options: dict[str, Any], reason: str, field: str, advice: str
) -> None:
    error = await refused(client.transcribe(audio, **options))
    assert (error.code, error.reason, error.field) == (INVALID, reason, field)
    assert advice in error.message


async def test_hours_of_silence_in_a_few_kilobytes_stop_at_the_limit(client: AsyncClient) -> None:
    hour = np.zeros(3600 * 8000, np.float32)
    bomb = b"".join(encode([Audio(hour, 8000)], Encoding.FLAC, 8000))
    assert len(bomb) < hour.nbytes / 100
    error = await refused(client.transcribe(bomb))
    assert (error.code, error.reason) == (INVALID, "AUDIO_TOO_LONG")


async def test_an_upload_over_the_limit_is_told_so(start: Start) -> None:
    _, client = await start()
    error = await refused(client.transcribe(bytes(65 << 20)))
    assert (error.code, error.reason, error.field) == (INVALID, "MESSAGE_TOO_LARGE", "audio")
    assert "65.0 MiB, more than 64 MiB" in error.message
    assert "compressed" in error.message


async def test_an_upload_far_over_the_limit_is_not_even_received(start: Start) -> None:
    _, client = await start(max_audio_bytes=1 << 20, max_voice_sample_bytes=1 << 20)
    error = await refused(client.transcribe(bytes(8 << 20)))
    assert error.code is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert b"".join([data async for data in client.synthesize("Still well.")])


async def test_a_wordless_text_is_a_short_silence(embedded: str) -> None:
    async with (
        AsyncClient(embedded) as client,
        client.synthesize("👍🎉", encoding=Encoding.PCM_S16LE) as speech,
    ):
        audio = b"".join([data async for data in speech])
    assert 0.1 < len(audio) / 48000 < 1.0
    assert not any(audio)


async def test_letters_that_the_voice_cannot_pronounce_are_refused(embedded: str) -> None:
    async with AsyncClient(embedded) as client:
        error = await refused(client.synthesize("My name is 世界."))
    assert (error.code, error.reason, error.field) == (INVALID, "TEXT_UNSPEAKABLE", "text")
    assert "世界" in error.message


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("Ring\x07 the\x00 bell.\x1b[31m", id="control characters"),
        pytest.param(r"A lone surrogate \ud83d spelled out.", id="a surrogate's escape"),
        pytest.param("Fine 👍, naïve café … 100 %!", id="emoji among words"),
    ],
)
async def test_odd_text_is_spoken(embedded: str, text: str) -> None:
    async with AsyncClient(embedded) as client:
        assert b"".join([data async for data in client.synthesize(text)])


async def test_a_language_that_the_model_does_not_have_is_refused(embedded: str) -> None:
    async with AsyncClient(embedded) as client:
        for stream in (
            client.synthesize("Hello.", language_code="zh"),
            client.transcribe(FLAC, language_code="xx"),
        ):
            error = await refused(stream)
            assert (error.code, error.reason, error.field) == (INVALID, "OPTION_UNSUPPORTED", "language_code")
