"""The types that the service is written in: what models take and give, free of any wire format."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from audio_grpc.samples import Samples


@dataclass(frozen=True, slots=True)
class Audio:
    """A stretch of mono sound: float32 samples of shape [n] in -1..1, and their rate in hertz."""

    samples: "Samples"
    sample_rate_hertz: int

    @property
    def seconds(self) -> float:
        """The length of the sound in seconds."""
        return len(self.samples) / self.sample_rate_hertz


@dataclass(frozen=True, slots=True)
class Speech:
    """One chunk of a synthesiser's output.

    ``input_tokens`` is how many tokens of the model's own input alphabet this chunk consumed; their
    sum over a request is the request's usage.
    """

    audio: Audio
    input_tokens: int = 0


@dataclass(frozen=True, slots=True)
class SpokenAudio:
    """A chunk of live speech: bytes of its file, and which part of the text they speak.

    Characters are Unicode code points, counted over all of the stream's text; ``text_end`` is after the last.
    """

    data: bytes
    text_start: int
    text_end: int
    offset_seconds: float
    """The start of the chunk, in seconds from the start of the stream's audio."""
    seconds: float
    """The length of the chunk in seconds."""


@dataclass(frozen=True, slots=True)
class SpeechCancelled:
    """The progress of live speech when it was cancelled; counted as in :class:`SpokenAudio`."""

    spoken_end: int
    """The sound of the text up to here was sent, unless an earlier cancel had dropped it."""
    begun_end: int
    """Up to here goes the piece that was broken off; the same as ``spoken_end`` if none was."""
    dropped_end: int
    """The place where the text goes on: all before it was spoken, or is dropped."""
    offset_seconds: float
    """The seconds of audio sent, from the start of the stream."""


@dataclass(frozen=True, slots=True)
class Voice:
    """A voice that a model can speak with; ``language_codes`` are BCP-47."""

    name: str
    language_codes: tuple[str, ...]
    description: str = ""


@dataclass(frozen=True)
class RequestId:
    """The identity of a request that may be repeated."""

    id: str
    """A UUID, in lower case."""
    fingerprint: str
    """SHA-256 of what it asks for, in hex."""


@dataclass(frozen=True, slots=True)
class CustomVoice:
    """A voice that was made from a sample, without the sample itself.

    The id is never used again, and nothing of a voice changes: whoever computes something from its
    sample may keep that under the id.
    """

    id: str
    name: str
    create_time: datetime
    sample_seconds: float
    language_code: str = ""
    """BCP-47 code of what the sample says; empty if it was not told."""
    transcript: str = ""
    """The words of the sample; empty if they were not given."""
    consent: str = ""
    """The place where the speaker's agreement is recorded, as the caller gave it."""
    owner: str = ""
    """The public id of the key that it belongs to; empty: it is shared with everybody."""
    sample_bytes: int = 0
    sample_media_type: str = ""
    """The IANA type of the sample; empty if it is not known."""
    request_id: RequestId | None = None
    """The identity of the request that made it."""


@dataclass(frozen=True, slots=True)
class VoiceSample:
    """The recording of a speaker whose voice a model is to borrow, and what it says, as far as told."""

    voice_id: str
    audio: Audio
    transcript: str = ""
    language_code: str = ""


class JobState(Enum):
    """The states of a job."""

    QUEUED = "queued"
    RUNNING = "running"
    PAUSED = "paused"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def has_ended(self) -> bool:
        """True if the state no longer changes by itself."""
        return self in (JobState.COMPLETED, JobState.FAILED, JobState.CANCELLED)


@dataclass(frozen=True, slots=True)
class Job:
    """A long text that is spoken in the background. Moments are seconds since 1970, UTC; None: not yet."""

    id: str
    key_id: str
    """The public id of the API key that made it; empty if none was asked for."""
    state: JobState
    request: bytes
    """A SynthesizeRequest without its text, with the own names of model and voice."""
    text_start: str
    characters: int
    pieces_total: int
    sample_rate_hertz: int
    """The rate of the sound that is kept: the model's own."""
    created: float
    started: float | None = None
    ended: float | None = None
    pieces_done: int = 0
    characters_done: int = 0
    input_tokens: int = 0
    samples: int = 0
    spoken_seconds: float = 0.0
    """The seconds that it took to speak the part that is done."""
    error_reason: str = ""
    error_message: str = ""

    @property
    def audio_seconds(self) -> float:
        """The seconds of sound that are kept."""
        return self.samples / self.sample_rate_hertz

    @property
    def remaining_seconds(self) -> float | None:
        """The seconds to speak the rest at the pace so far; None without a pace, or once it has ended."""
        if self.state.has_ended or not self.characters_done:
            return None
        return self.spoken_seconds / self.characters_done * (self.characters - self.characters_done)


class Encoding(Enum):
    """The encodings of audio; ``audio/codecs.py`` has the table of what each can do."""

    WAV = "wav"
    MP3 = "mp3"
    OPUS = "opus"
    FLAC = "flac"
    AAC = "aac"
    PCM_S16LE = "pcm"
    MULAW = "mulaw"
    ALAW = "alaw"


class Strategy(Enum):
    """The ways to cut a text into the pieces that a model speaks."""

    SENTENCE = "sentence"
    PARAGRAPH = "paragraph"
    FIXED = "fixed"
    WORD = "word"


class Task(Enum):
    """The tasks of a transcriber."""

    TRANSCRIBE = "transcribe"
    """The words in the language that was spoken."""
    TRANSLATE = "translate"
    """The words in English."""


@dataclass(frozen=True, slots=True)
class Word:
    """One word with its place in the recording, in seconds, and its probability in 0..1."""

    text: str
    start: float
    end: float
    probability: float


@dataclass(frozen=True, slots=True)
class Segment:
    """A stretch of recognised speech; times are seconds from the start of the audio.

    A measure that the model does not give is None. The concatenated ``text`` of all segments is the
    transcript, spaces included.
    """

    start: float
    end: float
    text: str
    words: tuple[Word, ...] = ()
    tokens: tuple[int, ...] = ()
    avg_logprob: float | None = None
    compression_ratio: float | None = None
    no_speech_prob: float | None = None
    temperature: float | None = None
    seek: int = 0
    """Offset of the model's window in feature frames (10 ms each), as OpenAI's verbose_json has it."""


class EndCause(Enum):
    """The reasons for the end of an utterance of a live stream."""

    SILENCE = "silence"
    CALLER = "caller"
    MAX_UTTERANCE = "max_utterance"
    END_OF_STREAM = "end_of_stream"


@dataclass(frozen=True, slots=True)
class SpeechStarted:
    """Somebody began to speak ``at`` so many seconds of a live stream; utterances count from 0."""

    utterance: int
    at: float


@dataclass(frozen=True, slots=True)
class SpeechStopped:
    """The utterance was over ``at`` so many seconds of the stream."""

    utterance: int
    at: float
    cause: EndCause


@dataclass(frozen=True, slots=True)
class UtteranceDiscarded:
    """The caller dropped the utterance in progress, if any, ``at`` so many seconds of the stream."""

    utterance: int | None
    at: float


@dataclass(frozen=True, slots=True)
class Hypothesis:
    """The text that an utterance seems to have so far: the stable part, then the unstable one.

    The stable text only grows, and the transcript of the utterance begins with it. ``audio_end`` is how far
    the sound goes that was listened to, in seconds of the stream.
    """

    utterance: int
    stable_text: str
    unstable_text: str
    audio_end: float


@dataclass(frozen=True, slots=True)
class Language:
    """The language of a recording: BCP-47 code, and the probability (0..1) if it was detected."""

    code: str
    probability: float | None = None


@dataclass(frozen=True, slots=True)
class UtteranceTranscript:
    """The transcript of an utterance of a live stream; times are in seconds of the stream."""

    utterance: int
    start: float
    end: float
    words: tuple[Word, ...]
    language: Language
    output_tokens: int

    @property
    def text(self) -> str:
        """The words, with their spaces; empty if nothing was understood."""
        return "".join(word.text for word in self.words)


@dataclass(frozen=True, slots=True)
class SynthesisOptions:
    """Options of speech. None means the model's default.

    ``voice`` is the name of one of the model's voices. If it is the id of a custom one, there is its
    ``sample``.
    """

    voice: str
    language_code: str | None = None
    speed: float | None = None
    instructions: str | None = None
    temperature: float | None = None
    seed: int | None = None
    exaggeration: float | None = None
    cfg_weight: float | None = None
    sample: VoiceSample | None = None
    in_hand: Callable[[], float] | None = None
    """Tells how many seconds of sound the listener has in hand: 0 before the first, less once he has run dry.
    None: nobody listens while it is made."""


@dataclass(frozen=True, slots=True)
class VoiceActivityParameters:
    """Parameters of the detector that finds speech. None means the model's own."""

    threshold: float | None = None
    """Probability (0..1) above which sound counts as speech."""
    min_silence_seconds: float | None = None
    """The seconds of silence that end a stretch of speech."""
    padding_seconds: float | None = None
    """The seconds of sound on each side of a stretch of speech that count as part of it."""
    min_speech_seconds: float | None = None
    """Shorter stretches of speech are left out."""
    max_speech_seconds: float | None = None
    """Longer stretches of speech are cut."""
    neg_threshold: float | None = None
    """Probability (0..1) below which sound counts as silence, once speech has begun."""


@dataclass(frozen=True, slots=True)
class TimeRange:
    """A stretch of a recording, in seconds from its start; without an ``end`` it goes to the last sample."""

    start: float
    end: float | None = None


@dataclass(frozen=True, slots=True)
class DecodingParameters:
    """Options of a transcriber's search for text. None means the model's own.

    The names are those of Whisper's implementations; protos/audio_grpc/v1/speech_to_text.proto says what
    each does.
    """

    temperatures: tuple[float, ...] | None = None
    best_of: int | None = None
    patience: float | None = None
    length_penalty: float | None = None
    repetition_penalty: float | None = None
    no_repeat_ngram_size: int | None = None
    suppress_tokens: tuple[int, ...] | None = None
    compression_ratio_threshold: float | None = None
    log_prob_threshold: float | None = None
    no_speech_threshold: float | None = None
    hallucination_silence_threshold: float | None = None
    """A length of silence, in seconds."""
    condition_on_previous_text: bool | None = None
    prompt_reset_on_temperature: float | None = None


@dataclass(frozen=True, slots=True)
class TranscriptionOptions:
    """Options of a transcription. None means the model's default."""

    language_code: str | None = None
    language_codes: tuple[str, ...] = ()
    """Several of which one is to be detected; none: whatever the model knows."""
    task: Task = Task.TRANSCRIBE
    prompt: str | None = None
    hotwords: tuple[str, ...] = field(default=())
    temperature: float | None = None
    beam_size: int | None = None
    word_timestamps: bool = False
    voice_activity_detection: bool | None = None
    voice_activity_parameters: VoiceActivityParameters | None = None
    decoding_parameters: DecodingParameters | None = None
    clip_timestamps: tuple[TimeRange, ...] = ()
    """The only stretches to listen to, in order and apart; none: the whole recording."""
    multilingual: bool = False
    """True if the language may change midway."""
    batched: bool | None = None
    """True to recognise several windows of one recording at once; None: if the recording is long."""
    draft: bool = False
    """True for a quick guess at a recording that is still going on: a hypothesis without times."""
    short_context: bool | None = None
    """True to process the sound alone, without the silence that would fill up the model's window, as long as
    the result does not look wrong; None: as the model is configured.
    """
    previous_tokens: tuple[int, ...] = ()
    """The model's own for what was said right before, times included; they follow the prompt."""
