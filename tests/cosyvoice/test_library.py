"""Finding the library, loading it without side effects, and saying what is wrong."""

import importlib
import importlib.metadata
import importlib.util
import logging
import random
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from audio_grpc.backends.base import ModelSpec
from audio_grpc.backends.cosyvoice import CosyVoice, library
from audio_grpc.backends.cosyvoice.library import Library
from tests.cosyvoice.conftest import CHECKOUT, spec

Directory = Callable[[int], Path]

ROOT = logging.getLogger()


def drawn() -> list[float]:
    """A number of each random generator."""
    import torch

    return [random.random(), float(np.random.rand()), float(torch.rand(1))]


def test_loading_leaves_random_generators_alone(directory: Directory) -> None:
    """A model's YAML file seeds them all."""
    import torch

    model = CosyVoice(spec(directory(2)))
    expected, after = None, None
    for load in (False, True):
        random.seed(1)
        np.random.seed(1)
        torch.manual_seed(1)
        if load:
            model.load()
        expected, after = after, drawn()
    assert after == expected


def test_importing_leaves_logs_and_output_alone(
    directory: Directory, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The library turns on debug logs for everybody, and prints."""
    directory(2)
    monkeypatch.setattr(ROOT, "handlers", [])
    monkeypatch.setattr(ROOT, "level", logging.WARNING)

    def import_again(_: ModuleType) -> None:
        print("noise")  # noqa: T201
        importlib.reload(sys.modules["cosyvoice.utils.file_utils"])

    library.load(library.find(CHECKOUT), import_again)
    assert (ROOT.level, ROOT.handlers) == (logging.WARNING, [])
    assert capsys.readouterr().out == ""


def test_what_stands_in_for_absent_packages_is_gone_afterwards(directory: Directory) -> None:
    """Others look in sys.modules to see what is installed."""
    directory(2)
    absent = [name for name in library.NEVER_USED if importlib.util.find_spec(name.partition(".")[0]) is None]
    assert absent, "some of them are not installed here"
    assert not set(absent) & set(sys.modules)
    assert not [path for path in sys.path if "thirdparty" in path]


def test_constructing_it_imports_nothing_heavy(tmp_path: Path) -> None:
    code = (
        "import sys; from audio_grpc.backends.cosyvoice import CosyVoice; "
        "from audio_grpc.backends.base import ModelSpec; CosyVoice(ModelSpec('cosyvoice', path='x')).info; "
        "print({'torch', 'transformers', 'cosyvoice'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


def fails(model: ModelSpec) -> str:
    with pytest.raises(RuntimeError) as failure:
        CosyVoice(model).load()
    return str(failure.value)


def test_a_newer_transformers_is_refused(directory: Directory, monkeypatch: pytest.MonkeyPatch) -> None:
    version = importlib.metadata.version
    monkeypatch.setattr(
        "audio_grpc.backends.cosyvoice.requirements.version",
        lambda name: "4.53.0" if name == "transformers" else version(name),
    )
    message = fails(spec(directory(2)))
    assert "transformers 4.53.0 makes CosyVoice babble" in message
    assert "pip install 'transformers<=4.52.4'" in message


def test_cached_decoding_says_what_one_pass_says(directory: Directory) -> None:
    """Newer versions of transformers get this wrong without an error."""
    import torch
    from cosyvoice.llm.llm import Qwen2Encoder

    torch.manual_seed(0)
    encoder = Qwen2Encoder(str(directory(2) / "CosyVoice-BlankEN")).eval()
    said = torch.randn(1, 12, 32)

    def step(part: Any, cache: Any) -> Any:
        length = part.shape[1]
        return encoder.forward_one_step(part, torch.tril(torch.ones(1, length, length)).bool(), cache)

    with torch.inference_mode():
        at_once, _ = step(said, None)
        beginning, cache = step(said[:, :8], None)
        steps = [beginning]
        for number in range(8, 12):
            part, cache = step(said[:, number : number + 1], cache)
            steps.append(part)
    torch.testing.assert_close(torch.cat(steps, dim=1), at_once, atol=1e-4, rtol=0)


def test_a_directory_without_a_model_is_named(tmp_path: Path) -> None:
    assert f"{tmp_path} is no CosyVoice model: it has none of cosyvoice.yaml" in fails(spec(tmp_path))


def test_a_directory_that_is_not_there_is_named() -> None:
    assert "there is no directory /nowhere/at/all" in fails(spec("/nowhere/at/all"))


def test_a_checkout_that_is_incomplete_says_how_to_complete_it(directory: Directory, tmp_path: Path) -> None:
    message = fails(spec(directory(2), cosyvoice_path=str(tmp_path)))
    assert str(tmp_path / "cosyvoice" / "cli" / "cosyvoice.py") in message
    assert "git clone --recursive" in message


def test_without_any_code_both_ways_are_told(directory: Directory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(library, "find_spec", lambda _: None)
    message = fails(ModelSpec("cosyvoice", path=str(directory(2))))
    assert "with the option cosyvoice_path" in message
    assert "pip install --no-deps xinference" in message


@pytest.mark.skipif(CHECKOUT is not None, reason="the official code has version 3")
def test_a_model_of_version_3_needs_the_official_code(tmp_path: Path) -> None:
    (tmp_path / "cosyvoice3.yaml").touch()
    message = fails(spec(tmp_path))
    assert "is a CosyVoice 3 model" in message
    assert "with the option cosyvoice_path" in message


def test_two_copies_of_the_code_do_not_mix(directory: Directory, tmp_path: Path) -> None:
    CosyVoice(spec(directory(2))).load()
    other = tmp_path / "cosyvoice" / "cli" / "cosyvoice.py"
    mel = tmp_path / "third_party" / "Matcha-TTS" / "matcha" / "utils" / "audio.py"
    for file in (other, mel):
        file.parent.mkdir(parents=True)
        file.touch()
    message = fails(spec(directory(2), cosyvoice_path=str(tmp_path)))
    assert "already loaded from" in message
    assert "the same cosyvoice_path" in message


@pytest.mark.parametrize(
    ("fields", "options", "complaint"),
    [
        ({"device": "cuda"}, {}, "torch sees no GPU; install its CUDA build"),
        ({"compute_type": "float16"}, {}, "torch sees no GPU, which fp16 would need"),
        ({}, {"tensorrt": True}, "which load_trt would need"),
        ({}, {"jit": True, "vllm": True}, "which load_jit, load_vllm would need"),
    ],
)
def test_what_needs_a_gpu_is_refused_without_one(
    directory: Directory, fields: dict[str, Any], options: dict[str, bool], complaint: str
) -> None:
    """The library leaves it out, with a line in the log."""
    import torch

    if torch.cuda.is_available():
        pytest.skip("there is one")
    assert complaint in fails(replace(spec(directory(2), **options), **fields))


def test_the_switches_reach_the_library(directory: Directory, monkeypatch: pytest.MonkeyPatch) -> None:
    import cosyvoice.cli.cosyvoice as module
    import torch

    given: dict[str, Any] = {}

    def refuse(path: str, **arguments: Any) -> None:
        given.update(arguments)
        raise RuntimeError("seen")

    monkeypatch.setattr(module, "CosyVoice2", refuse)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    model = spec(directory(2), jit=True, tensorrt=True, tensorrt_streams=3, vllm=True)
    assert fails(replace(model, compute_type="float16")) == "seen"
    switches = {"fp16": True, "load_jit": True, "load_trt": True, "load_vllm": True}
    assert given == {**switches, "trt_concurrent": 3}


def test_a_name_on_the_hub_is_found(
    directory: Directory, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The hub's cache has it: nothing is downloaded here."""
    import huggingface_hub.constants

    repository = tmp_path / "models--somebody--CosyVoice2-tiny"
    (repository / "refs").mkdir(parents=True)
    (repository / "refs" / "main").write_text("0" * 40)
    (repository / "snapshots").mkdir()
    (repository / "snapshots" / ("0" * 40)).symlink_to(directory(2))
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    model = CosyVoice(spec("somebody/CosyVoice2-tiny"))
    model.load()
    assert [voice.name for voice in model.info.voices] == ["trained", "recorded"]
    model.close()
    assert model.info.voices == ()


def test_the_code_is_whole() -> None:
    found = library.find(CHECKOUT)
    assert isinstance(found, Library)
    assert found.missing() is None
