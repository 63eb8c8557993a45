"""Checks the packages that CosyVoice needs beside its own code, without importing any."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path

from audio_grpc.backends.cosyvoice import library
from audio_grpc.extras import install

MODULES = (
    *("torch", "torchaudio", "transformers", "diffusers", "onnxruntime", "hyperpyyaml", "omegaconf"),
    *("einops", "conformer", "librosa", "inflect", "whisper", "tiktoken", "regex", "wetext"),
    *("x_transformers", "huggingface_hub"),
)
NEWEST_TRANSFORMERS = "4.52.4"
"""The newest version that works: from 4.53 on, cached decoding is silently wrong from the second step on."""
INSTALL = f"make cosyvoice in a clone, or {install('cosyvoice')}"


@dataclass(frozen=True)
class Finding:
    """The result of one check."""

    good: bool
    text: str


def findings(checkout: Path | None) -> Iterator[Finding]:
    """The packages, the version of transformers, and CosyVoice's code; each says what mends it."""
    missing = [name for name in MODULES if find_spec(name) is None]
    if missing:
        yield Finding(False, f"not installed: {', '.join(missing)}; install with: {INSTALL}")
    else:
        yield Finding(True, f"torch {version('torch')} and all packages are installed")
    if problem := transformers_problem():
        yield Finding(False, problem)
    try:
        yield Finding(True, f"CosyVoice's code is in {library.find(checkout).cosyvoice}")
    except RuntimeError as error:
        yield Finding(False, str(error))


def transformers_problem() -> str:
    """Returns the problem of the installed version; empty if it has none, or if there is none."""
    try:
        installed = version("transformers")
    except PackageNotFoundError:
        return ""
    if _release(installed) <= _release(NEWEST_TRANSFORMERS):
        return ""
    return (
        f"transformers {installed} makes CosyVoice babble, without an error; "
        f"install an older one with: pip install 'transformers<={NEWEST_TRANSFORMERS}'"
    )


def _release(version: str) -> tuple[int, ...]:
    """4.52.4 of 4.52.4.dev0."""
    return tuple(map(int, re.findall(r"\d+", version)[:3]))


def require(checkout: Path | None) -> None:
    """Raises RuntimeError, with the remedies, if anything is missing."""
    if problems := [finding.text for finding in findings(checkout) if not finding.good]:
        raise RuntimeError("; ".join(problems))
