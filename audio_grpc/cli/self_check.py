"""The first thing a new user sees: the service speaks a sentence and hears it."""

import asyncio
import json
import time
from http.client import HTTPConnection

from audio_grpc.cli.console import console
from audio_grpc.client import AsyncClient, Encoding
from audio_grpc.v1.model_pb2 import MODEL_KIND_SYNTHESIZER, MODEL_KIND_TRANSCRIBER

SENTENCE = "The quick brown fox jumps over the lazy dog."
SPEECH_PATH = "/v1/audio/speech"
ANSWER_SECONDS = 60.0
OK = 200


async def self_check(address: str, *, key: str | None = None, http: str | None = None) -> None:
    """Speak a sentence through the server at ``address``, transcribe it back, and say how it went.

    ``http`` is the HOST:PORT of the HTTP door, if there is one. ServiceError, or OSError from that door.
    """
    async with AsyncClient(address, api_key=key) as client:
        models = {model.kind: model.name for model in reversed(await client.list_models())}
        audio = await _speak(client) if MODEL_KIND_SYNTHESIZER in models else b""
        if audio and MODEL_KIND_TRANSCRIBER in models:
            await _listen(client, audio)
    if http and MODEL_KIND_SYNTHESIZER in models:
        await asyncio.to_thread(_speak_by_http, http, models[MODEL_KIND_SYNTHESIZER], key)


async def _speak(client: AsyncClient) -> bytes:
    began = time.perf_counter()
    first = None
    audio = bytearray()
    async with client.synthesize(SENTENCE, encoding=Encoding.WAV) as speech:
        async for data in speech:
            first = first or time.perf_counter()
            audio += data
    took = time.perf_counter() - began
    seconds = speech.finished.usage.audio_duration.ToTimedelta().total_seconds()
    console.print(
        f"spoke  [bold]{SENTENCE}[/bold]\n"
        f"       {seconds:.2f} s of audio, the first after {((first or began) - began) * 1000:.0f} ms, "
        f"real-time factor {took / seconds:.3f}"
    )
    return bytes(audio)


async def _listen(client: AsyncClient, audio: bytes) -> None:
    began = time.perf_counter()
    async with client.transcribe(audio, word_timestamps=True) as transcript:
        segments = [segment async for segment in transcript]
    took = time.perf_counter() - began
    seconds = transcript.finished.audio_duration.ToTimedelta().total_seconds()
    heard = "".join(segment.text for segment in segments).strip()
    words = [word for segment in segments for word in segment.words]
    console.print(f"heard  [bold]{heard}[/bold]\n       real-time factor {took / seconds:.3f}")
    console.print("       " + " ".join(f"{word.text.strip()}[dim]@{word.start:.2f}s[/dim]" for word in words))


def _speak_by_http(door: str, model: str, key: str | None) -> None:
    """Requests the sentence as an OpenAI client would. Raises OSError if the answer is an error."""
    request = {"model": model, "input": SENTENCE, "response_format": "wav"}
    headers = {"content-type": "application/json", "authorization": f"Bearer {key or 'none'}"}
    connection = HTTPConnection(door, timeout=ANSWER_SECONDS)
    try:
        connection.request("POST", SPEECH_PATH, json.dumps(request), headers)
        response = connection.getresponse()
        body = response.read()
    finally:
        connection.close()
    if response.status != OK:
        raise OSError(f"{SPEECH_PATH} answered {response.status}: {body.decode(errors='replace')}")
    console.print(f"spoke  through {SPEECH_PATH}: {len(body) / 1000:.0f} kB of wav")
