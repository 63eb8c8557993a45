"""Loading and unloading of models, health, and the end of a server."""

import asyncio
import signal
import socket
import sys
from collections.abc import Iterator
from pathlib import Path

import grpc
import pytest

from audio_grpc.backends.base import ModelSpec, Synthesizer
from audio_grpc.client import AsyncClient, Client, Encoding, ServiceError
from audio_grpc.config import Settings
from audio_grpc.errors import ConfigurationError, ModelLoadFailed
from audio_grpc.server import SPEECH_TO_TEXT, TEXT_TO_SPEECH, Server
from audio_grpc.v1.model_pb2 import (
    MODEL_KIND_SYNTHESIZER,
    MODEL_KIND_TRANSCRIBER,
    MODEL_STATE_FAILED,
    MODEL_STATE_LOADING,
    MODEL_STATE_READY,
    MODEL_STATE_UNLOADED,
)
from tests.conftest import ServerProcess, Start, tone_settings


async def state(client: AsyncClient, name: str = "speaker") -> int:
    return (await client.get_model(name)).state


async def speak(client: AsyncClient, text: str = "x") -> bytes:
    return b"".join([data async for data in client.synthesize(text, encoding=Encoding.PCM_S16LE)])


async def test_a_model_is_loaded_by_its_first_call(start: Start) -> None:
    _, client = await start()
    assert await state(client) == MODEL_STATE_UNLOADED
    assert await speak(client)
    assert await state(client) == MODEL_STATE_READY
    assert await state(client, "listener") == MODEL_STATE_UNLOADED


async def test_callers_at_the_same_moment_share_one_loading(start: Start) -> None:
    server, client = await start(options={"load_seconds": 0.1})
    model = server.models.synthesizer("")
    made = []
    make = model._make

    def counted(spec: ModelSpec) -> Synthesizer:
        made.append(spec)
        return make(spec)

    model._make = counted
    await asyncio.gather(*(speak(client) for _ in range(5)))
    assert len(made) == 1


async def test_load_and_unload_by_request(start: Start) -> None:
    _, client = await start(options={"load_seconds": 0.05})
    states = [model.state async for model in client.load_model("tts-1")]
    assert states == [MODEL_STATE_LOADING] * (len(states) - 1) + [MODEL_STATE_READY]
    assert len(states) > 1
    assert [model.state async for model in client.load_model("speaker")] == [MODEL_STATE_READY]
    assert (await client.unload_model("speaker")).state == MODEL_STATE_UNLOADED
    assert await speak(client)


async def test_loading_tells_how_far_it_is(start: Start) -> None:
    _, client = await start(options={"load_seconds": 0.4})
    steps = [model async for model in client.load_model("speaker")]
    told = [model for model in steps if model.HasField("load_progress")]
    assert {model.state for model in told} == {MODEL_STATE_LOADING}
    assert {model.load_step for model in told} == {"pretending"}
    done = [model.load_progress for model in told]
    assert done == sorted(set(done))
    assert any(0 < one < 1 for one in done)
    assert not steps[-1].HasField("load_progress")


async def test_everybody_who_waits_is_told_how_far_it_is(start: Start) -> None:
    _, client = await start(options={"load_seconds": 0.4})

    async def last_progress() -> float:
        return max([model.load_progress async for model in client.load_model("speaker")])

    assert min(await asyncio.gather(*(last_progress() for _ in range(3)))) > 0
    assert [model.state async for model in client.load_model("speaker")] == [MODEL_STATE_READY]


async def test_a_caller_who_leaves_does_not_take_the_loading_from_the_others(start: Start) -> None:
    _, client = await start(options={"load_seconds": 0.2})
    leaving = client.load_model("speaker")
    await anext(leaving)
    staying = asyncio.create_task(speak(client))
    await leaving.aclose()  # type: ignore[attr-defined]
    assert await staying


async def test_a_loading_that_fails_ends_its_stream_with_the_cause(start: Start) -> None:
    _, client = await start(options={"fail_loading": True, "load_seconds": 0.1})
    with pytest.raises(ServiceError, match="told to fail") as failure:
        async for model in client.load_model("speaker"):
            assert model.state == MODEL_STATE_LOADING
    assert failure.value.reason == "MODEL_LOAD_FAILED"


async def test_unloading_lets_running_calls_finish(start: Start) -> None:
    _, client = await start(options={"delay_seconds": 0.01})
    speech = client.synthesize("x" * 40, encoding=Encoding.PCM_S16LE)
    received = len(await anext(speech))
    unloading = asyncio.create_task(client.unload_model("speaker"))
    async for data in speech:
        received += len(data)
    assert received == 40 * 4800
    assert (await unloading).state == MODEL_STATE_UNLOADED


async def test_an_idle_model_is_unloaded_and_a_resident_one_is_not(start: Start) -> None:
    _, client = await start(idle_unload_seconds=0.0, listener={"resident": True})
    assert await speak(client)
    while await state(client) != MODEL_STATE_UNLOADED:
        pass
    assert await state(client, "listener") == MODEL_STATE_READY


async def test_a_loading_that_fails_names_the_cause_and_is_tried_again(start: Start) -> None:
    server, client = await start(options={"fail_loading": True})
    for _ in range(2):
        with pytest.raises(ServiceError, match="told to fail") as failure:
            await speak(client)
        assert failure.value.code is grpc.StatusCode.FAILED_PRECONDITION
        assert failure.value.reason == "MODEL_LOAD_FAILED"
    model = await client.get_model("speaker")
    assert model.state == MODEL_STATE_FAILED
    assert "told to fail" in model.load_error
    assert server.models.synthesizer("").admission.running == 0


async def test_what_the_models_can_do(start: Start) -> None:
    _, client = await start()
    speaker, listener = await client.list_models()
    assert (speaker.name, speaker.kind, list(speaker.voices)) == ("speaker", MODEL_KIND_SYNTHESIZER, ["tone"])
    assert (speaker.sample_rate_hertz, speaker.max_queued) == (24000, 8)
    assert list(speaker.aliases) == ["tts-1", "tts-1-hd", "gpt-4o-mini-tts"]
    assert list(listener.aliases) == ["whisper-1", "gpt-4o-transcribe", "gpt-4o-mini-transcribe"]
    assert (listener.name, listener.kind) == ("listener", MODEL_KIND_TRANSCRIBER)
    assert list(listener.options) == ["word_timestamps"]
    assert speaker.streaming
    assert listener.streaming
    with pytest.raises(ServiceError) as failure:
        await client.get_model("nobody")
    assert (failure.value.reason, failure.value.field) == ("MODEL_NOT_FOUND", "name")


async def test_health_waits_for_the_resident_models_of_each_service() -> None:
    server = Server(tone_settings(resident=True, options={"load_seconds": 0.3}))
    starting = asyncio.create_task(server.start())
    try:
        while not server.port:
            await asyncio.sleep(0)
        async with AsyncClient(server.address) as client:
            assert await client.is_serving(SPEECH_TO_TEXT)
            assert not await client.is_serving(TEXT_TO_SPEECH)
            assert not await client.is_serving()
            await starting
            assert await client.is_serving(TEXT_TO_SPEECH)
            assert await client.is_serving()
    finally:
        await starting
        await server.stop(0)


async def test_a_resident_model_that_cannot_be_loaded_ends_the_start() -> None:
    server = Server(tone_settings(resident=True, options={"fail_loading": True}))
    try:
        with pytest.raises(ModelLoadFailed, match="told to fail"):
            await server.start()
    finally:
        await server.stop(0)


async def test_a_taken_port_is_said_so() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        settings = tone_settings().model_copy(update={"port": taken.getsockname()[1]})
        server = Server(settings)
        try:
            with pytest.raises(ConfigurationError, match="another server"):
                await server.start()
        finally:
            await server.stop(0)


def test_names_that_two_models_share_are_refused() -> None:
    spec = ModelSpec("tone", aliases=("one",))
    with pytest.raises(ConfigurationError, match="'one'"):
        Server(Settings(synthesizers={"a": spec, "b": spec}, transcribers={}))


def test_a_backend_that_is_not_installed_is_refused() -> None:
    with pytest.raises(ConfigurationError, match=r"installed: .*hibari.*, tone"):
        Server(Settings(synthesizers={"a": ModelSpec("piper")}, transcribers={}))


def test_options_that_a_backend_does_not_know_are_refused() -> None:
    spec = ModelSpec("tone", options={"volume": 11})
    with pytest.raises(ConfigurationError, match="volume"):
        Server(Settings(synthesizers={"a": spec}, transcribers={}))


ARENA_BYTES = 64 << 20
TONE_SERVER = """
[synthesizers.speaker]
backend = "tone"
options = { delay_seconds = 0.02 }
[transcribers.listener]
backend = "tone"
"""


@pytest.fixture
def tone_process(tmp_path: Path) -> Iterator[ServerProcess]:
    (tmp_path / "audio-grpc.toml").write_text(TONE_SERVER)
    server = ServerProcess(cwd=tmp_path)
    yield server
    server.process.kill()
    server.stop()


def test_sigterm_lets_running_streams_finish(tone_process: ServerProcess) -> None:
    with Client(tone_process.address) as client:
        speech = client.synthesize("x" * 50, encoding=Encoding.PCM_S16LE)
        received = len(next(speech))
        tone_process.process.send_signal(signal.SIGTERM)
        tone_process.wait_for("stopping")
        with pytest.raises(ServiceError) as failure:
            while True:  # a call may still slip in between the log line and the closing of the door
                b"".join(client.synthesize("x"))
        assert failure.value.code in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.CANCELLED)
        received += sum(len(data) for data in speech)
        assert received == 50 * 4800
        assert speech.finished.usage.characters == 50
    assert tone_process.process.wait(10) == 0


@pytest.mark.skipif(sys.platform != "linux", reason="as Linux and glibc have it")
def test_threads_share_their_memory(tone_process: ServerProcess) -> None:
    with Client(tone_process.address) as client:
        assert b"".join(client.synthesize("x"))
        maps = Path(f"/proc/{tone_process.process.pid}/maps").read_text().splitlines()
    # Each is reserved whole, and the part of it that is used can be written to.
    ranges = [line.split()[0].split("-") for line in maps if " rw-p 00000000 00:00 0" in line]
    ends = {int(line.split("-")[0], 16) for line in maps if " ---p 00000000 00:00 0" in line}
    arenas = [start for start, end in ranges if int(start, 16) % ARENA_BYTES == 0 and int(end, 16) in ends]
    assert len(arenas) < 3


def test_a_second_signal_cuts_what_is_running_and_the_cut_is_seen(tone_process: ServerProcess) -> None:
    with Client(tone_process.address) as client:
        speech = client.synthesize("x" * 5000, encoding=Encoding.PCM_S16LE)
        next(speech)
        tone_process.process.send_signal(signal.SIGINT)
        tone_process.wait_for("stopping")
        tone_process.process.send_signal(signal.SIGINT)
        with pytest.raises(ServiceError) as failure:
            for _ in speech:
                pass
        assert failure.value.code in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.CANCELLED)
    assert tone_process.process.wait(10) == 0
