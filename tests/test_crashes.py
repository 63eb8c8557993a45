"""A model that breaks while it serves is replaced, and costs nobody but the call that broke it."""

import asyncio
import logging
import struct
from collections.abc import Iterator

import grpc
import pytest

from audio_grpc.backends.base import ModelBroken, ModelSpec, Synthesizer, Transcript
from audio_grpc.backends.cuda import cuda_errors_break
from audio_grpc.backends.tone import ToneListener, ToneSpeaker
from audio_grpc.client import AsyncClient, Encoding, ServiceError
from audio_grpc.runtime import model as runtime
from audio_grpc.runtime.loaded import FAILURES_IN_A_ROW
from audio_grpc.server import Server
from audio_grpc.types import Audio, Speech, SynthesisOptions, TranscriptionOptions
from audio_grpc.v1.model_pb2 import MODEL_STATE_FAILED, MODEL_STATE_READY
from audio_grpc.v1.speech_to_text_pb2 import Endpointing
from tests.conftest import Start
from tests.eventually import eventually
from tests.test_metrics import scrape

CRASHING = {"crash_on": "boom"}


async def speak(client: AsyncClient, text: str) -> bytes:
    return b"".join([data async for data in client.synthesize(text, encoding=Encoding.PCM_S16LE)])


async def transcribe(client: AsyncClient, recording: bytes) -> None:
    async for _ in client.transcribe(recording):
        pass


async def hear(client: AsyncClient, samples: bytes) -> None:
    async with client.listen(24000, endpointing=Endpointing(manual=True)) as transcript:
        await transcript.write(samples)
        await transcript.end()
        async for _ in transcript:
            pass


async def failure_of(client: AsyncClient, text: str) -> ServiceError:
    with pytest.raises(ServiceError) as failure:
        await speak(client, text)
    return failure.value


async def until_reloaded(server: Server, times: int = 1) -> None:
    model = server.models.synthesizer("")
    await eventually(lambda: model.reloads >= times)


async def test_the_call_that_crashes_the_model_is_told_and_the_next_ones_go_well(
    start: Start, caplog: pytest.LogCaptureFixture
) -> None:
    server, client = await start(options=CRASHING)
    with caplog.at_level(logging.ERROR):
        failure = await failure_of(client, "say boom now")
    assert (failure.code, failure.reason) == (grpc.StatusCode.INTERNAL, "MODEL_CRASHED")
    assert "try the call again" in failure.message
    assert "told to crash" not in failure.message, "the inner workings stay in the log"
    assert "model speaker crashed" in caplog.text
    assert "told to crash" in caplog.text
    assert [len(await speak(client, "fine")) for _ in range(3)] == [4 * 4800] * 3
    assert server.models.synthesizer("").reloads == 1


async def test_the_model_is_loaded_again_without_waiting_for_a_call(start: Start) -> None:
    server, client = await start(options=CRASHING, metrics_port=0)
    await failure_of(client, "boom")
    await until_reloaded(server)
    assert (await client.get_model("speaker")).state == MODEL_STATE_READY
    found = await scrape(server)
    assert found.value("audio_grpc_model_reloads_total", model="speaker") == 1
    assert found.value("audio_grpc_model_reloads_total", model="listener") == 0


async def test_calls_on_the_crashed_model_go_on_and_queued_ones_get_the_new_one(start: Start) -> None:
    options = {**CRASHING, "delay_seconds": 0.01}
    server, client = await start(options=options, concurrency=2)
    running = client.synthesize("x" * 100, encoding=Encoding.PCM_S16LE)
    received = len(await anext(running))
    crashing = asyncio.create_task(failure_of(client, "boom"))
    queued = [asyncio.create_task(speak(client, "queued")) for _ in range(3)]
    assert (await crashing).reason == "MODEL_CRASHED"
    assert [len(audio) for audio in await asyncio.gather(*queued)] == [6 * 4800] * 3
    async for data in running:
        received += len(data)
    assert received == 100 * 4800
    assert server.models.synthesizer("").reloads == 1


async def test_calls_that_break_one_model_together_reload_it_once(start: Start) -> None:
    server, client = await start(options={**CRASHING, "delay_seconds": 0.01})
    calls = [client.synthesize("A sentence of some length. And then boom now.") for _ in range(3)]
    for call in calls:
        await anext(call)
    for call in calls:
        with pytest.raises(ServiceError) as failure:
            while True:
                await anext(call)
        assert failure.value.reason == "MODEL_CRASHED"
    await until_reloaded(server)
    assert len(await speak(client, "fine")) == 4 * 4800
    assert server.models.synthesizer("").reloads == 1


async def test_failing_again_and_again_counts_as_a_crash(start: Start) -> None:
    server, client = await start(options={"fail_after": 3})
    for number in range(FAILURES_IN_A_ROW):
        assert server.models.synthesizer("").reloads == 0
        assert (await failure_of(client, f"longer {number}")).reason == "MODEL_FAILED"
    await until_reloaded(server)


async def test_an_input_that_fails_again_and_again_is_one_failure(start: Start) -> None:
    server, client = await start(options={"fail_after": 3})
    loaded = await server.models.synthesizer("").load()
    for _ in range(2 * FAILURES_IN_A_ROW):
        assert (await failure_of(client, "longer")).reason == "MODEL_FAILED"
    recording = b"".join([data async for data in client.synthesize("ok!", encoding=Encoding.WAV)])
    assert recording
    for _ in range(FAILURES_IN_A_ROW - 1):
        await failure_of(client, "longer")
        await failure_of(client, "and another")
    assert await server.models.synthesizer("").load() is loaded


@pytest.mark.parametrize("live", [False, True])
async def test_a_recording_that_fails_again_and_again_is_one_failure(
    start: Start, monkeypatch: pytest.MonkeyPatch, live: bool
) -> None:
    def fail(listener: ToneListener, audio: Audio, options: TranscriptionOptions) -> Transcript:
        raise RuntimeError("told to fail by a test")

    server, client = await start()
    model = server.models.transcriber("")
    loaded = await model.load()
    spoken = b"".join([data async for data in client.synthesize("Hello.", encoding=Encoding.WAV)])
    monkeypatch.setattr(ToneListener, "transcribe", fail)
    for _ in range(2 * FAILURES_IN_A_ROW):
        with pytest.raises(ServiceError) as failure:
            await (hear(client, spoken[44:]) if live else transcribe(client, spoken))
        assert failure.value.reason == "MODEL_FAILED"
    assert await model.load() is loaded


async def test_too_little_memory_is_no_crash(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(speaker: ToneSpeaker, text: str, options: SynthesisOptions) -> Iterator[Speech]:
        raise MemoryError

    server, client = await start()
    loaded = await server.models.synthesizer("").load()
    monkeypatch.setattr(ToneSpeaker, "synthesize", fail)
    for number in range(FAILURES_IN_A_ROW + 1):
        failure = await failure_of(client, f"text {number}")
        assert (failure.code, failure.reason) == (grpc.StatusCode.RESOURCE_EXHAUSTED, "MEMORY_SHORT")
        assert failure.retry_after_seconds
    assert await server.models.synthesizer("").load() is loaded


@pytest.mark.parametrize("rate", [1, 10, 999, 1_536_001, 4_000_000_000])
async def test_a_rate_that_no_recording_has_is_the_callers_fault(start: Start, rate: int) -> None:
    server, client = await start()
    loaded = await server.models.transcriber("").load()
    form = struct.pack("<IHHIIHH", 16, 1, 1, rate, 2 * rate % 2**32, 2, 16)
    header = b"RIFF" + struct.pack("<I", 7036) + b"WAVEfmt " + form + b"data" + struct.pack("<I", 7000)
    for _ in range(FAILURES_IN_A_ROW):
        with pytest.raises(ServiceError) as failure:
            await transcribe(client, header + bytes(7000))
        assert failure.value.code == grpc.StatusCode.INVALID_ARGUMENT
    assert await server.models.transcriber("").load() is loaded


async def test_a_call_that_goes_well_in_between_shows_that_the_model_is_whole(start: Start) -> None:
    server, client = await start(options={"fail_after": 3})
    loaded = await server.models.synthesizer("").load()
    for _ in range(FAILURES_IN_A_ROW):
        await failure_of(client, "longer")
        await speak(client, "ok!")
    assert await server.models.synthesizer("").load() is loaded


async def test_callers_who_are_refused_or_leave_do_not_count(start: Start) -> None:
    server, client = await start(options={"delay_seconds": 0.01})
    loaded = await server.models.synthesizer("").load()
    for _ in range(FAILURES_IN_A_ROW + 1):
        with pytest.raises(ServiceError):
            await anext(client.synthesize("x", voice="nobody"))
        leaving = client.synthesize("x" * 100)
        await anext(leaving)
        leaving.cancel()
    await eventually(lambda: not server.models.synthesizer("").admission.running)
    assert await server.models.synthesizer("").load() is loaded


async def test_a_reload_that_fails_is_tried_again_until_it_works(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runtime, "FIRST_RETRY_SECONDS", 0.05)
    server, client = await start(options=CRASHING)
    await speak(client, "loaded")
    model = server.models.synthesizer("")
    make = model._make
    refused: list[ModelSpec] = []
    refusing = True

    def refuse(spec: ModelSpec) -> Synthesizer:
        if refusing:
            refused.append(spec)
            return make(ModelSpec("tone", options={"fail_loading": True}))
        return make(spec)

    async def failed() -> bool:
        return (await client.get_model("speaker")).state == MODEL_STATE_FAILED

    model._make = refuse
    await failure_of(client, "boom")
    await eventually(lambda: len(refused) >= 2)
    await eventually(failed)
    assert "told to fail" in (await client.get_model("speaker")).load_error
    refusing = False
    await until_reloaded(server)
    assert len(await speak(client, "fine")) == 4 * 4800


async def test_unloading_ends_the_attempts_to_reload(start: Start, caplog: pytest.LogCaptureFixture) -> None:
    server, client = await start(options=CRASHING)
    await speak(client, "loaded")
    model = server.models.synthesizer("")
    make = model._make
    model._make = lambda spec: make(ModelSpec("tone", options={"fail_loading": True}))
    await failure_of(client, "boom")
    await eventually(lambda: "again in" in caplog.text)
    await client.unload_model("speaker")
    reloading = model._reloading
    assert reloading is not None
    await asyncio.wait([reloading])
    assert reloading.cancelled()


@pytest.mark.parametrize(
    "text",
    [
        "CUDA failed with error an illegal memory access was encountered",
        "cuBLAS failed with status CUBLAS_STATUS_NOT_INITIALIZED",
        "CUDA failed with error out of memory",
    ],
)
def test_errors_of_cuda_break_the_model(text: str) -> None:
    with pytest.raises(ModelBroken, match=text), cuda_errors_break():
        raise RuntimeError(text)


def test_other_errors_of_a_model_are_its_callers_alone() -> None:
    with pytest.raises(RuntimeError, match="shape"), cuda_errors_break():
        raise RuntimeError("the input has the wrong shape")
