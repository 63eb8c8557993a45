"""The yardsticks: the same models and the same transport with nothing of ours in between.

Each runs in a process of its own (``python -m benchmarks.bare NAME ...``) and prints one line of JSON.
"""

import json
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import grpc
import psutil
import uvloop

from audio_grpc.audio import decode
from audio_grpc.backends.base import ModelSpec
from audio_grpc.backends.faster_whisper import FasterWhisper
from audio_grpc.backends.hibari import Hibari
from audio_grpc.text import split
from audio_grpc.types import SynthesisOptions, TranscriptionOptions
from audio_grpc.v1.text_to_speech_pb2 import (
    ListVoicesRequest,
    ListVoicesResponse,
    StreamingSynthesizeResponse,
    SynthesizeRequest,
    SynthesizeResponse,
)
from audio_grpc.v1.text_to_speech_pb2_grpc import (
    TextToSpeechServiceServicer,
    add_TextToSpeechServiceServicer_to_server,
)
from benchmarks.served import peak_megabytes as process_peak_megabytes
from benchmarks.workload import CHUNK, CLIPS, TEXT, Run, summary

VOICE = SynthesisOptions(voice="heart")


def peak_megabytes() -> float:
    """The most memory that this process ever had."""
    return process_peak_megabytes(psutil.Process())


def loaded_hibari() -> Hibari:
    model = Hibari(ModelSpec("hibari"))
    model.load()
    return model


def loaded_whisper() -> FasterWhisper:
    model = FasterWhisper(ModelSpec("faster-whisper"))
    model.load()
    return model


def synthesize(streams: int, repeats: int) -> dict[str, Any]:
    """hibari's own generator on the same pieces of text, ``streams`` threads at once."""
    model = loaded_hibari()

    def one(began: float) -> Run:
        first = 0.0
        seconds = 0.0
        for piece in split(TEXT):
            for speech in model.synthesize(piece, VOICE):
                first = first or time.perf_counter() - began
                seconds += speech.audio.seconds
        return Run(first, time.perf_counter() - began, seconds)

    runs: list[list[Run]] = []
    with ThreadPoolExecutor(streams) as pool:
        for _ in range(repeats):
            began = time.perf_counter()
            runs.append(list(pool.map(one, [began] * streams)))
    return summary(runs)


def transcribe(repeats: int) -> dict[str, Any]:
    """faster-whisper on the same recordings, one after the other."""
    model = loaded_whisper()
    runs = []
    for _ in range(repeats):
        for path in CLIPS:
            began = time.perf_counter()
            audio = decode(path.read_bytes(), max_seconds=60)
            segments = model.transcribe(audio, TranscriptionOptions()).segments
            next(segments)
            first = time.perf_counter() - began
            for _ in segments:
                pass
            runs.append([Run(first, time.perf_counter() - began, audio.seconds)])
    return summary(runs)


def memory() -> dict[str, Any]:
    """Both models, each used once."""
    speaker, listener = loaded_hibari(), loaded_whisper()
    for piece in split(TEXT):
        for _ in speaker.synthesize(piece, VOICE):
            pass
    for path in CLIPS:
        audio = decode(path.read_bytes(), max_seconds=60)
        for _ in listener.transcribe(audio, TranscriptionOptions()).segments:
            pass
    return {"peak_megabytes": peak_megabytes()}


class Echo(TextToSpeechServiceServicer):
    """Sends as many chunks as the request has characters, all the same bytes."""

    async def Synthesize(self, request: SynthesizeRequest, context: Any) -> Any:
        for _ in range(len(request.text)):
            yield SynthesizeResponse(audio=CHUNK)

    async def StreamingSynthesize(self, requests: Any, context: Any) -> Any:
        yield StreamingSynthesizeResponse()

    async def ListVoices(self, request: ListVoicesRequest, context: Any) -> ListVoicesResponse:
        return ListVoicesResponse()


async def echo() -> None:
    """A grpc.aio server that does nothing but send."""
    server = grpc.aio.server()
    add_TextToSpeechServiceServicer_to_server(Echo(), server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    print(json.dumps({"port": port}), flush=True)
    await server.wait_for_termination()


def main() -> None:
    match sys.argv[1:]:
        case ["synthesize", streams, repeats]:
            print(json.dumps(synthesize(int(streams), int(repeats))))
        case ["transcribe", repeats]:
            print(json.dumps(transcribe(int(repeats))))
        case ["memory"]:
            print(json.dumps(memory()))
        case ["echo"]:
            uvloop.run(echo())
        case _:
            sys.exit(__doc__)


if __name__ == "__main__":
    main()
