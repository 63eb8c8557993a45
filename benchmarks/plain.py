"""A speech server as anybody writes it in an hour with grpc.aio and a pool of threads: a yardstick.

``python -m benchmarks.plain`` serves hibari, and prints its port as JSON. It knows no queue, no turns and no
cancellation, and makes the same pieces of text into the same bytes as the service.
"""

import asyncio
import json
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import grpc
import uvloop

from audio_grpc.audio import to_pcm
from audio_grpc.backends.base import ModelSpec
from audio_grpc.backends.hibari import Hibari
from audio_grpc.text import split
from audio_grpc.types import SynthesisOptions
from audio_grpc.v1 import text_to_speech_pb2 as messages
from audio_grpc.v1.text_to_speech_pb2_grpc import (
    TextToSpeechServiceServicer,
    add_TextToSpeechServiceServicer_to_server,
)


class Plain(TextToSpeechServiceServicer):
    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor()
        self._model = Hibari(ModelSpec("hibari"))
        self._model.load()

    def _speak(self, piece: str) -> list[bytes]:
        spoken = self._model.synthesize(piece, SynthesisOptions(voice="heart"))
        return [to_pcm(speech.audio.samples).tobytes() for speech in spoken]

    async def Synthesize(self, request: messages.SynthesizeRequest, context: Any) -> Any:
        loop = asyncio.get_running_loop()
        for piece in split(request.text):
            for audio in await loop.run_in_executor(self._pool, self._speak, piece):
                yield messages.SynthesizeResponse(audio=audio)

    async def StreamingSynthesize(self, requests: Any, context: Any) -> Any:
        yield messages.StreamingSynthesizeResponse()

    async def ListVoices(self, request: Any, context: Any) -> messages.ListVoicesResponse:
        return messages.ListVoicesResponse()


async def serve() -> None:
    server = grpc.aio.server()
    add_TextToSpeechServiceServicer_to_server(Plain(), server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    print(json.dumps({"port": port}), flush=True)
    await server.wait_for_termination()


if __name__ == "__main__":
    uvloop.run(serve())
