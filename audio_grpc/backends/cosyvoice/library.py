"""Finds CosyVoice's code and imports it.

It is no installable package (the ``cosyvoice`` of the package index is a third party's, and cannot be
imported). So it comes from a checkout of https://github.com/FunAudioLLM/CosyVoice, or from the copy that
the package ``xinference`` carries, which has versions 1 and 2.
"""

import importlib
import sys
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from importlib.machinery import ModuleSpec
from importlib.util import find_spec, module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import Any

from audio_grpc.backends.cosyvoice.quiet import Absent, absent, quiet

NEVER_USED = ("modelscope", "matplotlib", "matplotlib.pylab", "pyarrow", "pyarrow.parquet", "pyworld")
"""Modules that the library, or a model's YAML file, imports for training, plotting or downloading only."""


@dataclass(frozen=True)
class Library:
    """One copy of the code: the folders of its two packages."""

    cosyvoice: Path
    matcha: Path

    def missing(self) -> Path | None:
        """A file that should be there and is not; None if all are."""
        needed = (self.cosyvoice / "cli" / "cosyvoice.py", self.matcha / "utils" / "audio.py")
        return next((path for path in needed if not path.is_file()), None)


def find(checkout: Path | None) -> Library:
    """The checkout, or without one the copy in xinference. RuntimeError says what to do without it."""
    library = _in_checkout(checkout) if checkout else _in_xinference()
    if library is None:
        raise RuntimeError(
            "CosyVoice's code is not here; name a checkout of https://github.com/FunAudioLLM/CosyVoice with "
            "the option cosyvoice_path, or get a copy with: pip install --no-deps xinference==4.1.0"
        )
    if missing := library.missing():
        raise RuntimeError(
            f"CosyVoice's code is incomplete: there is no {missing}; clone it with: "
            "git clone --recursive https://github.com/FunAudioLLM/CosyVoice"
        )
    return library


def _in_checkout(checkout: Path) -> Library:
    return Library(checkout / "cosyvoice", checkout / "third_party" / "Matcha-TTS" / "matcha")


def _in_xinference() -> Library | None:
    spec = find_spec("xinference")
    if spec is None or spec.origin is None:
        return None
    third_party = Path(spec.origin).parent / "thirdparty"
    return Library(third_party / "cosyvoice", third_party / "matcha")


def load(library: Library, make: Callable[[ModuleType], Any]) -> Any:
    """Imports the module ``cosyvoice.cli.cosyvoice`` and returns ``make`` of it; both without output."""
    # On every request, and of no use to those who cannot change the library.
    warnings.filterwarnings("ignore", category=FutureWarning, module=r"(cosyvoice|diffusers)\.")
    with quiet(), absent(NEVER_USED):
        _require_torchaudio()
        _register(library)
        frontend = importlib.import_module("cosyvoice.cli.frontend")
        # Newer code reads prompts from files, for which torchaudio needs FFmpeg's shared libraries.
        # It gets the sound itself, at the rate that it would ask for.
        frontend.load_wav = lambda sound, *_: sound  # type: ignore[attr-defined]
        return make(importlib.import_module("cosyvoice.cli.cosyvoice"))


def _register(library: Library) -> None:
    """Make the two packages importable, and nothing that is beside them, as a change of sys.path would."""
    loaded = sys.modules.get("cosyvoice")
    if loaded is None:
        _add_package("cosyvoice", library.cosyvoice)
        _add_package("matcha", library.matcha)
        # Its own __init__ imports what trains models: lightning, hydra and more.
        utils = ModuleType("matcha.utils")
        utils.__path__ = [str(library.matcha / "utils")]
        utils.__spec__ = ModuleSpec("matcha.utils", None, is_package=True)
        sys.modules["matcha.utils"] = sys.modules["matcha"].utils = utils  # type: ignore[attr-defined]
        sys.modules["matcha.utils.pylogger"] = Absent("matcha.utils.pylogger")
    elif list(loaded.__path__) != [str(library.cosyvoice)]:
        raise RuntimeError(
            f"CosyVoice's code was already loaded from {loaded.__path__[0]}; give all CosyVoice models of a "
            "server the same cosyvoice_path"
        )


def _add_package(name: str, folder: Path) -> None:
    spec = spec_from_file_location(name, folder / "__init__.py", submodule_search_locations=[str(folder)])
    assert spec is not None
    assert spec.loader is not None
    package = module_from_spec(spec)
    sys.modules[name] = package
    spec.loader.exec_module(package)


def _require_torchaudio() -> None:
    """Imports torchaudio without its compiled part, which fits one build of torch only and is not needed."""
    try:
        importlib.import_module("torchaudio")
    except OSError:
        extension = ModuleType("torchaudio._extension")
        extension._IS_TORCHAUDIO_EXT_AVAILABLE = False  # type: ignore[attr-defined]
        extension._IS_ALIGN_AVAILABLE = False  # type: ignore[attr-defined]
        extension.fail_if_no_align = lambda function: function  # type: ignore[attr-defined]
        extension._check_cuda_version = lambda: None  # type: ignore[attr-defined]
        sys.modules[extension.__name__] = extension
        importlib.import_module("torchaudio")
