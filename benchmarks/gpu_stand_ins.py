"""Stands in for packages that CosyVoice's code imports and that random weights have no use for.

They read recordings, make speakers of them and spell out numbers; what is measured does none of that. On a
machine with nothing but PyTorch they need not be carried along.
"""

import sys
from collections.abc import Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from importlib.util import find_spec
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np

PACKAGES = (
    *(
        "av",
        "inflect",
        "librosa",
        "omegaconf",
        "onnxruntime",
        "PIL",
        "scipy",
        "tiktoken",
        "wetext",
        "whisper",
    ),
    "x_transformers",
)


class _Anything(type):
    """Makes classes with every attribute, each such a class again."""

    def __getattr__(cls, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return _anything(name)


def _anything(name: str) -> type:
    return _Anything(name, (), {"__init__": lambda *_, **__: None})


class _StandIn(ModuleType):
    """A module with every name in it."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return _anything(name)


def _window(_: str, size: int, fftbins: bool = True) -> Any:
    """Returns the periodic Hann window, the only one that the vocoder asks for."""
    return 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(size) / size)


class _Settings(SimpleNamespace):
    """Settings as attributes."""

    def __init__(self, content: dict[str, Any]) -> None:
        super().__init__(**content)


USED: dict[str, dict[str, Any]] = {
    "scipy.signal": {"get_window": _window},
    "omegaconf": {"DictConfig": _Settings},
    "PIL": {"__version__": "10.0.0"},
}
"""Names that random weights do use, and those that are looked at on import."""


class _Finder(MetaPathFinder, Loader):
    """Finds every module of the packages that are missing."""

    def __init__(self, missing: Sequence[str]) -> None:
        self._missing = missing

    def find_spec(self, name: str, path: object, target: object = None) -> ModuleSpec | None:
        package, _, last = name.rpartition(".")
        there = name.partition(".")[0] in self._missing and last not in USED.get(package, {})
        return ModuleSpec(name, self, is_package=True) if there else None

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        return _StandIn(spec.name)

    def exec_module(self, module: ModuleType) -> None:
        vars(module).update(USED.get(module.__name__, {}))


def can_clone() -> bool:
    """Tells whether random weights can have what makes speakers of recordings, which onnx writes."""
    return find_spec("onnx") is not None


def install() -> list[str]:
    """Returns the packages that are not installed and can be imported from now on."""
    missing = [name for name in PACKAGES if not find_spec(name)]
    if not can_clone() and "onnxruntime" not in missing:
        missing.append("onnxruntime")
    sys.meta_path.insert(0, _Finder(missing))
    return missing
