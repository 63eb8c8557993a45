"""A caller who sends what is too large, malformed, damaged or endless, so many times a second."""

import asyncio
import json
import random
import struct
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass
from io import BytesIO
from typing import Any

import av
import grpc
import httpx2
import numpy as np
from google.protobuf.duration_pb2 import Duration
from websockets.asyncio.client import connect
from websockets.exceptions import WebSocketException

from audio_grpc.v1.job_pb2 import CreateSpeechJobRequest
from audio_grpc.v1.speech_to_text_pb2 import RawAudioFormat, TimeRange, TranscribeRequest
from audio_grpc.v1.text_to_speech_pb2 import SynthesizeRequest
from tests.chaos.doors import DEADLINE_SECONDS, answer
from tests.chaos.tally import Tally
from tests.conftest import DATA

MEBIBYTE = 1 << 20
NAME = "x" * 70_000
AT_ONCE = 24
"""Calls of one hostile caller that are in progress at the same time; beyond it, it waits."""
SYNTHESIZE = "/audio_grpc.v1.TextToSpeechService/Synthesize"
TRANSCRIBE = "/audio_grpc.v1.SpeechToTextService/Transcribe"
CREATE_JOB = "/audio_grpc.v1.JobService/CreateSpeechJob"
LIST_MODELS = "/audio_grpc.v1.ModelService/ListModels"
CHECK = "/grpc.health.v1.Health/Check"
REFLECTION = "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo"
TEXTS = (
    "cm⁻¹",
    "10⁻⁶",
    "m·s⁻¹",
    "¹⁴C",
    "[⁷]",
    "⑴",
    "1" * 37,
    "\u202e",
    "⅓₽℃≤√‰",
    "donʼt",
    "\0",
    "👩‍👩‍👧" * 50,
)
CONTENT_TYPES = (
    *("application/json", "text/plain", "application/grpc-web+json", "application/grpc+foo"),
    *("APPLICATION/GRPC", "application/grpc-web-text", "application/connect+json", ""),
)


@dataclass
class Hostile:
    """The needs of hostile calls: addresses, a key that is good for ordinary calls, and where to count."""

    address: str
    key: str
    tally: Tally
    recordings: Sequence[bytes]

    def __post_init__(self) -> None:
        # Large messages are shared by all calls, so that this process stays small.
        options = (("grpc.max_send_message_length", -1), ("grpc.use_local_subchannel_pool", 1))
        self.channel = grpc.aio.insecure_channel(self.address, options=options)
        self.http = httpx2.AsyncClient(base_url=f"http://{self.address}", timeout=DEADLINE_SECONDS)
        self.authorization = {"authorization": f"Bearer {self.key}"}
        self.zeros = bytes(78 * MEBIBYTE)
        self.silence = silence()

    async def close(self) -> None:
        """Lets go of the connections."""
        await self.channel.close()
        await self.http.aclose()

    async def grpc(
        self, path: str, request: bytes | None, *metadata: tuple[str, str], compression: Any = None
    ) -> tuple[str, str]:
        """Status and message of a call with these bytes, or with no message at all."""
        method: Any = self.channel.stream_stream(path)
        requests = iter(() if request is None else (request,))
        given = metadata or (("authorization", f"Bearer {self.key}"),)
        call = method(requests, timeout=DEADLINE_SECONDS, metadata=given, compression=compression)
        ended = await answer(call)
        return ended.code, ended.message

    async def ask(self, verb: str, path: str, **sent: Any) -> tuple[str, str]:
        """Status and text of an answer over HTTP."""
        try:
            response = await self.http.request(verb, path, **sent)
        except httpx2.HTTPError as error:  # it was answered before all was sent, and the connection closed
            return type(error).__name__, str(error)
        return f"HTTP {response.status_code}", response.text[:300]


async def long_names(hostile: Hostile, dice: random.Random) -> tuple[str, str]:
    name = NAME[: dice.choice((8_000, 20_000, len(NAME)))]
    fields = {"model": "speaker", "voice": "tone", "input": "Hello."} | {
        dice.choice(("model", "voice")): name
    }
    field = dice.choice(("model", "voice", "language_code", "instructions"))
    match dice.randrange(4):
        case 0:
            return await hostile.ask("POST", "/v1/audio/speech", json=fields, headers=hostile.authorization)
        case 1:
            return await hostile.grpc(SYNTHESIZE, _speech(field, name))
        case 2:
            sent = {"text": "Hi.", field: name[:20_000]}
            return await hostile.ask("POST", "/api/v1/synthesize", json=sent, headers=hostile.authorization)
        case _:
            return await hostile.ask("GET", f"/api/v1/models/{name[:20_000]}", headers=hostile.authorization)


async def long_headers(hostile: Hostile, dice: random.Random) -> tuple[str, str]:
    value = NAME[: dice.choice((5_000, 20_000, 50_000))]
    name = dice.choice(("authorization", "x-request-id", "traceparent", "x-anything"))
    if dice.random() < 0.5:
        return await hostile.grpc(LIST_MODELS, b"", (name, value))
    return await hostile.ask("GET", "/v1/models", headers=hostile.authorization | {name: value})


async def no_grpc(hostile: Hostile, dice: random.Random) -> tuple[str, str]:
    """Requests on the paths of gRPC that are none."""
    path = dice.choice((CHECK, REFLECTION, LIST_MODELS, SYNTHESIZE))
    verb = dice.choice(("GET", "PUT", "POST", "DELETE", "PATCH"))
    headers = {"content-type": dice.choice(CONTENT_TYPES), **hostile.authorization}
    body = dice.choice((b"", b"{}", b"\0\0\0\0\0", dice.randbytes(50)))
    return await hostile.ask(verb, path, content=body, headers=headers)


async def large_json(hostile: Hostile, dice: random.Random) -> tuple[str, str]:
    """300 to 600 MiB without a key, sent as long as somebody takes it."""
    size = dice.choice((300, 600)) * MEBIBYTE

    async def body() -> AsyncIterator[bytes]:
        yield b'{"model": "speaker", "voice": "tone", "input": "'
        for _ in range(size // MEBIBYTE):
            yield b"a" * MEBIBYTE
        yield b'"}'

    path = dice.choice(
        ("/v1/audio/speech", "/v1/audio/pipelines", "/chatterbox/audio/speech", "/audio/speech/long")
    )
    return await hostile.ask("POST", path, content=body(), headers={"content-type": "application/json"})


async def large_messages(hostile: Hostile, dice: random.Random) -> tuple[str, str]:
    """78 MiB for those who need a few bytes, without a key."""
    path = dice.choice((CHECK, REFLECTION, LIST_MODELS))
    compression = dice.choice((None, grpc.Compression.Gzip))
    return await hostile.grpc(path, hostile.zeros, ("x-nothing", ""), compression=compression)


async def large_fields(hostile: Hostile, dice: random.Random) -> tuple[str, str]:
    request = TranscribeRequest(audio=hostile.recordings[0], model="listener")
    match dice.randrange(3):
        case 0:
            request.prompt = "p" * (60 * MEBIBYTE)
        case 1:
            request.language_code = "l" * (20 * MEBIBYTE)
        case _:
            request.clip_timestamps.append(
                TimeRange(start=Duration(seconds=10**11), end=Duration(seconds=10**12))
            )
    return await hostile.grpc(TRANSCRIBE, request.SerializeToString())


async def long_silence(hostile: Hostile, dice: random.Random) -> tuple[str, str]:
    request = TranscribeRequest(audio=hostile.silence, model="whisper-base")
    return await hostile.grpc(TRANSCRIBE, request.SerializeToString())


async def odd_rates(hostile: Hostile, dice: random.Random) -> tuple[str, str]:
    rate = dice.choice((0, 1, 7, 2**31 - 1, 2**32 - 1))
    if dice.random() < 0.5:
        raw = RawAudioFormat(sample_rate_hertz=min(rate, 2**31 - 1), channel_count=dice.choice((1, 0, 255)))
        request = TranscribeRequest(audio=bytes(7000), raw_format=raw, model="whisper-base")
    else:
        request = TranscribeRequest(audio=wav(rate), model="whisper-base")
    return await hostile.grpc(TRANSCRIBE, request.SerializeToString())


async def damaged_recordings(hostile: Hostile, dice: random.Random) -> tuple[str, str]:
    """Containers with bytes altered, doubled or missing."""
    data = bytearray(dice.choice(hostile.recordings))
    for _ in range(dice.randint(1, 20)):
        at = dice.randrange(len(data)) if dice.random() < 0.5 else dice.randrange(min(2000, len(data)))
        match dice.randrange(3):
            case 0:
                data[at] = dice.randrange(256)
            case 1:
                data[at : at + 4] = dice.choice((b"\xff\xff\xff\xff", b"\0\0\0\0", b"\x7f\xff\xff\xff"))
            case _:
                size = dice.randrange(1, 2000)
                data[at:at] = data[at : at + size]
    cut = len(data) if dice.random() < 0.7 else dice.randrange(1, len(data))
    model = dice.choice(("listener", "listener", "listener", "whisper-base"))
    if dice.random() < 0.5:
        request = TranscribeRequest(audio=bytes(data[:cut]), model=model, beam_size=1)
        return await hostile.grpc(TRANSCRIBE, request.SerializeToString())
    form = {"model": model}
    files = {"file": ("recording", bytes(data[:cut]))}
    return await hostile.ask(
        "POST", "/v1/audio/transcriptions", data=form, files=files, headers=hostile.authorization
    )


async def odd_texts(hostile: Hostile, dice: random.Random) -> tuple[str, str]:
    text = dice.choice((*TEXTS, "".join(chr(dice.randrange(1, 0xD800)) for _ in range(30))))
    if dice.random() < 0.5:
        request = SynthesizeRequest(text=text, model=dice.choice(("hibari", "speaker")))
        return await hostile.grpc(SYNTHESIZE, request.SerializeToString())
    sent = {"model": "hibari", "voice": "alloy", "input": text}
    return await hostile.ask("POST", "/v1/audio/speech", json=sent, headers=hostile.authorization)


async def no_message(hostile: Hostile, dice: random.Random) -> tuple[str, str]:
    return await hostile.grpc(dice.choice((LIST_MODELS, SYNTHESIZE, TRANSCRIBE)), None)


async def odd_json(hostile: Hostile, dice: random.Random) -> tuple[str, str]:
    body = dice.choice(
        (
            b"[" * 100_000,
            b'{"input": NaN, "model": "speaker", "voice": "tone"}',
            b'{"input": "\\ud800", "model": "speaker", "voice": "tone"}',
            b'{"input": "a", "model": "speaker", "voice": "tone", "speed": 1e999}',
            b'{"input": "a", "model": "speaker", "voice": "tone", "speed": ' + b"9" * 5000 + b"}",
            b'{"input": "\xff\xfe", "model": "speaker"}',
            b"\x00\x01\x02",
            json.dumps({"input": ["a"], "model": {}, "voice": 3}).encode(),
        )
    )
    path = dice.choice(
        ("/v1/audio/speech", "/api/v1/synthesize", "/chatterbox/audio/speech", "/v1/audio/voices")
    )
    headers = {"content-type": "application/json", **hostile.authorization}
    return await hostile.ask("POST", path, content=body, headers=headers)


async def odd_forms(hostile: Hostile, dice: random.Random) -> tuple[str, str]:
    boundary = b"--b\r\n"
    body = dice.choice(
        (
            boundary + b'Content-Disposition: form-data; name="file"; filename="a\0b"\r\n\r\nx\r\n--b--\r\n',
            boundary * 10_000,
            boundary + b"x" * 100_000,
            b"".join(
                boundary + b'Content-Disposition: form-data; name="a"\r\n\r\nx\r\n' for _ in range(5000)
            ),
            boundary + b'Content-Disposition: form-data; name="model"\r\n\r\n\xff\xfe\r\n--b--\r\n',
            dice.randbytes(2000),
        )
    )
    headers = {"content-type": "multipart/form-data; boundary=b", **hostile.authorization}
    return await hostile.ask("POST", "/v1/audio/transcriptions", content=body, headers=headers)


async def many_long_jobs(hostile: Hostile, dice: random.Random) -> tuple[str, str]:
    speech = SynthesizeRequest(text="Word by word. " * 33_000, model="speaker")
    return await hostile.grpc(CREATE_JOB, CreateSpeechJobRequest(speech=speech).SerializeToString())


async def silent_connections(hostile: Hostile, dice: random.Random) -> tuple[str, str]:
    host, _, port = hostile.address.rpartition(":")
    writers = []
    for _ in range(20):
        _, writer = await asyncio.open_connection(host, int(port))
        writer.write(
            dice.choice((b"", b"POST /v1/audio/speech HTTP/1.1\r\n", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"))
        )
        writers.append(writer)
    await asyncio.sleep(dice.uniform(0, 5))
    for writer in writers:
        writer.close()
    return "closed", ""


async def odd_frames(hostile: Hostile, dice: random.Random) -> tuple[str, str]:
    """Frames that a WebSocket's dialect does not know."""
    path = dice.choice(("/v1/audio/speech/stream", "/v1/realtime?intent=transcription", "/v1/audio/realtime"))
    frames = dice.choice(
        (["{}"], ["[" * 10_000], [b"\xff" * 100], [json.dumps({"type": "start", "model": NAME})], [])
    )
    try:
        async with connect(
            f"ws://{hostile.address}{path}", additional_headers=hostile.authorization
        ) as socket:
            for frame in frames:
                await socket.send(frame)
            async with asyncio.timeout(2):
                async for _ in socket:
                    pass
        return f"close {socket.close_code}", ""
    except (WebSocketException, OSError, TimeoutError) as error:
        return type(error).__name__, str(error)


Kind = Callable[[Hostile, random.Random], Awaitable[tuple[str, str]]]
FIRST: dict[Kind, int] = {long_names: 8, long_headers: 4, no_grpc: 8, large_json: 4, large_messages: 4}
"""The cases A1 to A4, which need no key, or any."""
OTHERS: dict[Kind, int] = {
    large_fields: 1,
    long_silence: 1,
    odd_rates: 4,
    damaged_recordings: 12,
    odd_texts: 10,
    no_message: 4,
    odd_json: 6,
    odd_forms: 5,
    many_long_jobs: 1,
    silent_connections: 2,
    odd_frames: 4,
}


async def keep_sending(
    hostile: Hostile, kinds: dict[Kind, int], rate: float, stop: asyncio.Event, seed: int
) -> None:
    """``rate`` calls a second, whether the earlier ones have been answered or not, until ``stop`` is set."""
    dice = random.Random(seed)
    places = asyncio.Semaphore(AT_ONCE)
    running: set[asyncio.Task[None]] = set()

    async def one(kind: Kind, number: int) -> None:
        began = time.monotonic()
        try:
            code, message = await kind(hostile, random.Random(number))
        except OSError as error:
            code, message = type(error).__name__, str(error)
        finally:
            places.release()
        hostile.tally.answered(f"hostile {kind.__name__}", code, message, began)

    while not stop.is_set():
        await places.acquire()
        [kind] = dice.choices(list(kinds), list(kinds.values()))
        task = asyncio.create_task(one(kind, dice.randrange(2**32)))
        running.add(task)
        task.add_done_callback(running.discard)
        await asyncio.sleep(1 / rate)
    await asyncio.gather(*running)


def _speech(field: str, value: str) -> bytes:
    request = SynthesizeRequest(text="Hi.")
    setattr(request, field, value)
    return request.SerializeToString()


def wav(rate: int) -> bytes:
    """Two seconds of 16-bit silence at 1750 Hz, 7 kB, that claims another sample rate."""
    data = bytes(7000)
    head = struct.pack(
        "<4sI4s4sIHHIIHH", b"RIFF", 36 + len(data), b"WAVE", b"fmt ", 16, 1, 1, rate, rate, 2, 16
    )
    return head + b"data" + struct.pack("<I", len(data)) + data


def silence(seconds: int = 600) -> bytes:
    """Ten minutes of silence as a small FLAC."""
    file = BytesIO()
    with av.open(file, "w", format="flac") as container:
        stream: Any = container.add_stream("flac", rate=16000, layout="mono")
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 16000), np.int16), format="s16", layout="mono")
        frame.sample_rate = 16000
        for number in range(seconds):
            frame.pts = number * 16000
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return file.getvalue()


def recordings() -> list[bytes]:
    """Reads the recordings that containers are damaged of."""
    folder = DATA.parent / "recordings" / "data"
    files = [path for path in sorted(folder.iterdir()) if path.suffix != ".md"]
    return [path.read_bytes() for path in files]
