"""The first thing a new user sees: the service speaks a sentence and hears it."""

import sys
import time
from contextlib import nullcontext

from rich.panel import Panel

from audio_grpc.cli.console import console, server_address
from audio_grpc.client import AsyncClient, Encoding
from audio_grpc.server import Server

SENTENCE = "The quick brown fox jumps over the lazy dog."


async def self_check(server: Server) -> None:
    """Speak a sentence through the server, transcribe it back, and say how it went and how to go on."""
    if server.settings.tls_certificate:
        console.print("No self-check: the server has no certificate with which to call itself by TLS.")
    else:
        with server.keys.temporary("self-check") if server.keys else nullcontext() as key:
            await _speak_and_listen(server, key)
    console.print(
        Panel(_how_to_call(server), title=f"Serving on {server.address} (Ctrl-C ends)", expand=False)
    )


async def _speak_and_listen(server: Server, key: str | None) -> None:
    async with AsyncClient(server.address, api_key=key) as client:
        audio = await _speak(client) if server.models.synthesizers else b""
        if audio and server.models.transcribers:
            await _listen(client, audio)


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


def _how_to_call(server: Server) -> str:
    at, command = server.address, sys.argv[0]  # as it was started, so that the lines can be pasted
    to = "" if at == server_address(None) else f" --server {at}"
    code, grpcurl, buf, scheme = "", "-plaintext", "--http2-prior-knowledge", "http"
    if server.settings.tls_certificate:
        to, code = f"{to} --tls-ca CA.pem", ', tls=Tls(ca=Path("CA.pem").read_bytes())'
        grpcurl, buf, scheme = "-cacert CA.pem", "--cacert CA.pem", "https"
    if server.keys:
        to, code, header = f"{to} --key KEY", f'{code}, api_key="KEY"', "'authorization: Bearer KEY'"
        grpcurl, buf = f"{grpcurl} -H {header}", f"{buf} -H {header}"
    return f"""\
[bold]Command line[/bold]
  {command} say "Hello." --out hello.wav{to}
  {command} transcribe hello.wav --format srt{to}
[bold]Python[/bold]
  from audio_grpc.client import Client
  with Client("{at}"{code}) as client:
      audio = b"".join(client.synthesize("Hello."))
      text = "".join(segment.text for segment in client.transcribe(audio))
[bold]grpcurl[/bold]
  grpcurl {grpcurl} -d '{{"text": "Hello."}}' {at} \\
    audio_grpc.v1.TextToSpeechService/Synthesize
[bold]buf curl[/bold]
  buf curl --protocol grpc {buf} \\
    --data '{{"text": "Hello."}}' \\
    {scheme}://{at}/audio_grpc.v1.TextToSpeechService/Synthesize"""
