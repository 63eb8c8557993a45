"""Options of the calls as keyword arguments, and the request messages made of them."""

from collections.abc import Sequence
from typing import Any, Literal, TypedDict
from uuid import uuid4

from google.protobuf.field_mask_pb2 import FieldMask

from audio_grpc.convert import FROM_ENCODING, FROM_STRATEGY, FROM_TASK, from_seconds
from audio_grpc.types import Encoding, Strategy, Task
from audio_grpc.v1.conversation_pb2 import (
    CHAT_ROLE_ASSISTANT,
    CHAT_ROLE_USER,
    ChatMessage,
    ChatOptions,
    ConversationOptions,
    ConverseRequest,
)
from audio_grpc.v1.job_pb2 import CreateSpeechJobRequest, DownloadSpeechJobRequest
from audio_grpc.v1.speech_to_text_pb2 import (
    DecodingParameters,
    Endpointing,
    RawAudioFormat,
    SampleFormat,
    StreamingTranscribeRequest,
    StreamingTranscriptionOptions,
    TimeRange,
    TranscribeRequest,
    VoiceActivityParameters,
)
from audio_grpc.v1.text_to_speech_pb2 import (
    SpeakerSample,
    StreamingSynthesisOptions,
    StreamingSynthesizeRequest,
    SynthesizeRequest,
    TextSplitting,
)
from audio_grpc.v1.voice_pb2 import CustomVoice, UpdateCustomVoiceRequest


class JobOptions(TypedDict, total=False):
    """Options of speech; protos/audio_grpc/v1/text_to_speech.proto has the ranges."""

    model: str
    voice: str
    language_code: str
    encoding: Encoding
    sample_rate_hertz: int | None
    speed: float | None
    strategy: Strategy
    target_size: int | None
    instructions: str | None
    temperature: float | None
    seed: int | None
    exaggeration: float | None
    cfg_weight: float | None


class SpeechOptions(JobOptions, total=False):
    """Options of speech in one call."""

    read_ahead: int | None
    sample: SpeakerSample | None
    timeout: float | None
    """Seconds that the whole call may take."""


class LiveSpeechOptions(SpeechOptions, total=False):
    """Options of speech for a text that is still being written; it is cut by sentence."""

    max_wait: float | None
    """Seconds without more text after which an incomplete piece is spoken."""


class DownloadOptions(TypedDict, total=False):
    """Options of a job's audio; protos/audio_grpc/v1/job.proto says more."""

    encoding: Encoding | None
    sample_rate_hertz: int | None
    follow: bool
    """True to wait for the text that is not yet spoken."""
    timeout: float | None
    """Seconds that the whole call may take."""


class UploadOptions(TypedDict, total=False):
    """Options of a transcription; protos/audio_grpc/v1/speech_to_text.proto has the ranges."""

    raw_format: RawAudioFormat | None
    model: str
    language_code: str
    language_codes: list[str]
    task: Task
    prompt: str | None
    hotwords: list[str]
    temperature: float | None
    beam_size: int | None
    word_timestamps: bool
    voice_activity_detection: bool | None
    voice_activity_parameters: VoiceActivityParameters | None
    decoding_parameters: DecodingParameters | None
    clip_timestamps: list[TimeRange]
    multilingual: bool
    batched: bool


class TranscriptOptions(UploadOptions, total=False):
    """Options of a transcription in one call."""

    timeout: float | None
    """Seconds that the whole call may take."""


class ListenOptions(TypedDict, total=False):
    """Options of a live transcription; protos/audio_grpc/v1/speech_to_text.proto has the ranges."""

    sample_format: SampleFormat.ValueType
    channel_count: int | None
    model: str
    language_code: str
    language_codes: list[str]
    task: Task
    prompt: str | None
    hotwords: list[str]
    interim_results: bool
    endpointing: Endpointing | None
    timeout: float | None
    """Seconds that the whole call may take."""


class ThinkOptions(TypedDict, total=False):
    """Options of the language model; protos/audio_grpc/v1/conversation.proto has the ranges."""

    model: str
    system_prompt: str | None
    max_tokens: int | None
    temperature: float | None


class ConverseOptions(TypedDict, total=False):
    """Options of a conversation; the template supplies those that are left out."""

    template: str
    sample_rate_hertz: int | None
    """The rate of the caller's speech; None: the caller writes, or sends recordings."""
    hearing: ListenOptions
    thinking: ThinkOptions
    speaking: LiveSpeechOptions
    context: str
    history: list[tuple[Literal["user", "assistant"], str]]
    reports_playback: bool
    timeout: float | None
    """Seconds that the whole call may take."""


def synthesize_request(text: str, options: JobOptions) -> SynthesizeRequest:
    """The message for a text and options."""
    fields: dict[str, Any] = dict(options)
    splitting = TextSplitting(
        strategy=FROM_STRATEGY[fields.pop("strategy", Strategy.SENTENCE)],
        target_size=fields.pop("target_size", None),
    )
    if "encoding" in fields:
        fields["encoding"] = FROM_ENCODING[fields["encoding"]]
    return SynthesizeRequest(text=text, splitting=splitting, **fields)


def create_job_request(text: str, request_id: str, options: JobOptions) -> CreateSpeechJobRequest:
    """The message for a long text and options; it makes one job, however often it is sent."""
    speech = synthesize_request(text, options)
    return CreateSpeechJobRequest(speech=speech, request_id=request_id or str(uuid4()))


def download_job_request(job_id: str, options: DownloadOptions) -> DownloadSpeechJobRequest:
    """The message that asks for the audio of a job."""
    fields: dict[str, Any] = dict(options)
    encoding = fields.pop("encoding", None)
    if encoding is not None:
        fields["encoding"] = FROM_ENCODING[encoding]
    return DownloadSpeechJobRequest(id=job_id, **fields)


def update_voice_request(
    voice: str, name: str | None, aliases: Sequence[str] | None
) -> UpdateCustomVoiceRequest:
    """The message that updates a custom voice; None leaves a field as it is."""
    fields = {"name": name, "aliases": aliases}
    mask = FieldMask(paths=[field for field, value in fields.items() if value is not None])
    return UpdateCustomVoiceRequest(
        voice=CustomVoice(id=voice, name=name or "", aliases=aliases), update_mask=mask
    )


def live_speech_request(options: LiveSpeechOptions) -> StreamingSynthesizeRequest:
    """The message that opens a stream of live speech."""
    fields: Any = dict(options)
    wait = fields.pop("max_wait", None)
    return StreamingSynthesizeRequest(
        options=StreamingSynthesisOptions(
            speech=synthesize_request("", fields),
            max_wait=None if wait is None else from_seconds(wait),
        )
    )


def converse_request(options: ConverseOptions) -> ConverseRequest:
    """The message that opens a conversation."""
    rate = options.get("sample_rate_hertz")
    hearing = None if rate is None else listen_request(rate, options.get("hearing", {})).options
    asked = ConversationOptions(
        template=options.get("template", ""),
        hearing=hearing,
        thinking=ChatOptions(**options.get("thinking", {})),
        speaking=live_speech_request(options.get("speaking", {})).options,
        context=options.get("context", ""),
        history=[ChatMessage(role=_ROLES[role], text=text) for role, text in options.get("history", [])],
        reports_playback=options.get("reports_playback", False),
    )
    return ConverseRequest(options=asked)


def transcribe_request(audio: bytes, options: UploadOptions) -> TranscribeRequest:
    """The message for a recording and options."""
    fields: dict[str, Any] = dict(options)
    if "task" in fields:
        fields["task"] = FROM_TASK[fields["task"]]
    return TranscribeRequest(audio=audio, **fields)


def listen_request(sample_rate_hertz: int, options: ListenOptions) -> StreamingTranscribeRequest:
    """The message that opens a live transcript."""
    fields: dict[str, Any] = dict(options)
    if "task" in fields:
        fields["task"] = FROM_TASK[fields["task"]]
    asked = StreamingTranscriptionOptions(sample_rate_hertz=sample_rate_hertz, **fields)
    return StreamingTranscribeRequest(options=asked)


_ROLES = {"user": CHAT_ROLE_USER, "assistant": CHAT_ROLE_ASSISTANT}
