"""Log lines: for programs and for people, each with its call, and none with what was said."""

import asyncio
import json
import logging
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import grpc
import pytest

from audio_grpc.access import key_file
from audio_grpc.access.limits import KeyLimits
from audio_grpc.backends.base import ModelSpec
from audio_grpc.backends.tone import ToneSpeaker
from audio_grpc.client import AsyncClient, Client, ServiceError
from audio_grpc.v1.model_pb2 import ListModelsRequest
from audio_grpc.v1.model_pb2_grpc import ModelServiceStub
from tests.conftest import ServerProcess, Start
from tests.eventually import eventually
from tests.lines import Lines, reading

SECRET_TEXT = "Xylophones quarrel."
TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
TONES = """
[synthesizers.speaker]
backend = "tone"
options = { fail_after = 3 }
[transcribers.listener]
backend = "tone"
"""


@pytest.fixture
def lines() -> Iterator[Lines]:
    with reading() as lines:
        yield lines


def named(client: AsyncClient, request_id: str) -> AsyncClient:
    return client.with_metadata({"x-request-id": request_id})


async def speak(client: AsyncClient, text: str = "abc", voice: str = "") -> None:
    async for _ in client.synthesize(text, voice=voice):
        pass


async def test_a_call_ends_with_a_line_of_fields(start: Start, lines: Lines) -> None:
    _, client = await start()
    began = datetime.now(UTC).replace(microsecond=0)
    traced = named(client, "one").with_metadata({"traceparent": f"00-{TRACE}-00f067aa0ba902b7-01"})
    await speak(traced)
    line = await lines.ended("one")
    written = line.pop("time")
    assert written.endswith("Z")
    assert began <= datetime.fromisoformat(written) <= datetime.now(UTC)
    milliseconds = [line.pop(f"{name}milliseconds") for name in ("queued_", "first_", "")]
    assert milliseconds == sorted(milliseconds)
    assert line == {
        "level": "INFO",
        "logger": "audio_grpc.calls",
        "message": "call ended",
        "request_id": "one",
        "trace_id": TRACE,
        "method": "Synthesize",
        "code": "OK",
        "model": "speaker",
        "audio_seconds": 0.3,
        "characters": 3,
    }


async def test_a_call_with_a_key_is_logged_with_its_name(start: Start, lines: Lines, tmp_path: Path) -> None:
    _, secret = key_file.add(tmp_path / "keys.json", "editor", KeyLimits())
    _, client = await start(keys_file=tmp_path / "keys.json")
    keyed = {"x-request-id": "keyed", "authorization": f"Bearer {secret}"}
    await speak(client.with_metadata(keyed))
    line = await lines.ended("keyed")
    assert line["key"] == "editor"
    assert secret not in str(line)


async def test_a_refused_call_says_why_but_not_what_was_asked(start: Start, lines: Lines) -> None:
    _, client = await start()
    with pytest.raises(ServiceError):
        await speak(named(client, "two"), voice="a voice that I made up")
    line = await lines.ended("two")
    assert (line["code"], line["reason"], line["field"]) == ("NOT_FOUND", "VOICE_NOT_FOUND", "voice")
    assert "made up" not in lines.stream.getvalue()


async def test_a_broken_model_leaves_its_traceback_under_the_id_of_the_call(
    start: Start, lines: Lines
) -> None:
    _, client = await start(options={"fail_after": 1})
    with pytest.raises(ServiceError):
        await speak(named(client, "three"))
    line = await lines.ended("three")
    assert (line["code"], line["reason"], line["audio_seconds"]) == ("INTERNAL", "MODEL_FAILED", 0.1)
    (failure,) = (line for line in lines.of("three") if line["level"] == "ERROR")
    assert failure["message"] == "Synthesize failed"
    assert failure["exception"].startswith("Traceback")
    assert "told to fail by the option fail_after" in failure["exception"]


@pytest.mark.parametrize(
    ("missing", "path", "said"),
    [
        ("hibari", None, "install it with: pip install '.[embedded]'"),
        (None, __file__, "may be left out for the embedded one"),
        (None, "nowhere.onnx", "may be left out for the embedded one"),
    ],
)
async def test_a_model_that_the_operator_has_to_mend_is_one_line(
    start: Start,
    lines: Lines,
    monkeypatch: pytest.MonkeyPatch,
    missing: str | None,
    path: str | None,
    said: str,
) -> None:
    if missing:
        monkeypatch.setitem(sys.modules, missing, None)
    _, client = await start(synthesizers={"speaker": ModelSpec("hibari", path=path)})
    with pytest.raises(ServiceError) as failure:
        await speak(named(client, "unloaded"))
    assert said in failure.value.message
    (line,) = (line for line in lines.all if line["level"] == "ERROR")
    assert said in line["message"]
    assert "exception" not in line


async def test_what_a_backend_logs_on_its_thread_belongs_to_the_call(
    start: Start, lines: Lines, monkeypatch: pytest.MonkeyPatch
) -> None:
    def told(self: ToneSpeaker, text: str) -> str:
        logging.getLogger("backend").info("looking at %d characters", len(text))
        return ""

    monkeypatch.setattr(ToneSpeaker, "unpronounceable", told)
    _, client = await start(concurrency=2)
    await asyncio.gather(speak(named(client, "four"), "abc"), speak(named(client, "five"), "abcde"))
    said = {line["request_id"]: line["message"] for line in lines.all if line["logger"] == "backend"}
    assert said == {"four": "looking at 3 characters", "five": "looking at 5 characters"}


async def test_what_happens_long_after_a_call_is_not_its_doing(start: Start, lines: Lines) -> None:
    _, client = await start(idle_unload_seconds=0.0)
    await speak(named(client, "six"))
    await eventually(lambda: any("unloaded" in line["message"] for line in lines.all))
    assert any("loaded model speaker in" in line["message"] for line in lines.of("six"))
    assert not any("idle" in line["message"] or "unloaded" in line["message"] for line in lines.of("six"))


def test_the_command_logs_json_and_neither_texts_nor_keys(tmp_path: Path) -> None:
    (tmp_path / "audio-grpc.toml").write_text(TONES)
    server = ServerProcess("--log-format", "json", "--log-level", "debug", cwd=tmp_path)
    with Client(server.address) as client, pytest.raises(ServiceError):
        b"".join(client.synthesize(SECRET_TEXT))
    with grpc.insecure_channel(server.address) as channel:
        key = (("authorization", "Bearer sk-very-secret"), ("x-request-id", "seven"))
        ModelServiceStub(channel).ListModels(ListModelsRequest(), metadata=key)
    assert server.stop() == 0
    entries = [json.loads(line) for line in server.log]
    assert all({"time", "level", "logger", "message"} <= entry.keys() for entry in entries)
    ended = [entry for entry in entries if entry["message"] == "call ended"]
    assert [entry["method"] for entry in ended] == ["Synthesize", "ListModels"]
    assert (ended[0]["characters"], ended[1]["request_id"]) == (len(SECRET_TEXT), "seven")
    _tells_nothing(server, "Xylophones", "quarrel", "sk-very-secret")


def test_the_default_models_do_not_log_texts_either(tmp_path: Path) -> None:
    server = ServerProcess("--log-format", "json", "--log-level", "debug", cwd=tmp_path)
    with Client(server.address) as client:
        audio = b"".join(client.synthesize(SECRET_TEXT))
        assert list(client.transcribe(audio, prompt="Xylophones"))
        with pytest.raises(ServiceError, match="pronounce"):
            b"".join(client.synthesize("Xylophones ŋʘǂ."))
    assert server.stop() == 0
    assert all(json.loads(line) for line in server.log)
    _tells_nothing(server, "ylophone", "quarrel", "ŋ", "\\u014b")


def _tells_nothing(server: ServerProcess, *secrets: str) -> None:
    log = "".join(server.log)
    assert not [secret for secret in secrets if secret in log]


def test_people_read_the_same_on_one_line(tmp_path: Path) -> None:
    (tmp_path / "audio-grpc.toml").write_text(TONES)
    server = ServerProcess(cwd=tmp_path)
    with Client(server.address) as client:
        b"".join(client.synthesize("ok"))
    try:
        server.wait_for(
            r"INFO audio_grpc\.calls: call ended request_id=[0-9a-f]{32} method=Synthesize code=OK "
            r"model=speaker milliseconds=.* audio_seconds=0\.2 characters=2$"
        )
    finally:
        assert server.stop() == 0
