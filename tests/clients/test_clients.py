"""Clients that others have written, as their users run them: all that was changed is the address and the key.

``make test-clients`` runs these, with the real Envoy and the embedded models.
"""

import re

import pytest

from tests.clients.conftest import Program, needs_node, needs_wyoming
from tests.test_live_recognition import error_rate

pytestmark = pytest.mark.slow

SENTENCE = "he was not an ill disposed young man"
SPOKEN = "good morning"
REFUSED_JSON = "Unimplemented this server takes Connect in protobuf (useBinaryFormat: true)"


def words(line: str) -> str:
    """Returns what was heard, after the label."""
    return " ".join(re.findall(r"[a-z]+", line.partition(":")[2].lower()))


def is_sentence(line: str) -> bool:
    """Tells if it was heard, but for one word: live, the default model hears with less context."""
    return error_rate(SENTENCE, words(line)) < 0.2


def labelled(lines: list[str]) -> dict[str, str]:
    return {line.partition(":")[0]: line.partition(":")[2].strip() for line in lines}


def test_openai_for_python(program: Program) -> None:
    lines = labelled(program("openai_python.py"))
    assert (lines["language"], lines["model"]) == ("english", "gpt-live-transcribe")
    assert words(f":{lines['spoken']}") == SPOKEN
    for label in ("heard", "streamed"):
        assert words(f":{lines[label]}") == SENTENCE, label
    assert is_sentence(f":{lines['realtime']}")


def test_pipecat(program: Program) -> None:
    size, heard, realtime = program("pipecat_services.py")
    assert int(size.partition(":")[2]) > 24000, "half a second of speech"
    assert words(heard) == SENTENCE
    assert is_sentence(realtime)


def test_livekit(program: Program) -> None:
    size, *heard = program("livekit_plugin.py")
    assert int(size.partition(":")[2]) > 12000, "half a second of speech"
    recorded, realtime = heard[:2], heard[2:]
    assert [words(line) for line in recorded] == [f"{SENTENCE} en"] * 2
    assert len(realtime) == 3
    assert all(map(is_sentence, realtime))


def test_openai_agents(program: Program) -> None:
    first, first_size, second, second_size = program("openai_agents.py")
    assert words(first) == SENTENCE
    assert is_sentence(second)
    assert all(int(size.partition(":")[2]) > 24000 for size in (first_size, second_size))


@needs_wyoming
def test_wyoming_openai(program: Program) -> None:
    lines = labelled(program("wyoming_satellite.py"))
    assert "alloy" in lines["voices"].split()
    assert words(f":{lines['heard']}") == f"{SENTENCE} false", "in one part"
    assert words(f":{lines['streamed']}") == f"{SENTENCE} true"
    assert is_sentence(f":{lines['realtime'].removesuffix(' True')}")
    assert all(int(lines[size]) > 48000 for size in ("spoken", "written")), "a second of speech"


@needs_node
def test_openai_for_node(program: Program) -> None:
    lines = labelled(program("openai.mjs"))
    assert words(f":{lines['spoken']}") == SPOKEN
    assert words(f":{lines['heard']}") == words(f":{lines['streamed']}") == SENTENCE
    assert lines["refused"] == "NotFoundError model_not_found"


@needs_node
def test_vercels_ai_sdk(program: Program) -> None:
    spoken, whisper, *others = program("vercel.mjs")
    assert spoken.startswith("spoken: audio/mpeg ")
    assert words(whisper) == f"{SENTENCE} true en"
    assert whisper.endswith(" 1"), "segments"
    assert [words(line) for line in others] == [f"{SENTENCE} true undefined"] * 3


@needs_node
def test_grpc_js(program: Program) -> None:
    models, sound, refused = program("grpc.mjs")
    assert models == "models: hibari, whisper-base"
    assert re.fullmatch(r"bytes: \d{5,} finished: true", sound)
    assert refused == "refused: NOT_FOUND 1"


@needs_node
def test_connects_packages(program: Program) -> None:
    *binary, in_web, in_node = program("connect.mjs")
    assert [line.partition(": ")[2] for line in binary] == ["2 true true NotFound MODEL_NOT_FOUND"] * 5
    assert all(REFUSED_JSON in line for line in (in_web, in_node))
