"""Makes the library's model from a model's directory, or its name on the hub."""

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import FunctionType, ModuleType
from typing import Any

from audio_grpc.backends.cosyvoice import library
from audio_grpc.backends.cosyvoice.requirements import require
from audio_grpc.backends.cosyvoice.versions import VERSIONS, Version, version_of
from audio_grpc.backends.progress import report_progress


@dataclass(frozen=True)
class Switches:
    """Switches of the library that make it faster, by the names of its constructors."""

    fp16: bool = False
    load_jit: bool = False
    load_trt: bool = False
    load_vllm: bool = False
    trt_concurrent: int = 1

    @property
    def wanted(self) -> list[str]:
        """Returns the names of the switches that are on; all of them need a GPU."""
        return [name for name in ("fp16", "load_jit", "load_trt", "load_vllm") if getattr(self, name)]

    def arguments(self, version: Version) -> dict[str, Any]:
        """Returns the arguments of the version's constructor. Raises RuntimeError for a switch it lacks."""
        arguments: dict[str, Any] = {"fp16": self.fp16, "load_trt": self.load_trt}
        arguments["trt_concurrent"] = self.trt_concurrent
        if version.number < 3:
            arguments["load_jit"] = self.load_jit
        elif self.load_jit:
            raise RuntimeError("CosyVoice 3 has no JIT model; leave out the option jit")
        if version.number > 1:
            arguments["load_vllm"] = self.load_vllm
        elif self.load_vllm:
            raise RuntimeError("CosyVoice 1 does not run on vLLM; leave out the option vllm")
        return arguments


def load(path: str, checkout: Path | None, device: str, switches: Switches) -> tuple[Any, Version]:
    """The library's model and its version. RuntimeError says what to do if it cannot be loaded."""
    report_progress(0.0, "looking for CosyVoice")
    require(checkout)
    _check_device(device, switches)
    directory = _directory(path)
    version = version_of(directory)
    if version is None:
        names = ", ".join(version.description for version in VERSIONS)
        raise RuntimeError(f"{directory} is no CosyVoice model: it has none of {names}")

    def make(module: ModuleType) -> Any:
        if not hasattr(module, version.kind):
            raise RuntimeError(
                f"{directory} is a CosyVoice {version.number} model, which the code in "
                f"{Path(str(module.__file__)).parents[2]} does not know; name a checkout of "
                "https://github.com/FunAudioLLM/CosyVoice with the option cosyvoice_path"
            )
        return getattr(module, version.kind)(str(directory), **switches.arguments(version))

    report_progress(0.3, "loading the weights")
    model = library.load(library.find(checkout), make)
    model.frontend.feat_extractor = _with_own_caches(model.frontend.feat_extractor)
    return model, version


def _with_own_caches(mel_spectrogram: Any) -> Any:
    """Returns a copy of the function with caches of its own.

    The library keeps windows and filters in its module, for whatever size they are: with models of two
    versions in one process, the second would get those of the first.
    """
    function = mel_spectrogram.func
    names = {**function.__globals__, "mel_basis": {}, "hann_window": {}}
    own = FunctionType(function.__code__, names, function.__name__, function.__defaults__)
    return partial(own, *mel_spectrogram.args, **mel_spectrogram.keywords)


def _check_device(device: str, switches: Switches) -> None:
    """The library takes the first GPU that torch sees, or else the CPU, and leaves out what needs a GPU."""
    import torch

    gpu = torch.cuda.is_available()
    if device == "cpu" and gpu:
        raise RuntimeError("CosyVoice takes the GPU if there is one; hide it with CUDA_VISIBLE_DEVICES=-1")
    if device == "cuda" and not gpu:
        raise RuntimeError("torch sees no GPU; install its CUDA build and the driver, or set device to cpu")
    if switches.wanted and not gpu:
        wanted = ", ".join(switches.wanted)
        raise RuntimeError(f"torch sees no GPU, which {wanted} would need; leave that out")


def _directory(path: str) -> Path:
    """The local directory of that path, or what the Hugging Face hub has under that name (owner/model)."""
    if Path(path).is_dir():
        return Path(path)
    if path.count("/") != 1 or path.startswith(("/", ".", "~")):
        raise RuntimeError(f"there is no directory {path}; name one, or a model on the Hugging Face hub")
    from huggingface_hub import snapshot_download

    return Path(snapshot_download(path))
