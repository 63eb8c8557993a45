"""Hearing the windows of a long recording several at once, each by itself.

faster-whisper's pipeline for that, which is less work than one window after the other, with what it lacks:
windows that look wrong are heard again, and the first window does not wait for others.
"""

from collections import deque
from collections.abc import Generator, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import replace
from typing import Any

from faster_whisper import BatchedInferencePipeline
from faster_whisper.transcribe import Segment, Word, get_compression_ratio

from audio_grpc.backends.whisper_engine import FRAMES_A_SECOND, Encoded, Engine
from audio_grpc.backends.whisper_model import Whisper
from audio_grpc.giving_way import give_way

PATIENCE_SECONDS = 0.1
"""The longest that another call waits before this one, which waits for its own windows, gives way."""
Found = dict[str, Any]


class Windows(BatchedInferencePipeline):  # type: ignore[misc]
    """The windows of one recording, for one call: so many batches at once as ``engine`` has workers.

    ``temperatures`` are tried for a window that looks wrong. Each window becomes a segment, with its words.
    """

    def __init__(self, model: Whisper, engine: Engine, temperatures: Sequence[float]) -> None:
        super().__init__(model)
        self._engine = engine
        self._temperatures = temperatures

    def _batched_segments_generator(
        self,
        features: Any,
        tokenizer: Any,
        chunks_metadata: list[dict[str, Any]],
        batch_size: int,
        options: Any,
        log_progress: bool,
    ) -> Generator[Segment, None, None]:
        """See the library; batches begin with one window, and grow."""
        del log_progress
        coming: deque[Future[list[Segment]]] = deque()
        pool = ThreadPoolExecutor(self._engine.workers)
        try:
            for start, end in _growing(len(features), batch_size):
                heard = (features[start:end], tokenizer, chunks_metadata[start:end], options)
                coming.append(pool.submit(self._hear, *heard))
                if len(coming) > self._engine.workers:
                    yield from _patiently(coming.popleft())
            while coming:
                yield from _patiently(coming.popleft())
        finally:
            pool.shutdown(cancel_futures=True)

    def _hear(
        self, features: Any, tokenizer: Any, places: list[dict[str, Any]], options: Any
    ) -> list[Segment]:
        with self._engine.taking_part():
            if len(features) == 1 and not options.multilingual:
                encoded = self.model.encode(features)
                found = [self._alone(encoded, tokenizer, options)]
            else:
                encoded, found = self.generate_segment_batched(features, tokenizer, options)
                found = [
                    self._alone(_only(encoded, number), tokenizer, options)
                    if _looks_wrong(one, tokenizer, options) and not options.multilingual
                    else one | {"temperature": options.temperatures[0]}
                    for number, one in enumerate(found)
                ]
            windows = [
                [_window([] if _is_silence(one, options) else one["tokens"], one, place, tokenizer)]
                for one, place in zip(found, places, strict=True)
            ]
            self.model.add_word_timestamps(
                windows,
                tokenizer,
                encoded,
                [round(place["duration"] * FRAMES_A_SECOND) for place in places],
                options.prepend_punctuations,
                options.append_punctuations,
                places[0]["offset"],
            )
        return [
            Segment(id=0, **segment | {"words": [Word(**word) for word in segment["words"]]})
            for window in windows
            for segment in window
            if segment["text"].strip()
        ]

    def _alone(self, window: Encoded, tokenizer: Any, options: Any) -> Found:
        """Hears one window by itself, in full and at other temperatures if need be."""
        prompt = self.model.get_prompt(
            tokenizer,
            previous_tokens=tokenizer.encode(options.initial_prompt) if options.initial_prompt else [],
            without_timestamps=options.without_timestamps,
            hotwords=options.hotwords,
        )
        result, avg_logprob, temperature, _ = self.model.generate_with_fallback(
            window, prompt, tokenizer, replace(options, temperatures=list(self._temperatures))
        )
        return {
            "tokens": result.sequences_ids[0],
            "avg_logprob": avg_logprob,
            "no_speech_prob": result.no_speech_prob,
            "temperature": temperature,
        }


def _only(encoded: Encoded, number: int) -> Encoded:
    one = slice(number, number + 1)
    return Encoded(encoded.rows[one], encoded.features[one], encoded.is_shortened)


def _growing(count: int, most: int) -> Iterator[tuple[int, int]]:
    """Yields from where to where each batch goes: one, two, four, and up to so many windows."""
    start, size = 0, 1
    while start < count:
        yield start, min(start + size, count)
        start, size = start + size, min(2 * size, most)


def _patiently(coming: Future[list[Segment]]) -> list[Segment]:
    while not coming.done():
        give_way()
        wait((coming,), timeout=PATIENCE_SECONDS)
    return coming.result()


def _looks_wrong(one: Found, tokenizer: Any, options: Any) -> bool:
    """Tells if the library would try another temperature, were the window the only one."""
    most, least = options.compression_ratio_threshold, options.log_prob_threshold
    repeats = most is not None and get_compression_ratio(tokenizer.decode(one["tokens"])) > most
    is_unsure = least is not None and one["avg_logprob"] < least
    return (repeats or is_unsure) and not _is_silence(one, options)


def _is_silence(one: Found, options: Any) -> bool:
    """Tells if nobody seems to speak in it, by the library's rule for windows that come one by one."""
    least, most = options.log_prob_threshold, options.no_speech_threshold
    is_sure = least is not None and one["avg_logprob"] > least
    return most is not None and one["no_speech_prob"] > most and not is_sure


def _window(tokens: list[int], one: Found, place: dict[str, Any], tokenizer: Any) -> Found:
    text = tokenizer.decode(tokens)
    return {
        "text": text,
        "tokens": tokens,
        "start": place["offset"],
        "end": place["offset"] + place["duration"],
        "seek": int(place["offset"] * FRAMES_A_SECOND),
        "avg_logprob": one["avg_logprob"],
        "no_speech_prob": one["no_speech_prob"],
        "compression_ratio": get_compression_ratio(text),
        "temperature": one["temperature"],
    }
