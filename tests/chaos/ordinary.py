"""Callers who do ordinary work through every door, and expect the right answer."""

import asyncio
import json
import random
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any

import httpx2
import openai
from websockets.asyncio.client import connect
from websockets.exceptions import WebSocketException

from audio_grpc.client import AsyncClient, Encoding, ServiceError
from audio_grpc.v1.model_pb2 import ListModelsRequest
from tests.chaos.doors import Connect, GrpcWeb, Rest
from tests.chaos.tally import Tally
from tests.conftest import DATA, PATIENCE_SECONDS
from tests.contract import Rpc

TEXT = "Hello there. All is well."
SENTENCE = "The quick brown fox jumps over the lazy dog."
LONG_PAUSE_SECONDS = 0.3
CLIP, CLIP_ENDS = DATA / "sense_and_sensibility_0880.flac", "disposed young man"
PIECE = 4800
FAILURES = (
    ServiceError,
    openai.OpenAIError,
    httpx2.HTTPError,
    WebSocketException,
    OSError,
    TimeoutError,
    AssertionError,
    KeyError,
)


class Progress:
    """A note of whether a call has begun, which decides if a fault may break it."""

    def __init__(self) -> None:
        self.was_begun = False

    def begin(self) -> None:
        """The first of the answer has come, or the call may be sent only once and was."""
        self.was_begun = True


@dataclass(frozen=True)
class Callers:
    """The clients that ordinary callers use."""

    client: AsyncClient
    openai: openai.AsyncOpenAI
    http: httpx2.AsyncClient
    address: str
    key: str
    doors: tuple[GrpcWeb | Connect | Rest, ...]
    list_models: Rpc
    tone: bytes
    """``TEXT`` as the tone speaker says it, a WAV file."""
    clip: bytes
    """A recording of a reader."""


@asynccontextmanager
async def callers(address: str, key: str, list_models: Rpc) -> AsyncIterator[Callers]:
    """Clients of a service at ``address``, closed when the context is left."""
    doors = (GrpcWeb(address), Connect(address), Rest(address))
    async with (
        AsyncClient(address, api_key=key) as client,
        openai.AsyncOpenAI(base_url=f"http://{address}/v1", api_key=key, max_retries=0) as with_openai,
        httpx2.AsyncClient(base_url=f"http://{address}", timeout=PATIENCE_SECONDS) as http,
    ):
        tone = b"".join([data async for data in client.synthesize(TEXT, model="speaker")])
        clip = await asyncio.to_thread(CLIP.read_bytes)
        yield Callers(client, with_openai, http, address, key, doors, list_models, tone, clip)
    for door in doors:
        await door.close()


async def speak(to: Callers, progress: Progress, dice: random.Random) -> None:
    model = dice.choice(("speaker", "speaker", "hibari"))
    encoding = dice.choice((Encoding.PCM_S16LE, Encoding.WAV, Encoding.MP3, Encoding.OPUS))
    async with to.client.synthesize(SENTENCE, model=model, encoding=encoding) as speech:
        await speech.start()
        progress.begin()
        assert sum([len(data) async for data in speech]) > 1000
        assert speech.finished.usage.characters == len(SENTENCE)


async def hear(to: Callers, progress: Progress, dice: random.Random) -> None:
    async with to.client.transcribe(to.tone, model="listener") as transcript:
        await transcript.start()
        progress.begin()
        assert "".join([segment.text async for segment in transcript]) == TEXT


async def hear_a_reader(to: Callers, progress: Progress, dice: random.Random) -> None:
    async with to.client.transcribe(to.clip, model="whisper-base", beam_size=1) as transcript:
        await transcript.start()
        progress.begin()
        text = "".join([segment.text async for segment in transcript])
        assert CLIP_ENDS in text.lower(), text


async def upload(to: Callers, progress: Progress, dice: random.Random) -> None:
    async with to.client.upload() as sending:
        for start in range(0, len(to.tone), 16384):
            await sending.write(to.tone[start : start + 16384])
        transcript = await sending.transcribe(model="listener")
        await transcript.start()
        progress.begin()
        assert "".join([segment.text async for segment in transcript]) == TEXT


async def list_things(to: Callers, progress: Progress, dice: random.Random) -> None:
    assert await dice.choice((to.client.list_voices, to.client.list_models, to.client.list_pipelines))()


async def list_by_another_protocol(to: Callers, progress: Progress, dice: random.Random) -> None:
    door = dice.choice(to.doors)
    answer = await door.call(to.list_models, [ListModelsRequest()], to.key)
    assert answer.code == "OK", f"{door.name}: {answer}"


async def write_live(to: Callers, progress: Progress, dice: random.Random) -> None:
    async with to.client.live_speech(model="speaker", encoding=Encoding.PCM_S16LE) as speech:
        await speech.write("Hello ")
        await speech.start()
        progress.begin()
        await speech.write("there.")
        await speech.end()
        assert [event async for event in speech]
        assert speech.finished.usage.characters == len("Hello there.")


async def listen_live(to: Callers, progress: Progress, dice: random.Random) -> None:
    samples = to.tone[44:]
    async with to.client.listen(24000, model="listener") as transcript:
        await transcript.start()
        progress.begin()
        for start in range(0, len(samples), 10 * PIECE):
            await transcript.write(samples[start : start + 10 * PIECE])
        await transcript.end()
        async for _ in transcript:
            pass
        assert transcript.finished.audio_duration.seconds == len(samples) // 48000


async def openai_speech(to: Callers, progress: Progress, dice: random.Random) -> None:
    form: Any = dice.choice(("mp3", "wav", "pcm", "opus"))
    speech = to.openai.audio.speech.with_streaming_response
    async with speech.create(model="tts-1", voice="alloy", input=SENTENCE, response_format=form) as response:
        progress.begin()
        assert sum([len(data) async for data in response.iter_bytes()]) > 1000


async def openai_transcription(to: Callers, progress: Progress, dice: random.Random) -> None:
    file = ("said.wav", to.tone)
    if dice.random() < 0.5:
        heard = await to.openai.audio.transcriptions.create(model="listener", file=file)
        assert heard.text == TEXT
        return
    stream = await to.openai.audio.transcriptions.create(model="listener", file=file, stream=True)
    progress.begin()
    events = [event async for event in stream]
    assert events[-1].type == "transcript.text.done"
    assert events[-1].text == TEXT


async def openai_models(to: Callers, progress: Progress, dice: random.Random) -> None:
    assert (await to.openai.models.list()).data


async def socket_speech(to: Callers, progress: Progress, dice: random.Random) -> None:
    url = f"ws://{to.address}/v1/audio/speech/stream"
    headers = {"authorization": f"Bearer {to.key}"}
    async with connect(url, additional_headers=headers, open_timeout=PATIENCE_SECONDS) as socket:
        progress.begin()
        for message in (
            {"type": "start", "model": "speaker"},
            {"type": "text", "text": "Hi."},
            {"type": "end"},
        ):
            await socket.send(json.dumps(message))
        kinds = [json.loads(frame)["type"] async for frame in socket if isinstance(frame, str)]
        assert kinds[-1] == "finished", kinds


async def speak_in_the_background(to: Callers, progress: Progress, dice: random.Random) -> None:
    progress.begin()  # making and deleting is sent again only if it certainly reached nobody
    job = await to.client.create_job(TEXT, model="speaker")
    try:
        async with asyncio.timeout(PATIENCE_SECONDS):
            while not job.HasField("end_time"):
                await asyncio.sleep(LONG_PAUSE_SECONDS)
                job = await to.client.get_job(job.id)
        assert sum([len(data) async for data in to.client.download_job(job.id)]) > 1000
    finally:
        with suppress(ServiceError):
            await to.client.delete_job(job.id)


KINDS: dict[Callable[[Callers, Progress, random.Random], Awaitable[None]], int] = {
    speak: 20,
    hear: 12,
    hear_a_reader: 2,
    upload: 8,
    list_things: 12,
    list_by_another_protocol: 12,
    write_live: 8,
    listen_live: 5,
    openai_speech: 12,
    openai_transcription: 10,
    openai_models: 6,
    socket_speech: 6,
    speak_in_the_background: 3,
}
"""The number of calls of each kind, of a hundred or so."""


async def keep_calling(to: Callers, tally: Tally, stop: asyncio.Event, seed: int) -> None:
    """One caller, until ``stop`` is set."""
    dice = random.Random(seed)
    while not stop.is_set():
        [call] = dice.choices(list(KINDS), list(KINDS.values()))
        progress, began = Progress(), time.monotonic()
        try:
            async with asyncio.timeout(2 * PATIENCE_SECONDS):
                await call(to, progress, dice)
            tally.went_well(call.__name__)
        except FAILURES as error:
            why = f"{type(error).__name__}: {getattr(error, 'code', '')} {error}"
            tally.failed(call.__name__, began, was_begun=progress.was_begun, why=why)
        await asyncio.sleep(dice.uniform(0, LONG_PAUSE_SECONDS))
