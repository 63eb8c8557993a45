"""faster-whisper's model with what we change of it. Imported by the adapter, once it loads."""

from collections.abc import Sequence
from copy import copy
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any

from faster_whisper import WhisperModel
from faster_whisper.audio import pad_or_trim
from faster_whisper.tokenizer import Tokenizer
from faster_whisper.transcribe import get_suppressed_tokens

from audio_grpc.backends.whisper_engine import Encoded, Engine, EngineSession
from audio_grpc.backends.whisper_repetition import repeats
from audio_grpc.backends.whisper_speech import Source
from audio_grpc.backends.whisper_times import extend
from audio_grpc.samples import Samples

WINDOW_FRAMES = 3000
"""The frames, of 10 ms, of a window."""
END_OF_TEXT = "<|endoftext|>"
MOST_TOKENS_A_SECOND = 12
"""The most tokens in a second of speech; a text with more repeats itself."""
TOKENS_TO_SPARE = 15
LOG_PROB_THRESHOLD = -1.0
SHORT_ANSWER_SECONDS, SHORT_ANSWER_LOG_PROB_THRESHOLD = 1.0, -0.8
"""The least mean log probability of a shortened window with less sound than that: it may be a single word."""
REST_OF_WORD, AFTER_HYPHEN = 0.7, 0.5
"""The least probability of what follows in a word of a shortened window, and of what follows its hyphen: most
words follow from how they begin, and what is misheard there seldom does."""
HYPHEN = "-"
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

    @property
    def supported_languages(self) -> list[str]:
        """The languages of the weights: not all models of one family have the same ones."""
        return [
            code
            for code in super().supported_languages
            if not self.model.is_multilingual or self.hf_tokenizer.token_to_id(f"<|{code}|>") is not None
        ]

    source: Source
    """The source that a call's copy of the model is given."""

    def for_call(
        self, engine: Engine, source: Source, *, short_context: bool, languages: frozenset[str]
    ) -> "Whisper":
        """Makes a copy of the model for one call, which meets others in ``engine``.

        It detects one of these ``languages``, or any if there are none.
        """
        model = copy(self)
        model.model = EngineSession(engine, short_context=short_context, languages=languages)
        model.source = source
        return model

    def text_of(self, tokens: Sequence[int]) -> str:
        """Returns the text of the tokens, without tokens that are no text, such as times."""
        end = self.hf_tokenizer.token_to_id(END_OF_TEXT)
        text: str = self.hf_tokenizer.decode([token for token in tokens if token < end])
        return text

    def prompt_tokens(self, prompt: str | None) -> list[int]:
        """A prompt as the library has it; none for none."""
        text = f" {prompt.strip()}" if prompt else ""
        tokens: list[int] = self.hf_tokenizer.encode(text, add_special_tokens=False).ids
        return tokens

    def detect_language(self, audio: Any = None, features: Any = None, **options: Any) -> Any:
        """Detects the language without the last frame, which is padding: in the window recognised next."""
        if features is not None and features.shape[-1] > 1:
            features = features[..., :-1]
        return super().detect_language(audio, features, **options)

    def generate_with_fallback(
        self, encoder_output: Encoded, prompt: list[int], tokenizer: Any, options: Any
    ) -> Any:
        """Generates text as the library does; a shortened window whose text looks wrong is encoded in full.

        The shorter encoder context is one that the model was not trained with, and it may then repeat itself.
        """
        generate = super().generate_with_fallback
        if encoder_output.is_shortened:
            longest = min(most_tokens(encoder_output.seconds), self.max_length - len(prompt))
            first = replace(options, temperatures=options.temperatures[:1], max_new_tokens=longest)
            result = generate(encoder_output, prompt, tokenizer, first)
            tokens = result[0].sequences_ids[0]
            if (
                len(tokens) < longest
                and _looks_right(encoder_output, result, tokenizer, options)
                and self._has_words(encoder_output, tokens, tokenizer)
            ):
                return result
            self.model.widen(encoder_output)
        return generate(encoder_output, prompt, tokenizer, options)

    def _has_words(self, encoded: Encoded, tokens: Sequence[int], tokenizer: Any) -> bool:
        """Tells if something was heard, in words that are likely to go on as they do."""
        text = [token for token in tokens if token < tokenizer.eot]
        if not text:
            return False
        words, parts = tokenizer.split_to_word_tokens(text)
        if all(len(tokens) == 1 for tokens in parts):
            return True
        frames = 2 * encoded.rows.shape[1]
        (aligned,) = self.model.align(encoded, tokenizer.sot_sequence, [text], frames)
        each = iter(aligned.text_token_probs)
        probabilities = [list(islice(each, len(tokens))) for tokens in parts]
        return all(goes_on(word, each) for word, each in zip(words, probabilities, strict=True))

    def get_prompt(
        self,
        tokenizer: Any,
        previous_tokens: list[int],
        without_timestamps: bool = False,
        prefix: str | None = None,
        hotwords: str | None = None,
    ) -> list[int]:
        """Returns the library's prompt, with hotwords and previous text sharing half of the model's context.

        The library gives each of them half, and then there is no place left to write anything.
        """
        if hotwords and not prefix:
            room = self.max_length // 2 - 1 - len(tokenizer.encode(" " + hotwords.strip()))
            previous_tokens = previous_tokens[-room:] if room > 0 else []
        prompt: list[int] = super().get_prompt(
            tokenizer, previous_tokens, without_timestamps, prefix, hotwords
        )
        return prompt

    def add_word_timestamps(
        self, segments: list[list[dict[str, Any]]], tokenizer: Any, *arguments: Any, **options: Any
    ) -> Any:
        """Adds words as the library does, and ends the last word before a pause where the speech ends."""
        last = super().add_word_timestamps(segments, tokenizer, *arguments, **options)
        for window in segments:
            extend(window, self.source)
        return last

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
            token, probability = self.model.detect_language(encoded, at_once=True)[0][0]
            language = token[2:-2]
        tokenizer = Tokenizer(self.hf_tokenizer, self.model.is_multilingual, task=task, language=language)
        # With timestamps, though nobody needs them: without, it says things twice.
        start = self.get_prompt(tokenizer, self.prompt_tokens(prompt), hotwords=hotwords)
        longest = most_tokens(encoded.seconds)
        tokens = self._read(encoded, start, tokenizer, longest)
        if encoded.is_shortened and repeats(tokenizer.decode(tokens)):
            self.model.widen(encoded)
            tokens = self._read(encoded, start, tokenizer, longest)
        return Draft(tokenizer.decode(tokens), tuple(tokens), language, probability)

    def _read(self, encoded: Encoded, start: list[int], tokenizer: Any, longest: int) -> list[int]:
        """Returns at most ``longest`` tokens of text; none if nobody seems to speak."""
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


def most_tokens(seconds: float) -> int:
    """Returns as many tokens as so many seconds of sound may have, with some to spare."""
    return TOKENS_TO_SPARE + round(MOST_TOKENS_A_SECOND * seconds)


def goes_on(word: str, probabilities: Sequence[float]) -> bool:
    """Tells if the parts of the word after its first are likely enough; given are those of all."""
    least = [AFTER_HYPHEN if word.startswith(HYPHEN) else REST_OF_WORD, *[REST_OF_WORD] * len(probabilities)]
    return all(found >= enough for found, enough in zip(probabilities[1:], least, strict=False))


def _looks_right(encoded: Encoded, result: Any, tokenizer: Any, options: Any) -> bool:
    """Tells if the text of a shortened window may stay: by what the caller asks, and in any case by this."""
    generated, avg_logprob, _, compression_ratio = result
    least, most = options.log_prob_threshold, options.compression_ratio_threshold
    return bool(
        (avg_logprob >= SHORT_ANSWER_LOG_PROB_THRESHOLD or encoded.seconds >= SHORT_ANSWER_SECONDS)
        and (least is None or avg_logprob >= least)
        and (most is None or compression_ratio <= most)
        and generated.no_speech_prob <= NO_SPEECH_THRESHOLD
        and not repeats(tokenizer.decode(generated.sequences_ids[0]))
    )
