"""Starts a peer; run by the Python of its environment, which has nothing of ours.

start.py vox-box PORT MODEL DATA_FOLDER
start.py speaches PORT
start.py kokoro-onnx PORT GRAPH VOICES
"""

import asyncio
import json
import sys
from collections.abc import Callable, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib import import_module
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

HOST = "127.0.0.1"
ABSENT = {
    "vox-box": ("torch", "torchaudio", "transformers", "modelscope", "scipy", "vox_box.third_party"),
    "speaches": ("torch", "pyannote"),
}
"""Gigabytes that serve other models, but are imported at the start."""


class Empty(ModuleType):
    """A module whose every name is a class with nothing in it."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.__path__: list[str] = []

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return type(name, (), {})


class EmptyModules(MetaPathFinder, Loader):
    """Finds the packages of these names, and all that is in them, and makes them empty."""

    def __init__(self, names: Sequence[str]) -> None:
        self._names = names

    def find_spec(self, name: str, _path: Any = None, _target: Any = None) -> ModuleSpec | None:
        named = any(f"{name}.".startswith(f"{absent}.") for absent in self._names)
        return ModuleSpec(name, self, is_package=True) if named else None

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        return Empty(spec.name)

    def exec_module(self, module: ModuleType) -> None:
        pass


def vox_box(port: str, model: str, data: str) -> None:
    """Starts vox-box with int8; it has no option for the compute type, and its default here is float32."""
    transcribe = import_module("faster_whisper.transcribe")
    make = transcribe.WhisperModel
    transcribe.WhisperModel = lambda *places, **names: make(*places, **{**names, "compute_type": "int8"})  # type: ignore[attr-defined]
    sys.argv = ["vox-box", "start", "--host", HOST, "--port", port, "--model", model, "--data-dir", data]
    import_module("vox_box.main").main()


def speaches(port: str) -> None:
    import_module("uvicorn").run("speaches.main:create_app", factory=True, host=HOST, port=int(port))


def kokoro_onnx(port: str, graph: str, voices: str) -> None:
    """A library and no server: its stream, as HTTP sends it in chunks."""
    speaker = import_module("kokoro_onnx").Kokoro(graph, voices)

    class Speech(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            asked = json.loads(self.rfile.read(int(self.headers["content-length"])))
            self.send_response(200)
            self.send_header("content-type", "audio/pcm")
            self.send_header("transfer-encoding", "chunked")
            self.end_headers()
            asyncio.run(self.speak(asked["input"], asked["voice"]))
            self.chunk(b"")

        async def speak(self, text: str, voice: str) -> None:
            async for samples, _ in speaker.create_stream(text, voice=voice):
                self.chunk((samples.clip(-1, 1) * 32767).astype("<i2").tobytes())

        def chunk(self, data: bytes) -> None:
            self.wfile.write(b"%x\r\n%s\r\n" % (len(data), data))

        def log_message(self, *_: Any) -> None:
            pass

    ThreadingHTTPServer((HOST, int(port)), Speech).serve_forever()


PEERS: dict[str, Callable[..., None]] = {
    "vox-box": vox_box,
    "speaches": speaches,
    "kokoro-onnx": kokoro_onnx,
}


def main(peer: str, *arguments: str) -> None:
    sys.meta_path.insert(0, EmptyModules(ABSENT.get(peer, ())))
    PEERS[peer](*arguments)


if __name__ == "__main__":
    main(*sys.argv[1:])
