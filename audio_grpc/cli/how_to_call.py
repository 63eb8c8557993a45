"""Prints the calls that a person can try once a server runs."""

import sys
from dataclasses import dataclass

from rich.panel import Panel

from audio_grpc.cli.console import console, server_address


@dataclass(frozen=True)
class Door:
    """An address for callers, and what it requires of them."""

    address: str
    """HOST:PORT."""
    keys: bool = False
    tls: bool = False
    http: bool = False
    """True if it speaks HTTP as well as gRPC, as Envoy's does."""


def show_how_to_call(door: Door) -> None:
    """Prints lines to paste that call the server."""
    lines = _grpc(door) + (_http(door) if door.http else "")
    console.print(Panel(lines, title=f"Serving on {door.address} (Ctrl-C ends)", expand=False))


def _grpc(door: Door) -> str:
    at, command = door.address, sys.argv[0]  # as it was started, so that the lines can be pasted
    to = "" if at == server_address(None) else f" --server {at}"
    code, grpcurl, buf, scheme = "", "-plaintext", "--http2-prior-knowledge", "http"
    if door.tls:
        to, code = f"{to} --tls-ca CA.pem", ', tls=Tls(ca=Path("CA.pem").read_bytes())'
        grpcurl, buf, scheme = "-cacert CA.pem", "--cacert CA.pem", "https"
    if door.keys:
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


def _http(door: Door) -> str:
    scheme, curl, key = ("https", "curl --cacert CA.pem", "none") if door.tls else ("http", "curl", "none")
    if door.keys:
        curl, key = f"{curl} -H 'authorization: Bearer KEY'", "KEY"
    at = f"{scheme}://{door.address}"
    return f"""
[bold]Browser[/bold]
  {at}/
[bold]curl[/bold]
  {curl} -N {at}/api/v1/synthesize -d '{{"text": "Hello."}}'
  {curl} {at}/v1/audio/speech -H 'content-type: application/json' -o hello.mp3 \\
    -d '{{"model": "tts-1", "voice": "alloy", "input": "Hello."}}'
[bold]OpenAI's Python[/bold]
  client = openai.OpenAI(base_url="{at}/v1", api_key="{key}")
  client.audio.speech.create(model="tts-1", voice="alloy", input="Hello.")"""
