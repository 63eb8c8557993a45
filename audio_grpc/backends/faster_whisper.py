"""faster-whisper: OpenAI's Whisper models on CTranslate2, on a CPU or a CUDA GPU.

https://github.com/SYSTRAN/faster-whisper (MIT). ``path`` is a local folder, the name of a model on the
Hugging Face hub ("large-v3", "owner/model"), or "embedded" (the default): the base model from its
packages.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
from annotated_types import Ge
from pydantic import ConfigDict

from audio_grpc.backends import whisper_results
from audio_grpc.backends.base import (
    AtLeastOne,
    ModelSpec,
    Traits,
    TranscriberInfo,
    Transcript,
    read_options,
)
from audio_grpc.backends.cuda import cuda_errors_break
from audio_grpc.backends.embedded_whisper import PREPARED, whisper_base
from audio_grpc.backends.progress import report_progress
from audio_grpc.backends.whisper_arguments import arguments, batched_arguments, temperatures
from audio_grpc.backends.whisper_results import FROM_BCP47, TO_BCP47
from audio_grpc.backends.whisper_speech import source
from audio_grpc.errors import ConfigurationError, OptionUnsupported, quoted, shortened
from audio_grpc.extras import needs
from audio_grpc.languages import known_language
from audio_grpc.machine import cpus
from audio_grpc.types import (
    Audio,
    Task,
    TranscriptionOptions,
)

if TYPE_CHECKING:
    from audio_grpc.backends.whisper_engine import Engine
    from audio_grpc.backends.whisper_model import Whisper

EMBEDDED = "embedded"
BATCH_SIZE = 8
WINDOWS_AT_ONCE = 1
"""Windows of one long recording, for each worker, on a CPU, which has no batches: more are hardly less work,
and take 100 MB each for a moment.
"""
WORK_BYTES = 340 << 20
"""Measured: 300 seconds, and what two workers compute with at once, take 332 MB for a moment."""
LONGEST_CAUSE = 300
"""Characters of what a library says."""
WORKER_BYTES = 96 << 20
"""Measured: what a further worker and a call on it take, rounded up."""
SPEED = 3.5
"""Measured: seconds of sound in a second, for each of two cores."""
START_OF_TRANSCRIPT = "<|startoftranscript|>"
OPTIONS = frozenset(
    {
        "language_code",
        "language_codes",
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
        "draft",
        "short_context",
        "previous_tokens",
    }
)


@dataclass(frozen=True)
class WhisperOptions:
    """Options beside the fields that every model has."""

    __pydantic_config__ = ConfigDict(extra="forbid")

    cpu_threads: int | None = None
    """CPU threads for each worker; None: chosen (``choosing.py``), as are the next ones."""
    batch_size: AtLeastOne | None = None
    """Windows that go through the model at once, of whatever calls wait at the same moment. Each call that
    takes part needs a place (``concurrency``) and a thread; there are at least as many threads as make two
    batches for each worker."""
    batch_wait_seconds: Annotated[float, Ge(0)] = 0.005
    """The seconds that a window waits for others to join it, if there are calls that could send one."""
    workers: AtLeastOne | None = None
    """Batches that are computed at the same time."""
    short_context: bool | None = None
    """True to encode short windows without the silence that fills them up to 30 seconds, which is several
    times less work. The text of some differs then; what looks wrong is redone in full. None: on a CPU
    (``benchmarks/errors.py``), unless windows are to meet, which have to be of one length."""
    cache_path: Path | None = None
    """The folder in which the embedded model is put together; None: the user's cache folder."""


def _unfit_for_gpu() -> str:
    try:
        import ctranslate2
    except ImportError:
        return ""  # loading says what is missing
    return "" if ctranslate2.get_cuda_device_count() else "CTranslate2 cannot use it"


class FasterWhisper:
    """One Whisper model.

    On a CPU each thread has a CTranslate2 worker of its own. On a GPU the windows of all threads meet, and
    those that wait at the same moment are computed as one batch.
    """

    traits = Traits(
        unfit_for_gpu=_unfit_for_gpu,
        cpu_type=("int8", "the fastest on CPUs"),
        gpu_type=("float16", "what GPUs compute fastest with"),
        small_gpu_type="int8_float16",
        options=frozenset({"workers", "cpu_threads", "batch_size"}),
        worker_cores=1,
        why_worker_cores="one for each: faster than one worker with more threads, for less work",
        # Measured on two cores: full windows of one call alone are heard 1.25 times faster so, and those of
        # several calls as fast; short ones are heard 0.75 and 0.9 times as fast.
        wants_two_threads=lambda spec: read_options(spec, WhisperOptions).short_context is False,
        speed=SPEED,
        worker_bytes=WORKER_BYTES,
        call_bytes=WORK_BYTES,
    )

    def __init__(self, spec: ModelSpec) -> None:
        self._spec = spec
        self._options = read_options(spec, WhisperOptions)
        self._model: Whisper | None = None
        self._engine: Engine | None = None
        # They are known once the device is.
        self._batch_size = self._threads = 1
        self._short_context = False

    @property
    def info(self) -> TranscriberInfo:
        """The capabilities; the languages are known once the model is loaded."""
        languages = self._model.supported_languages if self._model else []
        codes = tuple(TO_BCP47.get(code, code) for code in languages)
        return TranscriberInfo(codes, OPTIONS, threads=self._threads, work_bytes=WORK_BYTES)

    def load(self) -> None:
        """Seconds, and the size of the weights; for a hub name also the download."""
        with needs("embedded"):
            from audio_grpc.backends.whisper_engine import Engine
            from audio_grpc.backends.whisper_model import Whisper
        path = self._spec.path or EMBEDDED
        device, _, index = self._spec.device.partition(":")
        if path == EMBEDDED:
            path = str(whisper_base(self._options.cache_path))
        report_progress(PREPARED, "loading")
        on_gpu = _is_gpu(device)
        self._batch_size = self._options.batch_size or (BATCH_SIZE if on_gpu else 1)
        asked = self._options.short_context
        self._short_context = not on_gpu and self._batch_size == 1 if asked is None else asked
        sizes = self._spec.sizes
        workers = self._options.workers or (sizes.threads if self._batch_size == 1 else 1)
        # While one batch is computed, the next one gathers.
        gathering = min(2 * self._batch_size * workers, sizes.concurrency)
        self._threads = workers if self._batch_size == 1 else gathering
        try:
            self._model = Whisper(
                path,
                device=device,
                device_index=int(index or 0),
                compute_type=self._compute_type(on_gpu),
                cpu_threads=self._options.cpu_threads or cpus() // workers or 1,
                num_workers=workers,
            )
        # All that the library, the hub's client and CTranslate2 say of a path or a device that cannot be.
        except (OSError, RuntimeError, ValueError) as error:
            raise ConfigurationError(_unusable(path, self._spec.device, error)) from error
        self._engine = Engine(
            self._model.model,
            batch_size=self._batch_size,
            wait_seconds=self._options.batch_wait_seconds,
            workers=workers,
            start_token=self._model.hf_tokenizer.token_to_id(START_OF_TRANSCRIPT),
        )
        report_progress(0.9, "warming up")
        self._warm_up()

    def close(self) -> None:
        """Drop the model."""
        self._model = self._engine = None

    def transcribe(self, audio: Audio, options: TranscriptionOptions) -> Transcript:
        """Segments come window by window (30 seconds), each as soon as it is decoded."""
        assert self._model is not None, "load() comes first"
        assert self._engine is not None, "load() comes first"
        language_code, others = self._languages(options)
        self._check_tokens(options)
        # A hypothesis has no times, and is of what a voice detector has found.
        unfiltered = replace(options, voice_activity_detection=False) if options.draft else options
        heard = source(audio.samples, unfiltered)
        asked = self._short_context if options.short_context is None else options.short_context
        # The library chooses the language of each of several windows, and none of them can be heard again.
        short_context = (asked or options.draft) and not (options.batched and options.multilingual)
        model = self._model.for_call(self._engine, heard, short_context=short_context, languages=others)
        with cuda_errors_break(), self._engine.taking_part():
            if options.draft:
                return whisper_results.draft(model, audio, options, language_code)
            found, info = self._found(model, options, language_code)
        language = whisper_results.language(info, detected=options.language_code is None)
        segments = whisper_results.segments(
            iter(found),
            model,
            self._engine,
            with_words=options.word_timestamps,
            sentences_of=language.code if options.batched else None,
        )
        return Transcript(language, segments)

    def _warm_up(self) -> None:
        """Transcribes silence, so that buffers and the voice detector are made before the first call."""
        silence = Audio(np.zeros(16000, np.float32), 16000)
        for detect_voice in (True, False):
            # Left to itself it would go on about silence for seconds.
            options = TranscriptionOptions(
                language_code="en",
                temperature=0.0,
                beam_size=1,
                word_timestamps=True,
                voice_activity_detection=detect_voice,
            )
            for _ in self.transcribe(silence, options).segments:
                pass

    def _found(
        self, model: "Whisper", options: TranscriptionOptions, language_code: str | None
    ) -> tuple[Iterable[Any], Any]:
        """The segments of what the model is given, on its own clock."""
        assert self._engine is not None, "load() comes first"
        heard = model.source
        result: tuple[Iterable[Any], Any]
        if not options.batched:
            asked = arguments(options) | {"word_timestamps": options.word_timestamps or heard.has_pauses}
            if options.previous_tokens:
                asked["initial_prompt"] = [*model.prompt_tokens(options.prompt), *options.previous_tokens]
            result = model.transcribe(heard.samples, language=language_code, **asked)
            return result
        from audio_grpc.backends.whisper_windows import Windows

        result = Windows(model, self._engine, temperatures(options)).transcribe(
            heard.samples,
            language=language_code,
            batch_size=self._batch_size if self._batch_size > 1 else WINDOWS_AT_ONCE,
            **batched_arguments(options) | {"clip_timestamps": heard.windows()},
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

    def _languages(self, options: TranscriptionOptions) -> tuple[str | None, frozenset[str]]:
        """Whisper's code for the language, None to detect it, and those that it may be; none: all."""
        if options.task is Task.TRANSLATE and self.info.language_codes == ("en",):
            raise OptionUnsupported("this model knows English only, so it cannot translate", field="task")
        several = frozenset(self._language(code, "language_codes") for code in options.language_codes)
        if options.language_code is not None:
            return self._language(options.language_code, "language_code"), several
        return (next(iter(several)) if len(several) == 1 else None), several

    def _language(self, asked: str, field: str) -> str:
        """Whisper's code; it knows no regions ("en-US" is "en"), and not all languages."""
        found = known_language(asked, self.info.language_codes)
        if found is None:
            raise OptionUnsupported(
                f"the model does not know the language {quoted(asked)}; it knows: "
                f"{', '.join(sorted(self.info.language_codes))}. Leave it empty to have it detected",
                field=field,
            )
        return FROM_BCP47.get(found, found)

    def _compute_type(self, on_gpu: bool) -> str:
        if self._spec.compute_type != "auto":
            return self._spec.compute_type
        return "float16" if on_gpu else "int8"


def _unusable(path: str, device: str, error: Exception) -> str:
    """Tells what to change of a model that cannot be loaded, in one line."""
    said = shortened(" ".join(str(error).split()), LONGEST_CAUSE)
    return (
        f"the weights {path!r} cannot be loaded on the device {device!r} ({said}); path is a folder with a "
        "CTranslate2 model, a name on the Hugging Face hub if this machine reaches it, or 'embedded', and "
        "device is cpu, cuda:0 or auto"
    )


def _is_gpu(device: str) -> bool:
    import ctranslate2

    return device == "cuda" or (device == "auto" and ctranslate2.get_cuda_device_count() > 0)
