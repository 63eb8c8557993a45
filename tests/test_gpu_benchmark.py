"""Means by which benchmarks/gpu.py runs on a machine with PyTorch alone."""

import importlib
import sys
from pathlib import Path

import pytest

from benchmarks import gpu_callers, gpu_cublas, gpu_stand_ins


def test_cublas_has_the_name_that_is_looked_for(tmp_path: Path) -> None:
    theirs = tmp_path / "theirs"
    theirs.mkdir()
    for name in ("libcublas.so.13", "libcublasLt.so.13"):
        (theirs / name).write_text(name)
    gpu_cublas.link(theirs, tmp_path / "lent")
    lent = {path.name: path.read_text() for path in (tmp_path / "lent").iterdir()}
    assert lent == {
        "libcublas.so.12": "libcublas.so.13",
        "libcublas.so.13": "libcublas.so.13",
        "libcublasLt.so.13": "libcublasLt.so.13",
    }


def test_what_is_missing_is_stood_in_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gpu_stand_ins, "PACKAGES", ("not_installed", "numpy"))
    monkeypatch.setattr(gpu_stand_ins, "USED", {"not_installed.inside": {"answer": 42}})
    monkeypatch.setattr(gpu_stand_ins, "can_clone", lambda: True)
    monkeypatch.setattr(sys, "meta_path", list(sys.meta_path))
    assert gpu_stand_ins.install() == ["not_installed"]
    module = importlib.import_module("not_installed.inside")
    try:
        assert module.answer == 42
        assert module.Something.inside("anything")
        with pytest.raises(ModuleNotFoundError):  # a name is looked for among modules first
            importlib.import_module("not_installed.inside.answer")
    finally:
        del sys.modules["not_installed"], sys.modules["not_installed.inside"]


def test_every_caller_calls_once_at_least() -> None:
    calls, _ = gpu_callers.keep_busy(3, 0.0, lambda ends: ends)
    assert len(calls) == 3


def test_a_call_that_fails_is_not_left_out() -> None:
    def fail(ends: float) -> None:
        raise ValueError(ends)

    with pytest.raises(ValueError, match=r"\d"):
        gpu_callers.keep_busy(2, 0.0, fail)
