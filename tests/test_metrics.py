"""A server's metrics for Prometheus, over HTTP."""

import asyncio
import socket
import urllib.error
import urllib.request
from collections.abc import Mapping

import pytest
from prometheus_client.parser import text_string_to_metric_families

from audio_grpc.client import AsyncClient, Encoding, ServiceError
from audio_grpc.errors import ConfigurationError
from audio_grpc.server import Server
from tests.conftest import ServerProcess, Start, tone_settings
from tests.eventually import eventually

SLOW = {"delay_seconds": 0.02}
LONG = "A text that takes the slowed speaker some twenty seconds to say. " * 16


class Scrape:
    """The samples of one scrape."""

    def __init__(self, text: str) -> None:
        self.text = text
        families = text_string_to_metric_families(text)
        self.samples = [sample for family in families for sample in family.samples]

    def value(self, name: str, **labels: str) -> float | None:
        """Returns the value of the one sample with exactly these labels; None if there is none."""
        found = [sample.value for sample in self.samples if sample.name == name and sample.labels == labels]
        assert len(found) <= 1
        return found[0] if found else None

    def calls(self) -> Mapping[tuple[str, str, str, str], float]:
        """Returns the number of calls that ended, by method, model, code and reason."""
        return {
            tuple(sample.labels[name] for name in ("method", "model", "code", "reason")): sample.value  # type: ignore[misc]
            for sample in self.samples
            if sample.name == "audio_grpc_calls_total"
        }


def _read(url: str) -> str:
    with urllib.request.urlopen(url) as response:
        return str(response.read().decode())


async def scrape(server: Server) -> Scrape:
    return Scrape(await asyncio.to_thread(_read, server.metrics_url))


async def after(server: Server, calls: int) -> Scrape:
    """The first scrape that has so many calls; a failure is counted just after the caller has it."""

    async def counted() -> Scrape | None:
        found = await scrape(server)
        return found if sum(found.calls().values()) >= calls else None

    return await eventually(counted)


async def speak(client: AsyncClient, text: str, model: str = "") -> bytes:
    speech = client.synthesize(text, model=model, encoding=Encoding.WAV, sample_rate_hertz=24000)
    return b"".join([data async for data in speech])


async def test_calls_that_went_well_are_counted_with_what_they_carried(start: Start) -> None:
    server, client = await start(metrics_port=0)
    audio = await speak(client, "abc", model="tts-1")
    assert [segment async for segment in client.transcribe(audio)]
    await client.list_models()
    await client.get_model("tts-1")
    found = await scrape(server)
    assert found.calls() == {
        ("Synthesize", "speaker", "OK", ""): 1,
        ("Transcribe", "listener", "OK", ""): 1,
        ("ListModels", "", "OK", ""): 1,
        ("GetModel", "speaker", "OK", ""): 1,
    }
    speaker, listener = {"model": "speaker"}, {"model": "listener"}
    assert found.value("audio_grpc_characters_total", **speaker) == 3
    spoken = found.value("audio_grpc_audio_seconds_total", **speaker, direction="out")
    heard = found.value("audio_grpc_audio_seconds_total", **listener, direction="in")
    assert spoken == pytest.approx(0.3)
    assert heard == pytest.approx(0.3)
    for of_model in ({"method": "Synthesize", **speaker}, {"method": "Transcribe", **listener}):
        for name in ("call_seconds", "first_result_seconds", "real_time_factor"):
            assert found.value(f"audio_grpc_{name}_count", **of_model) == 1
        assert found.value("audio_grpc_queue_wait_seconds_count", model=of_model["model"]) == 1
    assert found.value("audio_grpc_first_result_seconds_count", method="ListModels", model="") is None


async def test_an_upload_is_counted_as_a_recording(start: Start) -> None:
    server, client = await start(metrics_port=0)
    audio = await speak(client, "ab")
    async with client.upload() as upload:
        await upload.write(audio[:100])
        await upload.write(audio[100:])
        assert [segment async for segment in await upload.transcribe()]
    found = await scrape(server)
    assert found.calls()["TranscribeUpload", "listener", "OK", ""] == 1
    heard = found.value("audio_grpc_audio_seconds_total", model="listener", direction="in")
    assert heard == pytest.approx(0.2)


async def test_an_unknown_model_makes_no_label(start: Start) -> None:
    server, client = await start(metrics_port=0)
    for name in ("caller-made-up-1", "caller-made-up-2"):
        with pytest.raises(ServiceError):
            await speak(client, "Hi.", model=name)
    found = await after(server, calls=2)
    assert found.calls() == {("Synthesize", "", "NOT_FOUND", "MODEL_NOT_FOUND"): 2}
    assert "made-up" not in found.text


async def test_live_streams_are_counted_while_they_last(start: Start) -> None:
    server, client = await start(metrics_port=0)

    async def listening() -> float | None:
        return (await scrape(server)).value("audio_grpc_live_streams", model="listener")

    async with client.listen(16000) as transcript:
        await transcript.start()
        assert await listening() == 1
        await transcript.end()
        assert [event async for event in transcript] == []
    found = await after(server, calls=1)
    assert found.calls() == {("StreamingTranscribe", "listener", "OK", ""): 1}
    assert await listening() == 0


async def test_a_refused_request_counts_for_its_model_and_nothing_else(start: Start) -> None:
    server, client = await start(metrics_port=0)
    with pytest.raises(ServiceError):
        await speak(client, " ")
    found = await after(server, calls=1)
    assert found.calls() == {("Synthesize", "speaker", "INVALID_ARGUMENT", "TEXT_EMPTY"): 1}
    assert found.value("audio_grpc_characters_total", model="speaker") is None
    assert found.value("audio_grpc_queue_wait_seconds_count", model="speaker") is None


async def test_gauges_follow_the_calls_and_a_full_queue_and_leaving_are_counted(start: Start) -> None:
    server, client = await start(metrics_port=0, options=SLOW, concurrency=1, queue=1)
    admission = server.models.synthesizer("").admission

    def gauges(found: Scrape) -> list[float | None]:
        names = ("audio_grpc_active_calls", "audio_grpc_queued_calls", "audio_grpc_model_loaded")
        return [found.value(name, model="speaker") for name in names]

    assert gauges(await scrape(server)) == [0, 0, 0]
    running = client.synthesize(LONG, encoding=Encoding.PCM_S16LE)
    await anext(running)
    waiting = asyncio.create_task(speak(client, "x"))
    await eventually(lambda: admission.waiting != 0)
    found = await scrape(server)
    assert gauges(found) == [1, 1, 1]
    assert found.value("audio_grpc_model_loaded", model="listener") == 0
    with pytest.raises(ServiceError):
        await speak(client, "One too many.")
    running.cancel()
    assert await waiting
    found = await after(server, calls=3)
    assert found.calls() == {
        ("Synthesize", "speaker", "OK", ""): 1,
        ("Synthesize", "speaker", "RESOURCE_EXHAUSTED", "QUEUE_FULL"): 1,
        ("Synthesize", "speaker", "CANCELLED", ""): 1,
    }
    assert gauges(found) == [0, 0, 1]
    assert found.value("audio_grpc_characters_total", model="speaker") == len(LONG) + 1
    assert found.value("audio_grpc_queue_wait_seconds_count", model="speaker") == 2
    assert found.value("audio_grpc_real_time_factor_count", method="Synthesize", model="speaker") == 1


async def test_a_deadline_is_told_from_a_caller_who_left(start: Start) -> None:
    server, client = await start(metrics_port=0, options=SLOW)
    await server.models.synthesizer("").load()
    await client.list_models()  # the connection is there, so that the call is, too, before its deadline
    with pytest.raises(ServiceError):
        async for _ in client.synthesize(LONG, timeout=1):
            pass
    found = await after(server, calls=2)
    assert ("Synthesize", "speaker", "DEADLINE_EXCEEDED", "") in found.calls()


async def test_a_model_that_breaks_in_the_middle_is_counted_with_what_it_made(start: Start) -> None:
    server, client = await start(metrics_port=0, options={"fail_after": 3})
    with pytest.raises(ServiceError):
        await speak(client, "broken")
    found = await after(server, calls=1)
    assert found.calls() == {("Synthesize", "speaker", "INTERNAL", "MODEL_FAILED"): 1}
    made = found.value("audio_grpc_audio_seconds_total", model="speaker", direction="out")
    assert made == pytest.approx(0.3)


async def test_every_metric_is_documented_and_the_process_is_among_them(start: Start) -> None:
    server, _ = await start(metrics_port=0)
    found = await scrape(server)
    families = list(text_string_to_metric_families(found.text))
    assert all(family.documentation for family in families)
    assert {"process_resident_memory_bytes", "python_gc_collections", "python_info"} <= {
        family.name for family in families
    }


async def test_servers_in_one_process_count_for_themselves(start: Start) -> None:
    (one, client), (other, _) = await start(metrics_port=0), await start(metrics_port=0)
    await speak(client, "x")
    assert (await scrape(one)).calls()
    assert not (await scrape(other)).calls()


async def test_metrics_end_with_the_server_and_are_off_by_default(start: Start) -> None:
    quiet, _ = await start()
    assert quiet.metrics_url == ""
    server, _ = await start(metrics_port=0)
    await scrape(server)
    await server.stop(0)
    with pytest.raises(urllib.error.URLError, match="refused"):
        await scrape(server)


async def test_a_taken_metrics_port_is_said_so() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        server = Server(tone_settings(metrics_port=taken.getsockname()[1]))
        try:
            with pytest.raises(ConfigurationError, match=r"something else listening there.* metrics_port"):
                await server.start()
        finally:
            await server.stop(0)


def test_the_command_says_where_the_metrics_are() -> None:
    server = ServerProcess("--metrics-port", "0")
    try:
        line = next(line for line in server.log if "metrics on" in line)
        assert "audio_grpc_model_loaded" in _read(line.split("metrics on ")[1].strip())
    finally:
        assert server.stop() == 0
