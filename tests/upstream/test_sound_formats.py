"""The variants of providers' files, in pieces of any size."""

import asyncio
import struct
import threading

import numpy as np
import pytest

from audio_grpc.audio import encode, wav_header
from audio_grpc.client import Encoding
from audio_grpc.types import Audio
from audio_grpc.types import Encoding as Codec
from tests.conftest import Start
from tests.upstream.conftest import Providers, speaker, until_idle, upstream
from tests.upstream.faulty import Behaviour, Connection
from tests.upstream.test_speech_faults import SOUND, endless, failure_of, spoken, stalling, well

FORM = struct.pack("<4sIHHIIHH", b"fmt ", 16, 1, 1, 24000, 48000, 2, 16)
STEREO = struct.pack("<4sIHHIIHH", b"fmt ", 16, 1, 2, 24000, 96000, 4, 16)
FLOAT = struct.pack("<4sIHHIIHH", b"fmt ", 16, 3, 1, 24000, 96000, 4, 32)
NOTE = b"LIST" + (5).to_bytes(4, "little") + b"note.\0"
"""A chunk of an odd size, so padded."""


def wave(*chunks: bytes) -> bytes:
    return b"RIFF\xff\xff\xff\xffWAVE" + b"".join(chunks)


def data(samples: bytes, size: int | None = None) -> bytes:
    return b"data" + (len(samples) if size is None else size).to_bytes(4, "little") + samples


def sending(file: bytes, step: int = 1 << 20) -> Behaviour:
    async def send(connection: Connection) -> None:
        await connection.head(kind="application/octet-stream")
        for start in range(0, len(file), step):
            await connection.chunk(file[start : start + step])
        await connection.end()

    return send


@pytest.mark.parametrize(
    "file",
    [
        wav_header(24000) + SOUND,
        wave(NOTE, FORM, data(SOUND)),
        wave(FORM, NOTE, data(SOUND), NOTE),
        wave(FORM, data(SOUND, 0)),
        wave(STEREO, data(b"".join(2 * SOUND[at : at + 2] for at in range(0, len(SOUND), 2)))),
    ],
    ids=["endless header", "note first", "notes around", "no length", "stereo"],
)
@pytest.mark.parametrize("step", [1 << 20, 7], ids=["whole", "bit by bit"])
async def test_a_wav_file_is_read_as_it_comes(
    start: Start, providers: Providers, file: bytes, step: int
) -> None:
    made = await providers(sending(file, step))
    _, client = await start(**speaker(upstream(made, response_format="wav")))
    assert await spoken(client) == SOUND


@pytest.mark.parametrize(
    ("form", "file", "told"),
    [
        ("wav", wave(FORM, data(SOUND, 2 * len(SOUND))), "ends too early"),
        ("wav", wave(FORM), "ends too early"),
        ("wav", wave(data(SOUND)), "does not say what it is"),
        ("wav", wave(FLOAT, data(SOUND)), "other than 16-bit samples"),
        ("wav", SOUND, "sent pcm when asked for wav"),
        ("wav", b"RIFFabcdWAXE" + FORM, "something else than a WAV file"),
        ("mp3", b"no frames at all " * 1000, "damaged MP3"),
        ("pcm", b"ID3\x04" + bytes(100), "sent mp3 when asked for pcm"),
    ],
)
async def test_a_file_that_is_not_what_it_should_be_is_a_failure(
    start: Start, providers: Providers, form: str, file: bytes, told: str
) -> None:
    _, client = await start(**speaker(upstream(await providers(sending(file)), response_format=form)))
    failure = await failure_of(client)
    assert failure.reason == "UPSTREAM_FAILED"
    assert told in failure.message


@pytest.mark.parametrize(
    "tag", [b"", b"ID3\x04\x00\x00\x00\x00\x02\x01" + bytes(257)], ids=["bare", "tagged"]
)
async def test_an_mp3_is_heard_frame_by_frame(start: Start, providers: Providers, tag: bytes) -> None:
    tone = Audio(np.full(24000, 0.1, np.float32), 24000)
    file = tag + b"".join(encode([tone], Codec.MP3, 24000))
    heard = asyncio.Event()

    async def holding_back(connection: Connection) -> None:
        await connection.head(kind="audio/mpeg")
        await connection.chunk(file[: len(file) // 2])
        await heard.wait()
        await connection.chunk(file[len(file) // 2 :])
        await connection.end()

    made = await providers(holding_back)
    _, client = await start(**speaker(upstream(made, response_format="mp3")))
    pieces = b""
    async for piece in client.synthesize("Hello.", encoding=Encoding.PCM_S16LE):
        pieces += piece
        heard.set()
    assert len(pieces) >= 2 * 24000


async def test_another_rate_than_the_first_providers_is_converted(start: Start, providers: Providers) -> None:
    down, made = await providers(sending(b"")), await providers(well)
    first, second = upstream(down), upstream(made, sample_rate_hertz=12000)
    _, client = await start(**speaker(first, second))
    assert len(await spoken(client)) == pytest.approx(2 * len(SOUND), abs=4)


async def test_a_caller_who_does_not_read_and_leaves_hangs_up_as_well(
    start: Start, providers: Providers
) -> None:
    """The provider is not awaited then: the generator is parked until somebody reads on."""
    made = await providers(endless)
    server, client = await start(**speaker(upstream(made), max_seconds_per_character=1e6))
    async with client.synthesize("Hello.") as speech:
        await anext(aiter(speech))
    await made.until_left()
    await until_idle(server)


async def test_unloading_hangs_up_and_ends_the_thread(start: Start, providers: Providers) -> None:
    async def keeping(connection: Connection) -> None:
        await connection.whole(SOUND)

    made = await providers(keeping)
    _, client = await start(**speaker(upstream(made)))
    assert await spoken(client) == SOUND
    assert "upstream" in [thread.name for thread in threading.enumerate()]
    await client.unload_model("speaker")
    assert "upstream" not in [thread.name for thread in threading.enumerate()]


async def test_live_speech_goes_through_as_well(start: Start, providers: Providers) -> None:
    made = await providers(well, stalling)
    server, client = await start(**speaker(upstream(made)))
    async with client.live_speech(encoding=Encoding.PCM_S16LE) as speech:
        await speech.write("Hello there. And this never comes to its end")
        await speech.flush()
        came = b""
        async for event in speech:
            came += getattr(event, "data", b"")
            if len(came) == 2 * len(SOUND):
                break
    await made.until_left(2)
    await until_idle(server)
    assert came == SOUND * 2
