"""faster-whisper's model with what we change of it. Imported by the adapter, once it loads."""

from copy import copy
from dataclasses import dataclass, replace
from typing import Any

from faster_whisper import WhisperModel
from faster_whisper.audio import pad_or_trim
from faster_whisper.tokenizer import Tokenizer
from faster_whisper.transcribe import get_compression_ratio, get_suppressed_tokens

from audio_grpc.backends.whisper_engine import Encoded, Engine, Session
from audio_grpc.types import Samples

WINDOW_FRAMES = 3000
"""Of 10 ms."""
LONGEST_TOKENS_A_SECOND = 12
"""Nobody speaks so fast; a text that has more repeats itself."""
TOKENS_TO_SPARE = 15
COMPRESSION_RATIO_THRESHOLD = 2.4
LOG_PROB_THRESHOLD = -1.0
NO_SPEECH_THRESHOLD = 0.6


@dataclass(frozen=True)
class Draft:
    """A quick guess; ``language`` is Whisper's code."""

    text: str
    tokens: tuple[int, ...]
    language: str
    language_probability: float


class Whisper(WhisperModel):  # type: ignore[misc]
    """The library's model; its loop over the windows of a recording is left as it is."""

    def for_call(self, engine: Engine, *, short_context: bool) -> "Whisper":
        """The same model for one call, which meets others in ``engine``."""
        model = copy(self)
        model.model = Session(engine, short_context=short_context)
        return model

    def detect_language(self, audio: Any = None, features: Any = None, **options: Any) -> Any:
        """The same, without the last frame, which is padding: so it is the window that is then recognised."""
        if features is not None and features.shape[-1] > 1:
            features = features[..., :-1]
        return super().detect_language(audio, features, **options)

    def generate_with_fallback(
        self, encoder_output: Encoded, prompt: list[int], tokenizer: Any, options: Any
    ) -> Any:
        """The same; a shortened window whose text looks wrong is first encoded in full.

        The shorter encoder context is one that the model was not trained with, and it may then repeat itself.
        """
        generate = super().generate_with_fallback
        if encoder_output.is_shortened:
            first = replace(options, temperatures=options.temperatures[:1])
            result = generate(encoder_output, prompt, tokenizer, first)
            if _looks_right(result, encoder_output):
                return result
            self.model.widen(encoder_output)
        return generate(encoder_output, prompt, tokenizer, options)

    def get_prompt(
        self,
        tokenizer: Any,
        previous_tokens: list[int],
        without_timestamps: bool = False,
        prefix: str | None = None,
        hotwords: str | None = None,
    ) -> list[int]:
        """The same, with hotwords and previous text sharing half of the model's context.

        The library gives each of them half, and then there is no place left to write anything.
        """
        if hotwords and not prefix:
            room = self.max_length // 2 - 1 - len(tokenizer.encode(" " + hotwords.strip()))
            previous_tokens = previous_tokens[-room:] if room > 0 else []
        prompt: list[int] = super().get_prompt(
            tokenizer, previous_tokens, without_timestamps, prefix, hotwords
        )
        return prompt

    def draft(
        self, samples: Samples, *, task: str, language: str | None, prompt: str | None, hotwords: str | None
    ) -> Draft:
        """The text of at most 30 seconds, greedily and without times; for a call with a short context.

        If that makes it repeat itself, the window is encoded again in full.
        """
        features = self.feature_extractor(samples)[..., :-1]
        encoded = self.encode(pad_or_trim(features, WINDOW_FRAMES))
        probability = 1.0
        if language is None:
            token, probability = self.model.detect_language(encoded)[0][0]
            language = token[2:-2]
        tokenizer = Tokenizer(self.hf_tokenizer, self.model.is_multilingual, task=task, language=language)
        previous = tokenizer.encode(f" {prompt.strip()}") if prompt else []
        # With timestamps, though nobody needs them: without, it says things twice.
        start = self.get_prompt(tokenizer, previous, hotwords=hotwords)
        longest = TOKENS_TO_SPARE + LONGEST_TOKENS_A_SECOND * features.shape[-1] // 100
        tokens = self._read(encoded, start, tokenizer, longest)
        if (
            encoded.is_shortened
            and get_compression_ratio(tokenizer.decode(tokens)) > COMPRESSION_RATIO_THRESHOLD
        ):
            self.model.widen(encoded)
            tokens = self._read(encoded, start, tokenizer, longest)
        return Draft(tokenizer.decode(tokens), tuple(tokens), language, probability)

    def _read(self, encoded: Encoded, start: list[int], tokenizer: Any, longest: int) -> list[int]:
        """At most so many tokens of text; none if nobody seems to speak."""
        result = self.model.generate(
            encoded,
            [start],
            beam_size=1,
            max_length=min(len(start) + longest, self.max_length),
            suppress_tokens=get_suppressed_tokens(tokenizer, [-1]),
            return_scores=True,
            return_no_speech_prob=True,
        )[0]
        if result.no_speech_prob > NO_SPEECH_THRESHOLD and result.scores[0] < LOG_PROB_THRESHOLD:
            return []
        return [token for token in result.sequences_ids[0] if token < tokenizer.eot]


def _looks_right(result: Any, encoded: Encoded) -> bool:
    """Whatever the caller tolerates, this has to hold for a shortened window."""
    generated, avg_logprob, _, compression_ratio = result
    seconds = 2 * encoded.rows.shape[1] / 100
    return bool(
        compression_ratio <= COMPRESSION_RATIO_THRESHOLD
        and avg_logprob >= LOG_PROB_THRESHOLD
        and generated.no_speech_prob <= NO_SPEECH_THRESHOLD
        and len(generated.sequences_ids[0]) <= TOKENS_TO_SPARE + LONGEST_TOKENS_A_SECOND * seconds
    )
