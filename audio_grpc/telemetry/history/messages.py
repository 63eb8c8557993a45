"""Reads the messages of each method into a recording. Methods that are not in the table are not kept."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from audio_grpc.telemetry.history.recording import CallRecording, SamplesFormat
from audio_grpc.v1.conversation_pb2 import ConverseRequest, ConverseResponse
from audio_grpc.v1.speech_to_text_pb2 import (
    SAMPLE_FORMAT_S16LE,
    StreamingTranscribeRequest,
    StreamingTranscribeResponse,
    TranscribeRequest,
    TranscribeResponse,
    TranscribeUploadRequest,
    TranscribeUploadResponse,
)
from audio_grpc.v1.text_to_speech_pb2 import (
    StreamingSynthesizeRequest,
    StreamingSynthesizeResponse,
    SynthesizeRequest,
    SynthesizeResponse,
)

# Fields that hold what somebody said or wrote, wherever they are in the options, and those that hold audio.
TEXTS = frozenset(
    {"text", "instructions", "transcript", "prompt", "hotwords", "context", "history", "system_prompt"}
)
AUDIO = frozenset({"audio"})


@dataclass(frozen=True)
class Reader:
    """The functions that read the requests and the responses of a method."""

    request: Callable[[CallRecording, Any], None]
    response: Callable[[CallRecording, Any], None]


def _synthesize(recording: CallRecording, request: SynthesizeRequest) -> None:
    recording.ask(request, {*AUDIO, "text"}, TEXTS)  # its text has a place of its own
    recording.write(request.text)


def _speech(recording: CallRecording, response: SynthesizeResponse) -> None:
    match response.WhichOneof("event"):
        case "started":
            recording.describe(response.started.format)
        case "audio":
            recording.speak(response)
        case "finished":
            recording.record.input_tokens = response.finished.usage.input_tokens


def _write(recording: CallRecording, request: StreamingSynthesizeRequest) -> None:
    match request.WhichOneof("part"):
        case "options":
            recording.ask(request.options, AUDIO, TEXTS)
        case "text":
            recording.write(request.text)


def _live_speech(recording: CallRecording, response: StreamingSynthesizeResponse) -> None:
    match response.WhichOneof("event"):
        case "started":
            recording.describe(response.started.format)
        case "audio":
            recording.speak(response.audio, "data")
        case "finished":
            recording.record.input_tokens = response.finished.usage.input_tokens


def _transcribe(recording: CallRecording, request: TranscribeRequest) -> None:
    _ask_transcript(recording, request)
    recording.listen(request)


def _upload(recording: CallRecording, request: TranscribeUploadRequest) -> None:
    match request.WhichOneof("part"):
        case "options":
            _ask_transcript(recording, request.options)
        case "audio":
            recording.listen(request)


def _ask_transcript(recording: CallRecording, options: TranscribeRequest) -> None:
    recording.ask(options, AUDIO, TEXTS)
    if options.HasField("raw_format"):
        raw = options.raw_format
        channels = raw.channel_count if raw.HasField("channel_count") else 1
        recording.describe_samples(SamplesFormat(SAMPLE_FORMAT_S16LE, raw.sample_rate_hertz, channels))


def _transcript(recording: CallRecording, response: TranscribeResponse | TranscribeUploadResponse) -> None:
    match response.WhichOneof("event"):
        case "segment":
            recording.write(response.segment.text)
        case "finished":
            recording.record.output_tokens = response.finished.usage.output_tokens


def _say(recording: CallRecording, request: StreamingTranscribeRequest) -> None:
    match request.WhichOneof("part"):
        case "options":
            options = request.options
            recording.ask(options, AUDIO, TEXTS)
            channels = options.channel_count if options.HasField("channel_count") else 1
            written = options.sample_format or SAMPLE_FORMAT_S16LE
            recording.describe_samples(SamplesFormat(written, options.sample_rate_hertz, channels))
        case "audio":
            recording.listen(request)


def _live_transcript(recording: CallRecording, response: StreamingTranscribeResponse) -> None:
    match response.WhichOneof("event"):
        case "transcript":
            recording.write(response.transcript.text)
        case "finished":
            recording.record.output_tokens = response.finished.usage.output_tokens


def _converse(recording: CallRecording, request: ConverseRequest) -> None:
    match request.WhichOneof("part"):
        case "options":
            recording.ask(request.options, AUDIO, TEXTS)
        case "text":
            recording.write(f"{request.text}\n")


def _conversation(recording: CallRecording, response: ConverseResponse) -> None:
    match response.WhichOneof("event"):
        case "started":
            recording.describe(response.started.speaking.format)
        case "audio":
            recording.speak(response.audio.audio, "data")
        case "transcript":
            recording.write(f"{response.transcript.text.strip()}\n")
        case "reply_done":
            recording.write(f"{response.reply_done.text.strip()}\n")
        case "finished":
            recording.record.input_tokens = response.finished.speaking.input_tokens
            recording.record.output_tokens = response.finished.hearing.output_tokens


METHODS: Mapping[str, Reader] = {
    "Synthesize": Reader(_synthesize, _speech),
    "StreamingSynthesize": Reader(_write, _live_speech),
    "Transcribe": Reader(_transcribe, _transcript),
    "TranscribeUpload": Reader(_upload, _transcript),
    "StreamingTranscribe": Reader(_say, _live_transcript),
    "Converse": Reader(_converse, _conversation),
}
