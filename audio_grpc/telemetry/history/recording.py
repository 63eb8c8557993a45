"""The recording of one call: its record, and what is to be kept of the texts and the sound of both sides."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from audio_grpc.audio import MAX_RAW_CHANNELS, MAX_RAW_RATE_HERTZ, wave_header
from audio_grpc.telemetry.history.sound import HEADED, WAV, WAVE_CODES, media_type_of
from audio_grpc.v1.audio_pb2 import AUDIO_ENCODING_WAV, AudioFormat
from audio_grpc.v1.history_pb2 import PastRequest

TOO_LARGE, STORAGE_FAILED = "TOO_LARGE", "STORAGE_FAILED"
ENVELOPE_BYTES = 1 << 16
"""The most bytes of a message beside its audio."""
LARGEST_OPTIONS_BYTES = 1 << 20
LONGEST_TEXT = 1_000_000
"""Characters of a text that are kept; live streams can last for days."""

BYTES_OF_CHARACTER = 4
# The field of a record that has the options of a method, by the type of their message.
FIELDS: Mapping[Any, str] = {
    field.message_type: field.name for field in PastRequest.DESCRIPTOR.oneofs_by_name["options"].fields
}

AudioKept = Literal["none", "speech", "all"]


@dataclass(frozen=True)
class SamplesFormat:
    """The format of bare samples; ``format`` is a SampleFormat."""

    format: int
    sample_rate_hertz: int
    channel_count: int

    @property
    def are_possible(self) -> bool:
        """Tells if a WAV header can state it; callers may send any values."""
        rate_fits = 0 < self.sample_rate_hertz <= MAX_RAW_RATE_HERTZ
        return self.format in WAVE_CODES and rate_fits and 0 < self.channel_count <= MAX_RAW_CHANNELS


class CallRecording:
    """Collects what is known of one call. Everything happens on the event loop, and nothing takes long.

    ``record`` is what is kept of the call, and what callers are told: it is filled in as the call goes on.
    """

    def __init__(self, audio_kept: AudioKept, max_audio_bytes: int, *, keeps_texts: bool) -> None:
        self._audio_kept = audio_kept
        self._room = max_audio_bytes
        self._keeps_texts = keeps_texts
        self._audio: list[bytes] = []
        self._texts: list[str] = []
        self._text_room = LONGEST_TEXT
        self._samples: SamplesFormat | None = None
        self._format = AudioFormat()
        self.record = PastRequest()

    def ask(self, message: Any, never: Collection[str], texts: Collection[str]) -> None:
        """Keeps what was asked, without the fields ``never``, and without ``texts`` if those are not kept.

        What is too long to be options that are accepted is kept without its texts, or not at all.
        """
        kept = {*never, *(() if self._keeps_texts else texts)}
        self.record.ClearField("options")
        for without in (kept, {*kept, *texts}):
            options = _without(message, without)
            if options.ByteSize() <= LARGEST_OPTIONS_BYTES:
                asked = getattr(self.record, FIELDS[message.DESCRIPTOR])
                asked.SetInParent()  # also if there is nothing in them
                asked.CopyFrom(options)
                return

    def speak(self, message: Any, name: str = "audio") -> None:
        """The field of the message is sound that was made."""
        if self._audio_kept != "none":
            self._add(message, name)

    def listen(self, message: Any, name: str = "audio") -> None:
        """The field of the message is sound that the caller sent."""
        if self._audio_kept == "all":
            self._add(message, name)

    def write(self, text: str) -> None:
        """Adds text that was to be spoken, or was heard."""
        if self._keeps_texts and text:
            self._texts.append(text[: self._text_room])
            self._text_room -= len(self._texts[-1])

    def describe(self, audio_format: AudioFormat) -> None:
        """Sets the format of the sound that is made."""
        self._format.CopyFrom(audio_format)
        if coded := HEADED.get(audio_format.encoding):
            rate, channels = audio_format.sample_rate_hertz, audio_format.channel_count
            self.describe_samples(SamplesFormat(coded, rate, channels))

    def describe_samples(self, samples: SamplesFormat) -> None:
        """The sound that comes has no header of its own."""
        self._samples = samples if samples.are_possible else None

    @property
    def audio_bytes(self) -> int:
        """The bytes of memory that its sound takes."""
        return sum(map(len, self._audio))

    @property
    def size_bytes(self) -> int:
        """The bytes of memory that it takes in all, at most."""
        texts = BYTES_OF_CHARACTER * sum(map(len, self._texts))
        return self.audio_bytes + texts + self.record.ByteSize()

    @property
    def text(self) -> str:
        """The whole text, if texts are kept."""
        return "".join(self._texts)

    @property
    def is_whole_text(self) -> bool:
        """True if texts are kept, and this one was not too long."""
        return self._keeps_texts and self._text_room > 0

    def sound(self) -> tuple[bytes, AudioFormat]:
        """The bytes of a file, none if there is no sound, and what they are."""
        data = b"".join(self._audio)
        if not data:
            return b"", AudioFormat()
        if self._samples is not None:
            return self._with_header(data, self._samples)
        if not self._format.media_type:
            self._format.media_type = media_type_of(data)
        return data, self._format

    def _with_header(self, data: bytes, samples: SamplesFormat) -> tuple[bytes, AudioFormat]:
        rate, channels = samples.sample_rate_hertz, samples.channel_count
        described = AudioFormat(
            encoding=AUDIO_ENCODING_WAV, sample_rate_hertz=rate, channel_count=channels, media_type=WAV
        )
        return wave_header(*WAVE_CODES[samples.format], channels, rate, len(data)) + data, described

    def _add(self, message: Any, name: str) -> None:
        if self.record.audio_problem:
            return
        # Asked first, as taking the audio out of the message copies it.
        if message.ByteSize() <= self._room + ENVELOPE_BYTES:
            data = getattr(message, name)
            self._room -= len(data)
            self._audio.append(data)
        else:
            self._room = -1
        if self._room < 0:
            self._audio.clear()
            self.record.audio_problem = TOO_LARGE


def _without(message: Any, names: Collection[str]) -> Any:
    """A copy of the message, and of those in it, without the fields of these names."""
    copy = type(message)()
    for field in message.DESCRIPTOR.fields:
        if field.name in names:
            continue
        value = getattr(message, field.name)
        if field.is_repeated:
            getattr(copy, field.name).extend(value)
        elif field.message_type is not None:
            if message.HasField(field.name):
                getattr(copy, field.name).CopyFrom(_without(value, names))
        elif not field.has_presence or message.HasField(field.name):
            setattr(copy, field.name, value)
    return copy
