"""The options of a live transcript: what each may be, and the samples that come after them."""

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass

import numpy as np

from audio_grpc.audio import Mixer, RawFormat, from_alaw, from_mulaw, from_s16le
from audio_grpc.convert import TO_TASK
from audio_grpc.errors import InvalidRequest, MessageTooLarge
from audio_grpc.live import Endpointing
from audio_grpc.samples import Samples
from audio_grpc.services.fields import given, known, seconds, short, within
from audio_grpc.services.listening import MAX_PROMPT_CHARACTERS, read_hotwords, read_languages
from audio_grpc.services.requests import MEBIBYTE
from audio_grpc.types import Audio, Task, TranscriptionOptions
from audio_grpc.v1 import speech_to_text_pb2 as pb

MAX_AUDIO_BYTES = MEBIBYTE
"""The most bytes of one message: voice is detected on the event loop, and not for long at a time."""

Requests = AsyncIterator[pb.StreamingTranscribeRequest]


@dataclass(frozen=True)
class SampleCode:
    """The size of one sample in bits, and the function that decodes bytes of samples."""

    bits: int
    decode: Callable[[bytes], Samples]


def _from_f32le(data: bytes) -> Samples:
    samples: Samples = np.frombuffer(data, "<f4")
    if not np.isfinite(samples).all():
        raise InvalidRequest(
            "the audio has samples that are no finite numbers; send numbers in -1 to 1", field="audio"
        )
    return samples.clip(-1.0, 1.0)


S16LE = SampleCode(16, from_s16le)
SAMPLE_CODES = {
    pb.SAMPLE_FORMAT_S16LE: S16LE,
    pb.SAMPLE_FORMAT_F32LE: SampleCode(32, _from_f32le),
    pb.SAMPLE_FORMAT_MULAW: SampleCode(8, from_mulaw),
    pb.SAMPLE_FORMAT_ALAW: SampleCode(8, from_alaw),
}


@dataclass(frozen=True)
class LiveFormat:
    """The format of the samples of a stream."""

    raw: RawFormat
    code: SampleCode

    def audio(self, data: bytes, mixer: Mixer) -> Audio:
        """The samples in a message, mixed to one channel. Raises InvalidRequest, MessageTooLarge."""
        if len(data) > MAX_AUDIO_BYTES:
            raise MessageTooLarge(
                f"the message has {len(data) / MEBIBYTE:.1f} MiB of audio, more than "
                f"{MAX_AUDIO_BYTES / MEBIBYTE:g} MiB; send it in smaller pieces, such as 100 ms",
                field="audio",
            )
        channels = self.raw.channel_count
        if len(data) % (self.code.bits // 8 * channels):
            raise InvalidRequest(
                f"{len(data)} bytes are not a multiple of {self.code.bits // 8 * channels}, the "
                f"{self.code.bits}-bit samples of {channels} channel(s); send whole samples, or correct "
                "channel_count",
                field="audio",
            )
        mono = mixer.mix(self.code.decode(data).reshape(-1, channels).T)
        return Audio(mono, self.raw.sample_rate_hertz)


@dataclass(frozen=True)
class LiveJob:
    """The contents of StreamingTranscriptionOptions, checked."""

    format: LiveFormat
    options: TranscriptionOptions
    interim_results: bool
    is_manual: bool
    endpointing: Endpointing


def read_live_job(options: pb.StreamingTranscriptionOptions) -> LiveJob:
    """Reads the options. Raises InvalidRequest for errors that show without the model."""
    channels = given(options, "channel_count")
    return LiveJob(
        format=LiveFormat(
            RawFormat(options.sample_rate_hertz, 1 if channels is None else channels),
            known("options.sample_format", options.sample_format, SAMPLE_CODES, S16LE),
        ),
        options=TranscriptionOptions(
            **read_languages("options.", options),
            task=known("options.task", options.task, TO_TASK, Task.TRANSCRIBE),
            prompt=short("options.prompt", given(options, "prompt"), MAX_PROMPT_CHARACTERS),
            hotwords=read_hotwords("options.hotwords", options.hotwords),
            word_timestamps=True,
        ),
        interim_results=options.interim_results,
        is_manual=options.endpointing.manual,
        endpointing=_endpointing(options.endpointing),
    )


def _endpointing(asked: pb.Endpointing) -> Endpointing:
    def length(field: str, low: float, high: float, default: float) -> float:
        value = within(f"options.endpointing.{field}", seconds(asked, field), low, high)
        return default if value is None else value

    threshold = within("options.endpointing.threshold", given(asked, "threshold"), 0.05, 0.95)
    usual = Endpointing()
    voice = Endpointing(
        threshold=usual.threshold if threshold is None else threshold,
        silence_seconds=length("silence", 0.1, 5.0, usual.silence_seconds),
        min_speech_seconds=length("min_speech", 0.0, 1.0, usual.min_speech_seconds),
        padding_seconds=length("padding", 0.0, 1.0, usual.padding_seconds),
        max_utterance_seconds=length("max_utterance", 5.0, 28.0, usual.max_utterance_seconds),
    )
    return Endpointing.manual(voice.max_utterance_seconds) if asked.manual else voice
