"""One request to a model, apart from all others, around the library's code as it is.

The library keeps what belongs to a request in the model: dictionaries that a stream which is closed early
leaves filled, a hop length that grows and never shrinks again, the CUDA stream of a thread. Its language
model runs in a thread that nothing stops, and if that dies, the stream waits for ever. So each request has
a shallow copy of the model: the weights are shared, everything else is its own.
"""

import copy
import threading
from collections.abc import Callable, Generator, Iterator
from contextlib import closing
from functools import partial
from types import FunctionType, MethodType, SimpleNamespace
from typing import Any

import numpy as np

from audio_grpc.samples import Samples

PER_REQUEST = (
    *("tts_speech_token_dict", "llm_end_dict"),
    *("hift_cache_dict", "mel_overlap_dict", "flow_cache_dict"),
)
GROWTH, LARGEST = 2, 4
"""The factor from each chunk to the next, and the largest one between the first chunk and any other."""


class Request:
    """Speaks one stretch of text with its own copy of ``model``.

    ``max_token_ratio`` is how many speech tokens the language model may make for each token of the text.
    """

    def __init__(self, model: Any, max_token_ratio: float) -> None:
        self._stop = threading.Event()
        self._idle = threading.Event()
        self._idle.set()
        self._error: Exception | None = None
        self._made = threading.Event()
        self._model = self._own(model, max_token_ratio)

    def _own(self, model: Any, max_token_ratio: float) -> Any:
        import torch

        own = copy.copy(model)
        for name in PER_REQUEST:
            if hasattr(own, name):
                setattr(own, name, {})
        own.lock = threading.Lock()
        if torch.cuda.is_available():
            own.llm_context = torch.cuda.stream(torch.cuda.Stream(own.device))
        own.llm = _Stoppable(model.llm, self._stop, self._made, max_token_ratio)
        own.tts = MethodType(_with_sleep(type(own).tts, self._sleep), own)
        own.llm_job = partial(self._run_llm, own)
        # Version 1 grows a request's own variable; the others grow the model's, or not at all.
        own.stream_scale_factor = 1 if hasattr(own, "token_hop_len") else GROWTH
        return own

    def _run_llm(self, own: Any, *arguments: Any) -> None:
        """Runs in the library's thread; tells the stream when it is over, whatever happens."""
        self._idle.clear()
        try:
            type(own).llm_job(own, *arguments)
        except Exception as error:
            self._error = error
        finally:
            own.llm_end_dict[arguments[-1]] = True
            self._made.set()
            self._idle.set()

    def _sleep(self, seconds: float) -> None:
        """Ends as soon as there is another token to look at, or none to come."""
        self._made.wait(seconds)
        self._made.clear()

    def chunks(self, inputs: dict[str, Any]) -> Generator[Samples, None, None]:
        """The sound, as it is made. Closing it ends the language model's thread before it returns."""
        try:
            with closing(self._model.tts(**inputs, stream=True)) as outputs:
                yield from self._watched(outputs)
        except Exception:
            # What the stream stumbles over may only be what a dead language model left behind.
            if self._error:
                raise self._error from None
            raise
        finally:
            self._stop.set()
            self._idle.wait()
            del self._model.llm_job, self._model.tts  # which refer to the model, with its tensors

    def _watched(self, outputs: Iterator[dict[str, Any]]) -> Iterator[Samples]:
        largest = LARGEST * getattr(self._model, "token_hop_len", 0)
        for output in outputs:
            if self._error:
                raise self._error
            yield np.asarray(output["tts_speech"].numpy().reshape(-1), np.float32)
            if largest:
                self._model.token_hop_len = min(largest, GROWTH * self._model.token_hop_len)


def _with_sleep(function: Any, sleep: Callable[[float], None]) -> Any:
    """Returns a copy of the function that waits for tokens with ``sleep``; the library looks every 0.1 s."""
    names = {**function.__globals__, "time": SimpleNamespace(sleep=sleep)}
    parts = (function.__name__, function.__defaults__, function.__closure__)
    return FunctionType(function.__code__, names, *parts)


class _Stoppable:
    """Stands in for the language model of one request: can be stopped between two tokens.

    ``made`` is set when a token has been taken.
    """

    def __init__(
        self, llm: Any, stop: threading.Event, made: threading.Event, max_token_ratio: float
    ) -> None:
        self._llm = llm
        self._stop = stop
        self._made = made
        self._max_token_ratio = max_token_ratio

    def __getattr__(self, name: str) -> Any:
        return getattr(self._llm, name)

    def inference(self, *, uuid: str = "", **inputs: Any) -> Iterator[Any]:
        with closing(
            self._llm.inference(**inputs, uuid=uuid, max_token_text_ratio=self._max_token_ratio)
        ) as tokens:
            for token in tokens:
                if self._stop.is_set():
                    self._abort(uuid)
                    return
                yield token
                self._made.set()

    def _abort(self, uuid: str) -> None:
        """VLLM's engine would go on by itself."""
        if hasattr(self._llm, "vllm"):
            with self._llm.lock:
                self._llm.vllm.abort_request([uuid])
                self._llm.vllm_output_queue.pop(uuid, None)
