"""Options of a transcription, as the keyword arguments of faster-whisper's ``transcribe``."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from audio_grpc.types import DecodingParameters, TranscriptionOptions, VoiceActivityParameters

BATCHED_IGNORES = frozenset(
    {
        "hallucination_silence_threshold",
        "condition_on_previous_text",
        "prompt_reset_on_temperature",
        "word_timestamps",
    }
)
"""Arguments that the batched pipeline ignores, or follows in any case."""
TEMPERATURES = (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)
"""Whisper's own."""


def arguments(options: TranscriptionOptions) -> dict[str, Any]:
    """All but the language, for ``WhisperModel.transcribe``; what was not asked is left out."""
    asked = given(
        task=options.task.value,
        initial_prompt=options.prompt,
        hotwords=", ".join(options.hotwords) or None,
        temperature=options.temperature,
        beam_size=options.beam_size,
        word_timestamps=options.word_timestamps,
        multilingual=options.multilingual,
        clip_timestamps=_clips(options) or None,
    )
    return asked | _decoding(options.decoding_parameters)


def batched_arguments(options: TranscriptionOptions) -> dict[str, Any]:
    """Returns the keyword arguments of ``BatchedInferencePipeline.transcribe``."""
    return {name: value for name, value in arguments(options).items() if name not in BATCHED_IGNORES}


def temperatures(options: TranscriptionOptions) -> Sequence[float]:
    """Returns the temperatures that are tried in turn while a result looks wrong."""
    asked = arguments(options).get("temperature", TEMPERATURES)
    return asked if isinstance(asked, list | tuple) else [asked]


def given(**values: Any) -> dict[str, Any]:
    """Returns the values that are not None."""
    return {name: value for name, value in values.items() if value is not None}


def _clips(options: TranscriptionOptions) -> list[float]:
    """Starts and ends in turn; the library lets the last end be missing."""
    times = [time for clip in options.clip_timestamps for time in (clip.start, clip.end)]
    return [time for time in times if time is not None]


def _decoding(asked: DecodingParameters | None) -> dict[str, Any]:
    if asked is None:
        return {}
    fields = given(**asdict(asked))
    # The library wants lists, and has another name for the temperatures.
    if temperatures := fields.pop("temperatures", None):
        fields["temperature"] = list(temperatures)
    if tokens := fields.pop("suppress_tokens", None):
        fields["suppress_tokens"] = list(tokens)
    return fields


def voice_activity(asked: VoiceActivityParameters | None) -> dict[str, Any]:
    """The keyword arguments of faster-whisper's ``VadOptions``."""
    if asked is None:
        return {}
    return given(
        threshold=asked.threshold,
        neg_threshold=asked.neg_threshold,
        min_silence_duration_ms=_milliseconds(asked.min_silence_seconds),
        min_speech_duration_ms=_milliseconds(asked.min_speech_seconds),
        max_speech_duration_s=asked.max_speech_seconds,
        speech_pad_ms=_milliseconds(asked.padding_seconds),
    )


def _milliseconds(seconds: float | None) -> int | None:
    return None if seconds is None else round(seconds * 1000)
