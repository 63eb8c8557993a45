"""faster-whisper: OpenAI's Whisper models on CTranslate2, on a CPU or a CUDA GPU.

https://github.com/SYSTRAN/faster-whisper (MIT). ``path`` is a local folder, the name of a model on the
Hugging Face hub ("large-v3", "owner/model"), or "embedded" (the default): the base model from its
packages.
"""

from collections.abc import Generator, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from pydantic import ConfigDict

from audio_grpc.backends.base import ModelSpec, TranscriberInfo, Transcript, cpus, read_options
from audio_grpc.backends.cuda import cuda_errors_break
from audio_grpc.backends.embedded_whisper import PREPARED, whisper_base
from audio_grpc.backends.progress import report_progress
from audio_grpc.backends.whisper_arguments import arguments, batched_arguments
from audio_grpc.errors import OptionUnsupported
from audio_grpc.types import (
    Audio,
    Language,
    Samples,
    Segment,
    Task,
    TranscriptionOptions,
    Word,
)

if TYPE_CHECKING:
    from audio_grpc.backends.whisper_model import Whisper

EMBEDDED = "embedded"
BATCH_SIZE = 8
OPTIONS = frozenset(
    {
        "language_code",
        "task",
        "prompt",
        "hotwords",
        "temperature",
        "beam_size",
        "word_timestamps",
        "voice_activity_detection",
        "voice_activity_parameters",
        "decoding_parameters",
        "clip_timestamps",
        "multilingual",
        "batched",
    }
)
# Whisper's own codes are BCP-47, save one that was withdrawn in 2001.
TO_BCP47 = {"jw": "jv"}
FROM_BCP47 = {code: own for own, code in TO_BCP47.items()}


@dataclass(frozen=True)
class WhisperOptions:
    """What can be configured beside the fields that every model has."""

    __pydantic_config__ = ConfigDict(extra="forbid")

    cpu_threads: int | None = None
    """CPU threads for each of the model's threads; None: the machine's, shared among them."""
    cache_path: Path | None = None
    """Where the embedded model is put together; None: the user's cache folder."""


class FasterWhisper:
    """One Whisper model, with as many CTranslate2 workers as the model has threads."""

    def __init__(self, spec: ModelSpec) -> None:
        self._spec = spec
        self._options = read_options(spec, WhisperOptions)
        self._model: Whisper | None = None

    @property
    def info(self) -> TranscriberInfo:
        """The languages are known once it is loaded."""
        languages = self._model.supported_languages if self._model else []
        return TranscriberInfo(tuple(TO_BCP47.get(code, code) for code in languages), OPTIONS)

    def load(self) -> None:
        """Seconds, and the size of the weights; for a hub name also the download."""
        try:
            from audio_grpc.backends.whisper_model import Whisper
        except ImportError as error:
            raise RuntimeError(f"{error}; install it with: pip install 'audio-grpc[embedded]'") from error
        path = self._spec.path or EMBEDDED
        device, _, index = self._spec.device.partition(":")
        if path == EMBEDDED:
            path = str(whisper_base(self._options.cache_path))
        report_progress(PREPARED, "loading")
        self._model = Whisper(
            path,
            device=device,
            device_index=int(index or 0),
            compute_type=self._compute_type(device),
            cpu_threads=self._options.cpu_threads or cpus() // self._spec.threads or 1,
            num_workers=self._spec.threads,
        )
        report_progress(0.9, "warming up")
        self._warm_up()

    def close(self) -> None:
        """Drop the model."""
        self._model = None

    def transcribe(self, audio: Audio, options: TranscriptionOptions) -> Transcript:
        """Segments come window by window (30 seconds), each as soon as it is decoded."""
        assert self._model is not None, "load() comes first"
        language_code = self._language(options)
        self._check_tokens(options)
        with cuda_errors_break():
            if options.batched:
                segments, info = self._batched(audio.samples, options, language_code)
            else:
                segments, info = self._model.transcribe(
                    audio.samples, language=language_code, **arguments(options)
                )
        detected = options.language_code is None
        language = Language(
            TO_BCP47.get(info.language, info.language), info.language_probability if detected else None
        )
        return Transcript(language, _segments(segments))

    def _warm_up(self) -> None:
        """What is made by the first use (buffers, the voice detector) costs no caller time."""
        silence = Audio(np.zeros(16000, np.float32), 16000)
        for detect_voice in (True, False):
            options = TranscriptionOptions(voice_activity_detection=detect_voice, word_timestamps=True)
            for _ in self.transcribe(silence, options).segments:
                pass

    def _batched(
        self, samples: Samples, options: TranscriptionOptions, language_code: str | None
    ) -> tuple[Iterable[Any], Any]:
        """Several windows of one recording at once, which the voice detector finds."""
        from faster_whisper import BatchedInferencePipeline

        pipeline = BatchedInferencePipeline(self._model)  # it keeps state of one recording
        result: tuple[Iterable[Any], Any] = pipeline.transcribe(
            samples, language=language_code, batch_size=BATCH_SIZE, **batched_arguments(options)
        )
        return result

    def _check_tokens(self, options: TranscriptionOptions) -> None:
        """CTranslate2 would take an unknown token for an address, and crash."""
        asked = options.decoding_parameters
        assert self._model is not None, "load() comes first"
        known = self._model.hf_tokenizer.get_vocab_size()
        if asked is not None and (unknown := [one for one in asked.suppress_tokens or () if one >= known]):
            raise OptionUnsupported(
                f"the model has no token {unknown[0]}; its tokens are 0 to {known - 1}",
                field="decoding_parameters.suppress_tokens",
            )

    def _language(self, options: TranscriptionOptions) -> str | None:
        """Whisper's code for the request's; it knows no regions ("en-US" is "en")."""
        if options.task is Task.TRANSLATE and self.info.language_codes == ("en",):
            raise OptionUnsupported("this model knows English only, so it cannot translate", field="task")
        if options.language_code is None:
            return None
        primary = options.language_code.partition("-")[0].lower()
        if primary not in self.info.language_codes:
            raise OptionUnsupported(
                f"the model does not know the language {options.language_code!r}; it knows: "
                f"{', '.join(sorted(self.info.language_codes))}. Leave it empty to have it detected",
                field="language_code",
            )
        return FROM_BCP47.get(primary, primary)

    def _compute_type(self, device: str) -> str:
        if self._spec.compute_type != "auto":
            return self._spec.compute_type
        import ctranslate2

        on_gpu = device == "cuda" or (device == "auto" and ctranslate2.get_cuda_device_count() > 0)
        return "float16" if on_gpu else "int8"


def _segments(segments: Iterable[Any]) -> Generator[Segment, None, None]:
    with cuda_errors_break():
        for segment in segments:
            yield _segment(segment)


def _segment(segment: Any) -> Segment:
    return Segment(
        start=float(segment.start),
        end=float(segment.end),
        text=segment.text,
        words=tuple(
            Word(word.word, float(word.start), float(word.end), float(word.probability))
            for word in segment.words or ()
        ),
        tokens=tuple(segment.tokens),
        avg_logprob=segment.avg_logprob,
        compression_ratio=segment.compression_ratio,
        no_speech_prob=segment.no_speech_prob,
        temperature=segment.temperature,
        seek=segment.seek,
    )
