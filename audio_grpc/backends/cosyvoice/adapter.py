"""CosyVoice as a synthesiser."""

from collections.abc import Generator, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from annotated_types import Ge
from pydantic import ConfigDict

from audio_grpc.audio import stretch
from audio_grpc.backends.base import ModelSpec, SynthesizerInfo, Traits, read_options
from audio_grpc.backends.cosyvoice.model import Switches, load
from audio_grpc.backends.cosyvoice.request import Request
from audio_grpc.backends.cosyvoice.speakers import RecordedSpeakers, Speaker, as_told, own_speaker, tokens
from audio_grpc.backends.cosyvoice.versions import VERSIONS, version_of
from audio_grpc.backends.cuda import cuda_errors_break
from audio_grpc.errors import ConfigurationError
from audio_grpc.types import Audio, Speech, SynthesisOptions, Voice

DEVICES = ("auto", "cpu", "cuda")
COMPUTE_TYPES = ("auto", "float32", "float16")
MAX_PIECE_SIZE = 200
"""The work for a piece grows with the square of its length, and Chinese says much in 200 characters."""


@dataclass(frozen=True)
class CosyVoiceOptions:
    """Options beside the fields that every model has.

    The model's directory (or its name on the hub) is code, too: its YAML file can run anything. Name only
    what you trust.
    """

    __pydantic_config__ = ConfigDict(extra="forbid")

    cosyvoice_path: Path | None = None
    """Checkout of https://github.com/FunAudioLLM/CosyVoice; None: the copy in the package xinference."""
    jit: bool = False
    """Run the parts that the model has as TorchScript from there (load_jit)."""
    tensorrt: bool = False
    """Run the acoustic model on TensorRT (load_trt); the first load builds the engine."""
    tensorrt_streams: Annotated[int, Ge(1)] = 1
    """The number of TensorRT contexts that run at once (trt_concurrent)."""
    vllm: bool = False
    """Run the language model on vLLM (load_vllm)."""
    text_normalization: bool = True
    """True to have the library spell out numbers and the like before it speaks."""
    max_token_ratio: Annotated[float, Ge(2)] = 20.0
    """The most speech tokens for each token of text, so that no babble is endless."""


def _unfit_for_gpu() -> str:
    try:
        import torch
    except ImportError:
        return ""  # loading says what is missing
    return "" if torch.cuda.is_available() else "torch cannot use it"


class CosyVoice:
    """One model of any version, shared by all requests."""

    traits = Traits(
        unfit_for_gpu=_unfit_for_gpu,
        cpu_type=("float32", "the library's default"),
        gpu_type=("float32", "the library's default"),
        batches_itself=lambda spec: bool(spec.options.get("vllm")),
        in_real_time=True,
        why_worker_cores="the library computes one request with all that the device has",
    )

    def __init__(self, spec: ModelSpec) -> None:
        self._options = read_options(spec, CosyVoiceOptions)
        if spec.path is None:
            raise ConfigurationError(
                f"a {spec.backend} model needs a path: its directory, or its name on the Hugging Face hub, "
                "such as FunAudioLLM/CosyVoice2-0.5B"
            )
        _require("device", spec.device, DEVICES, "; choose one of several GPUs with CUDA_VISIBLE_DEVICES")
        _require("compute_type", spec.compute_type, COMPUTE_TYPES, "")
        self._path = spec.path
        self._device = spec.device
        self._switches = Switches(
            fp16=spec.compute_type == "float16",
            load_jit=self._options.jit,
            load_trt=self._options.tensorrt,
            load_vllm=self._options.vllm,
            trt_concurrent=self._options.tensorrt_streams,
        )
        self._version = version_of(Path(spec.path)) or VERSIONS[1]
        self._library: Any = None
        self._own: dict[str, Speaker] = {}
        self._recorded: RecordedSpeakers | None = None

    @property
    def info(self) -> SynthesizerInfo:
        """The voices are known once it is loaded, and so is the version of a model from the hub."""
        version = self._version
        return SynthesizerInfo(
            sample_rate_hertz=version.sample_rate_hertz,
            voices=tuple(Voice(name, version.language_codes) for name in self._own),
            options=frozenset({"speed", "instructions"}),
            max_piece_size=MAX_PIECE_SIZE,
            cloning=True,
            voice_sample_rate_hertz=version.sample_rate_hertz,
            wants_sample_transcript=True,
            sample_language_codes=version.language_codes,
        )

    def load(self) -> None:
        """Seconds to minutes; for a hub name also the download."""
        library, version = load(self._path, self._options.cosyvoice_path, self._device, self._switches)
        self._own = {name: own_speaker(entry) for name, entry in library.frontend.spk2info.items()}
        self._recorded = RecordedSpeakers(version, library.frontend)
        self._library, self._version = library, version

    def close(self) -> None:
        """Drop the model."""
        self._library = self._recorded = None
        self._own = {}

    def unpronounceable(self, text: str) -> str:
        """Returns an empty text: the model reads unknown letters as best it can."""
        return ""

    def synthesize(self, text: str, options: SynthesisOptions) -> Iterator[Speech]:
        """Chunks of a second or more, the first the shortest."""
        frontend = self._library.frontend
        told = as_told(self._speaker(options), self._version, frontend, options)
        for sentence in self._sentences(text):
            words = tokens(frontend, sentence)
            counted = int(words.shape[1])
            with closing(self._say({**told, "text": words}, options.speed or 1.0)) as chunks:
                for audio in chunks:
                    yield Speech(audio, input_tokens=counted)
                    counted = 0

    def _speaker(self, options: SynthesisOptions) -> Speaker:
        if options.sample is None:
            return self._own[options.voice]
        assert self._recorded is not None, "load() comes first"
        return self._recorded.find(options.sample)

    def _sentences(self, text: str) -> list[str]:
        """Returns the pieces that the library would speak one by one, without those that have no sound."""
        if not any(character.isalnum() for character in text):
            return []
        sentences: list[str] = self._library.frontend.text_normalize(
            text, split=True, text_frontend=self._options.text_normalization
        )
        return [sentence for sentence in sentences if sentence.strip()]

    def _say(self, inputs: dict[str, Any], speed: float) -> Generator[Audio, None, None]:
        """One sentence. The library has no speed for streams, so that comes afterwards."""
        request = Request(self._library.model, self._options.max_token_ratio)
        rate = self._version.sample_rate_hertz
        with (
            cuda_errors_break(),
            closing(request.chunks(inputs)) as chunks,
            closing(stretch((Audio(samples, rate) for samples in chunks), speed)) as stretched,
        ):
            for audio in stretched:
                # Where chunks are faded into each other, their sum may be louder than full scale.
                yield Audio(np.clip(audio.samples, -1.0, 1.0), rate)


def _require(name: str, value: str, known: tuple[str, ...], advice: str) -> None:
    if value not in known:
        raise ConfigurationError(f"cosyvoice has no {name} {value!r}; it has: {', '.join(known)}{advice}")
