"""Stands where faster-whisper has CTranslate2's model, so that calls meet there.

Each call runs the library's own loop on its own thread. What it asks of the model (to encode a window, to
generate text for it, to align words, to detect the language) is joined with what others ask at the same
moment.
"""

from collections.abc import Hashable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

import ctranslate2
import numpy as np
import numpy.typing as npt

from audio_grpc.backends.batching import Batcher
from audio_grpc.giving_way import give_way

Rows = npt.NDArray[Any]
MARGIN_FRAMES = 300
"""Silence that a shortened window keeps after its sound; with less, the model falls into repetition."""
FRAMES_A_SECOND = 100
CERTAIN_LANGUAGE = 0.8
"""The least probability of a language that is detected in a shortened window."""
WORTHWHILE = 5 / 6
"""The part of the full window beyond which shortening it is not worth the trouble."""


@dataclass(eq=False)
class Encoded:
    """The encoder's output for one or more windows; the library passes it on without looking inside."""

    rows: Rows
    """The output, of shape [windows, frames / 2, size], on the host: batches are put together there."""
    features: Rows
    """The encoder's input, of shape [windows, mels, frames]."""
    is_shortened: bool

    @property
    def seconds(self) -> float:
        """The length of the sound in one window, without the silence that fills it up."""
        return _sounding(self.features) / FRAMES_A_SECOND


@dataclass(frozen=True)
class BatchPart:
    """A part of a batch: windows, and what goes with each of them."""

    rows: Rows
    extras: Sequence[Any]


class Engine:
    """One CTranslate2 model and the batcher in front of it."""

    def __init__(
        self, whisper: Any, *, batch_size: int, wait_seconds: float, workers: int, start_token: int
    ) -> None:
        self.whisper = whisper
        self.workers = workers
        """Batches that are computed at the same time."""
        self._start_token = start_token
        self._batcher: Batcher[BatchPart, list[Any]] = Batcher(
            self._run, size=batch_size, wait_seconds=wait_seconds, workers=workers
        )

    def taking_part(self) -> AbstractContextManager[None]:
        """To be held while a call may ask something of the model."""
        return self._batcher.taking_part()

    def encode(self, features: Rows) -> Rows:
        """Returns the encoder's output, of shape [windows, frames / 2, size]."""
        return np.stack(self._submit("encode", (), features, [None] * len(features)))

    def generate(self, rows: Rows, prompts: Sequence[Sequence[int]], options: dict[str, Any]) -> list[Any]:
        """CTranslate2 wants the start token of all prompts of a batch at the same place."""
        places = tuple((len(prompt), list(prompt).index(self._start_token)) for prompt in prompts[:1])
        return self._submit("generate", (places, _frozen(options)), rows, prompts)

    def align(
        self, rows: Rows, start: Sequence[int], texts: Sequence[Any], frames: Sequence[int], width: int
    ) -> list[Any]:
        """The times of the tokens of ``texts``."""
        pairs = list(zip(texts, frames, strict=True))
        return self._submit("align", (tuple(start), width), rows, pairs)

    def detect_language(self, rows: Rows) -> list[Any]:
        """Languages and their probabilities, for each window."""
        return self._submit("detect_language", (), rows, [None] * len(rows))

    def _submit(self, operation: str, options: Hashable, rows: Rows, extras: Sequence[Any]) -> list[Any]:
        give_way()  # windows of silence have no result, however many there are
        key = (operation, rows.shape[1:], options)
        return self._batcher.submit(key, BatchPart(rows, extras), size=len(rows))

    def _run(self, key: Any, jobs: list[BatchPart]) -> list[list[Any]]:
        operation, _, options = key
        rows = np.ascontiguousarray(np.concatenate([job.rows for job in jobs]))
        extras = [extra for job in jobs for extra in job.extras]
        results = iter(self._call(operation, options, rows, extras))
        return [[next(results) for _ in job.extras] for job in jobs]

    def _call(self, operation: str, options: Any, rows: Rows, extras: list[Any]) -> list[Any]:
        storage = ctranslate2.StorageView.from_array(rows)
        match operation:
            case "encode":
                result: list[Any] = list(_on_host(self.whisper.encode(storage, to_cpu=True)))
            case "generate":
                result = self.whisper.generate(storage, extras, **_thawed(options[1]))
            case "align":
                start, width = options
                texts, frames = zip(*extras, strict=True)
                result = self.whisper.align(
                    storage, list(start), list(texts), list(frames), median_filter_width=width
                )
            case _:
                result = self.whisper.detect_language(storage)
        return result


class EngineSession:
    """The model as one call of ours sees it, in the place of ``ctranslate2.models.Whisper``."""

    def __init__(self, engine: Engine, *, short_context: bool, languages: frozenset[str]) -> None:
        self._engine = engine
        self._language_tokens = {f"<|{code}|>" for code in languages}
        self._short_context = short_context
        self._last: Encoded | None = None

    def __getattr__(self, name: str) -> Any:
        """Returns the model's own attribute, for all others that the library uses."""
        return getattr(self._engine.whisper, name)

    def encode(self, features: Any, to_cpu: bool = False) -> Encoded:
        """The window that the language was detected in comes again, as the first: it is encoded once."""
        whole = np.asarray(features)
        last = self._last  # which the call's other thread may replace meanwhile
        if last is not None and np.array_equal(last.features, whole):
            return last
        used = _shortened(whole) if self._short_context else whole
        self._last = encoded = Encoded(self._engine.encode(used), whole, is_shortened=used is not whole)
        return encoded

    def widen(self, encoded: Encoded) -> None:
        """Encode a shortened window again, in full."""
        encoded.rows = self._engine.encode(encoded.features)
        encoded.is_shortened = False

    def generate(self, encoded: Encoded, prompts: list[list[int]], **options: Any) -> list[Any]:
        """https://opennmt.net/CTranslate2/python/ctranslate2.models.Whisper.html."""
        return self._engine.generate(encoded.rows, prompts, options)

    def align(
        self,
        encoded: Encoded,
        start_sequence: list[int],
        text_tokens: list[list[int]],
        num_frames: int | list[int],
        *,
        median_filter_width: int = 7,
    ) -> list[Any]:
        """https://opennmt.net/CTranslate2/python/ctranslate2.models.Whisper.html."""
        frames = [num_frames] * len(text_tokens) if isinstance(num_frames, int) else num_frames
        return self._engine.align(encoded.rows, start_sequence, text_tokens, frames, median_filter_width)

    def detect_language(self, encoded: Encoded, *, at_once: bool = False) -> list[Any]:
        """Returns those of the languages that may be spoken; of the full window if less of it leaves doubts.

        ``at_once``: even then of what is encoded already.
        """
        found = [self._possible(window) for window in self._engine.detect_language(encoded.rows)]
        if encoded.is_shortened and not at_once and found[0][0][1] < CERTAIN_LANGUAGE:
            self.widen(encoded)
            return self.detect_language(encoded)
        return found

    def _possible(self, found: list[tuple[str, float]]) -> list[tuple[str, float]]:
        """Their probabilities, which add up to one, if not all may be; the most probable comes first."""
        possible = [one for one in found if one[0] in self._language_tokens]
        total = sum(probability for _, probability in possible)
        return [(token, probability / total) for token, probability in possible] if total else found


def _shortened(features: Rows) -> Rows:
    """One window without most of the zeros that fill it up; the same if that is not worth it."""
    wanted = _sounding(features) + MARGIN_FRAMES
    if len(features) > 1 or wanted > WORTHWHILE * features.shape[-1]:
        return features
    return features[..., :wanted]


def _sounding(features: Rows) -> int:
    """Returns how many frames come before the zeros that fill the windows up."""
    sounding = np.flatnonzero(features.any(axis=(0, 1)))
    return int(sounding[-1]) + 1 if len(sounding) else 0


def _on_host(encoded: Any) -> Rows:
    if encoded.dtype == ctranslate2.DataType.bfloat16:  # which numpy does not know
        encoded = encoded.to(ctranslate2.DataType.float32)
    return np.asarray(encoded)


def _frozen(options: dict[str, Any]) -> Hashable:
    return tuple(
        (name, tuple(value) if isinstance(value, list | tuple) else value)
        for name, value in sorted(options.items())
    )


def _thawed(options: Any) -> dict[str, Any]:
    return {name: list(value) if isinstance(value, tuple) else value for name, value in options}
