"""The options of a TranscribeRequest: what each may be, and what does not go together."""

from collections.abc import Sequence
from typing import Any

from audio_grpc.convert import TO_TASK
from audio_grpc.errors import InvalidRequest
from audio_grpc.languages import asked_language
from audio_grpc.services.fields import few, given, known, seconds, short, within
from audio_grpc.types import (
    DecodingParameters,
    Task,
    TimeRange,
    TranscriptionOptions,
    VoiceActivityParameters,
)
from audio_grpc.v1.speech_to_text_pb2 import TranscribeRequest

MAX_PROMPT_CHARACTERS = 4096
MAX_HOTWORDS, MAX_HOTWORD_CHARACTERS = 128, 64
MAX_LANGUAGES, MAX_LANGUAGE_CHARACTERS = 32, 64
MAX_CLIPS = 1000
MAX_TEMPERATURES = 8
MAX_SUPPRESSED_TOKENS = 256
LARGEST_TOKEN = 2**31 - 1
HOUR_SECONDS = 3600.0

# Fields of DecodingParameters that are one number, and where each goes from and to.
DECODING_RANGES = {
    "best_of": (1, 16),
    "patience": (1.0, 4.0),
    "length_penalty": (0.0, 2.0),
    "repetition_penalty": (1.0, 2.0),
    "no_repeat_ngram_size": (0, 32),
    "compression_ratio_threshold": (1.0, 100.0),
    "log_prob_threshold": (-100.0, 0.0),
    "no_speech_threshold": (0.0, 1.0),
    "prompt_reset_on_temperature": (0.0, 1.0),
}


def read_options(request: TranscribeRequest) -> TranscriptionOptions:
    """Reads the options. Raises InvalidRequest for errors that show without the model."""
    return TranscriptionOptions(
        **read_languages("", request),
        task=known("task", request.task, TO_TASK, Task.TRANSCRIBE),
        prompt=short("prompt", given(request, "prompt"), MAX_PROMPT_CHARACTERS),
        hotwords=read_hotwords("hotwords", request.hotwords),
        temperature=within("temperature", given(request, "temperature"), 0.0, 1.0),
        beam_size=within("beam_size", given(request, "beam_size"), 1, 16),
        word_timestamps=request.word_timestamps,
        voice_activity_detection=given(request, "voice_activity_detection"),
        voice_activity_parameters=_voice_activity(request),
        decoding_parameters=_decoding(request),
        clip_timestamps=_clips(request),
        multilingual=request.multilingual,
        batched=_batched(request),
    )


def read_languages(prefix: str, message: Any) -> dict[str, Any]:
    """The languages of a message as options; one of several is that one. InvalidRequest for both fields."""
    one, field = asked_language(message.language_code), f"{prefix}language_codes"
    for code in few(field, message.language_codes, MAX_LANGUAGES):
        short(field, code, MAX_LANGUAGE_CHARACTERS)
    several = tuple(dict.fromkeys(filter(None, map(asked_language, message.language_codes))))
    if one and several:
        raise InvalidRequest(
            f"{prefix}language_code and {field} were both set; name the one, or all that may be spoken",
            field=field,
        )
    if len(several) == 1:
        return {"language_code": several[0]}
    return {"language_code": one, "language_codes": several}


def read_hotwords(field: str, hotwords: Sequence[str]) -> tuple[str, ...]:
    """Few and short, else InvalidRequest."""
    for word in few(field, hotwords, MAX_HOTWORDS):
        short(field, word, MAX_HOTWORD_CHARACTERS)
    return tuple(hotwords)


def _voice_activity(request: TranscribeRequest) -> VoiceActivityParameters | None:
    if not request.HasField("voice_activity_parameters"):
        return None
    asked, name = request.voice_activity_parameters, "voice_activity_parameters"

    def length(field: str, low: float = 0.0, high: float = 10.0) -> float | None:
        return within(f"{name}.{field}", seconds(asked, field), low, high)

    return VoiceActivityParameters(
        threshold=within(f"{name}.threshold", given(asked, "threshold"), 0.0, 1.0),
        min_silence_seconds=length("min_silence"),
        padding_seconds=length("padding"),
        min_speech_seconds=length("min_speech"),
        max_speech_seconds=length("max_speech", 1.0, HOUR_SECONDS),
        neg_threshold=within(f"{name}.neg_threshold", given(asked, "neg_threshold"), 0.0, 1.0),
    )


def _decoding(request: TranscribeRequest) -> DecodingParameters | None:
    if not request.HasField("decoding_parameters"):
        return None
    asked, name = request.decoding_parameters, "decoding_parameters"
    if asked.temperatures and request.HasField("temperature"):
        raise InvalidRequest(
            "temperature and decoding_parameters.temperatures were both set; the second has the first in it",
            field=f"{name}.temperatures",
        )
    silence = seconds(asked, "hallucination_silence_threshold")
    if silence is not None and not request.word_timestamps:
        raise InvalidRequest(
            "silences are found by the times of words; set word_timestamps too",
            field=f"{name}.hallucination_silence_threshold",
        )
    temperatures = few(f"{name}.temperatures", tuple(asked.temperatures), MAX_TEMPERATURES)
    suppressed = few(f"{name}.suppress_tokens", tuple(asked.suppress_tokens), MAX_SUPPRESSED_TOKENS)
    return DecodingParameters(
        temperatures=tuple(within(f"{name}.temperatures", one, 0.0, 1.0) for one in temperatures) or None,
        suppress_tokens=tuple(
            within(f"{name}.suppress_tokens", token, -1, LARGEST_TOKEN) for token in suppressed
        )
        or None,
        hallucination_silence_threshold=within(f"{name}.hallucination_silence_threshold", silence, 0.0, 60.0),
        condition_on_previous_text=given(asked, "condition_on_previous_text"),
        **{
            field: within(f"{name}.{field}", given(asked, field), *limits)
            for field, limits in DECODING_RANGES.items()
        },
    )


def _clips(request: TranscribeRequest) -> tuple[TimeRange, ...]:
    clips = []
    previous_end: float | None = 0.0
    for asked in few("clip_timestamps", request.clip_timestamps, MAX_CLIPS):
        start, end = seconds(asked, "start") or 0.0, seconds(asked, "end")
        if previous_end is None or start < previous_end or (end is not None and end <= start):
            raise InvalidRequest(
                "clip_timestamps are not in the order of their times and apart from each other; each has an "
                "end after its start, and only the last may leave it out",
                field="clip_timestamps",
            )
        clips.append(TimeRange(start, end))
        previous_end = end
    return tuple(clips)


def _batched(request: TranscribeRequest) -> bool | None:
    if request.batched and request.clip_timestamps:
        raise InvalidRequest(
            "clip_timestamps cannot be batched; leave one of the two out", field="clip_timestamps"
        )
    if request.batched and given(request, "voice_activity_detection") is False:
        raise InvalidRequest(
            "batched needs voice_activity_detection, which finds the windows; leave one of the two out",
            field="voice_activity_detection",
        )
    return request.batched or None
