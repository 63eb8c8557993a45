"""Reading requests: what each field may be, and what the caller is told if it is something else."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, fields, replace
from typing import Any

from audio_grpc.audio import RawFormat
from audio_grpc.convert import TO_ENCODING, TO_STRATEGY
from audio_grpc.errors import (
    AudioEmpty,
    InvalidRequest,
    MessageTooLarge,
    OptionUnsupported,
    TextEmpty,
    TextTooLong,
    UploadRefused,
    quoted,
)
from audio_grpc.languages import asked_language
from audio_grpc.services.fields import given, known, seconds, short, within
from audio_grpc.services.listening import read_options
from audio_grpc.services.live_requests import following, upload_idle
from audio_grpc.text import DEFAULT_TARGET_SIZES, require_target_size
from audio_grpc.types import Encoding, Strategy, SynthesisOptions, TranscriptionOptions
from audio_grpc.v1.speech_to_text_pb2 import TranscribeRequest, TranscribeUploadRequest
from audio_grpc.v1.text_to_speech_pb2 import StreamingSynthesisOptions, SynthesizeRequest

MEBIBYTE = 1 << 20
DEFAULT_WAIT_SECONDS, LONGEST_WAIT_SECONDS = 0.5, 10.0
LARGEST_READ_AHEAD = 64
MAX_INSTRUCTIONS_CHARACTERS = 4096
VOICE_FIELDS = ("voice", "sample")
"""The fields that choose the speaker: a model that cannot follow them refuses the request."""
SILENT: dict[type, dict[str, Any]] = {
    kind: {field.name: field.default for field in fields(kind) if field.name not in VOICE_FIELDS}
    for kind in (SynthesisOptions, TranscriptionOptions)
}
"""The values of all other options that say nothing."""


@dataclass(frozen=True)
class Limits:
    """Limits of one request."""

    text_characters: int
    idle_seconds: float
    audio_bytes: int
    audio_seconds: float
    voice_sample_bytes: int
    voices: int


@dataclass(frozen=True)
class SpeechJob:
    """The contents of a SynthesizeRequest; ``options.voice`` is as the caller spelled it."""

    text: str
    encoding: Encoding
    sample_rate_hertz: int | None
    strategy: Strategy
    target_size: int | None
    options: SynthesisOptions
    read_ahead: int | None = None


@dataclass(frozen=True)
class LiveSpeechJob:
    """The contents of StreamingSynthesisOptions; the ``text`` of ``speech`` is empty."""

    speech: SpeechJob
    target_size: int
    max_wait_seconds: float
    skips_unspeakable: bool = False
    """True if what the model cannot pronounce is left out; else it ends the stream."""


@dataclass(frozen=True)
class TranscriptionJob:
    """The contents of a TranscribeRequest."""

    audio: bytes
    raw_format: RawFormat | None
    max_seconds: float
    options: TranscriptionOptions


def read_synthesis(request: SynthesizeRequest, limits: Limits) -> SpeechJob:
    """Reads the request. Raises InvalidRequest, or a kind of it, for errors that show without the model."""
    require_text(request.text)
    require_length(len(request.text), limits)
    return speech_job(request)


def spoken_by(job: SpeechJob, voice: str) -> SpeechJob:
    """Returns the job with that voice."""
    return job if job.options.voice == voice else replace(job, options=replace(job.options, voice=voice))


def read_live_speech(options: StreamingSynthesisOptions) -> LiveSpeechJob:
    """Returns the contents of the options. Raises InvalidRequest; OptionUnsupported for other strategies."""
    job = speech_job(options.speech)
    if job.text:
        raise InvalidRequest(
            "the options have no text; send it in messages of its own", field="options.speech.text"
        )
    if job.strategy is not Strategy.SENTENCE:
        raise OptionUnsupported(
            "a text that is being written is cut by sentence; leave the strategy out",
            field="options.speech.splitting.strategy",
        )
    wait = within("options.max_wait", seconds(options, "max_wait"), 0.0, LONGEST_WAIT_SECONDS)
    target = DEFAULT_TARGET_SIZES[job.strategy] if job.target_size is None else job.target_size
    require_target_size(target)
    return LiveSpeechJob(job, target, DEFAULT_WAIT_SECONDS if wait is None else wait)


def speech_job(request: SynthesizeRequest) -> SpeechJob:
    """Returns the contents of the request, without checks of its text. Raises InvalidRequest."""
    return SpeechJob(
        text=request.text,
        encoding=known("encoding", request.encoding, TO_ENCODING, Encoding.WAV),
        sample_rate_hertz=given(request, "sample_rate_hertz"),
        strategy=known("splitting.strategy", request.splitting.strategy, TO_STRATEGY, Strategy.SENTENCE),
        target_size=given(request.splitting, "target_size"),
        options=SynthesisOptions(
            voice=request.voice,
            language_code=asked_language(request.language_code),
            speed=within("speed", given(request, "speed"), 0.25, 4.0),
            instructions=short("instructions", given(request, "instructions"), MAX_INSTRUCTIONS_CHARACTERS),
            temperature=within("temperature", given(request, "temperature"), 0.0, 5.0),
            seed=within("seed", given(request, "seed"), 0, 2**63 - 1),
            exaggeration=within("exaggeration", given(request, "exaggeration"), 0.25, 2.0),
            cfg_weight=within("cfg_weight", given(request, "cfg_weight"), 0.0, 1.0),
        ),
        read_ahead=within("read_ahead", given(request, "read_ahead"), 1, LARGEST_READ_AHEAD),
    )


def require_length(characters: int, limits: Limits) -> None:
    """Raises TextTooLong for more characters than one request may have."""
    if characters > limits.text_characters:
        raise TextTooLong(
            f"the text has {characters} characters, more than {limits.text_characters}; "
            "send it in several requests, or raise max_text_characters",
            field="text",
        )


def require_text(text: str) -> None:
    """Raises TextEmpty if there is nothing but white space."""
    if not text.strip():
        raise TextEmpty("the text is empty; send at least one character that can be spoken", field="text")


async def collect_upload(
    requests: AsyncIterator[TranscribeUploadRequest], limits: Limits
) -> tuple[TranscribeRequest, bytes]:
    """The options of an upload, and its audio. Raises MessageTooLarge at once; StreamIdle."""
    pieces: list[bytes] = []
    size = 0
    options: TranscribeRequest | None = None
    while (request := await following(requests, limits.idle_seconds, upload_idle)) is not None:
        if request.HasField("options"):
            if options is not None or request.options.audio:
                raise InvalidRequest(
                    "the options of an upload come once, and without audio; send the audio in messages of "
                    "its own",
                    field="options",
                )
            options = request.options
        elif request.HasField("refusal"):
            raise UploadRefused(
                f"whoever passed the upload on refused it: {quoted(request.refusal.message)}",
                field=request.refusal.field or None,
            )
        else:
            pieces.append(request.audio)
            size += len(pieces[-1])
            require_size(size, limits)
    return options or TranscribeRequest(), b"".join(pieces)


def require_size(size: int, limits: Limits) -> None:
    """Raises MessageTooLarge for more bytes of audio than one request may have."""
    if size > limits.audio_bytes:
        raise MessageTooLarge(
            f"the audio has {size / MEBIBYTE:.1f} MiB, more than "
            f"{limits.audio_bytes / MEBIBYTE:g} MiB; send it compressed (Opus, FLAC, MP3), in several "
            "requests, or raise max_audio_bytes",
            field="audio",
        )


def read_transcription(request: TranscribeRequest, audio: bytes, limits: Limits) -> TranscriptionJob:
    """Reads the request. Raises InvalidRequest, or a kind of it, for errors that show without the model."""
    if not audio:
        raise AudioEmpty("there is no audio in the request; send a whole sound file", field="audio")
    require_size(len(audio), limits)
    return TranscriptionJob(
        audio=audio,
        raw_format=_raw_format(request),
        max_seconds=limits.audio_seconds,
        options=read_options(request),
    )


def ignored_fields(options: SynthesisOptions | TranscriptionOptions, honoured: frozenset[str]) -> list[str]:
    """Fields that the caller set and that the model has no use for."""
    silent = SILENT[type(options)]
    return [
        name for name, default in silent.items() if getattr(options, name) != default and name not in honoured
    ]


def _raw_format(request: TranscribeRequest) -> RawFormat | None:
    if not request.HasField("raw_format"):
        return None
    channels: int | None = given(request.raw_format, "channel_count")
    return RawFormat(request.raw_format.sample_rate_hertz, 1 if channels is None else channels)
