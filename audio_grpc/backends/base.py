"""The interface of models: the operations that the service needs to run one.

A backend is a class that takes a :class:`ModelSpec` and implements :class:`Synthesizer` or
:class:`Transcriber`. It is announced as an entry point (group ``audio_grpc.synthesizers`` or
``audio_grpc.transcribers``) and named by the configuration. ``tone.py`` is the example to start from.

Constructing a backend is cheap and imports nothing heavy; ``load`` is where the memory goes. The
methods of a loaded backend are called from several threads at once, as many as ``ModelSpec.threads`` or its
``info.threads`` say, whichever is more.
"""

from collections.abc import Callable, Generator, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Annotated, Any, NamedTuple, Protocol, TypeVar

from annotated_types import Ge
from pydantic import ConfigDict, TypeAdapter, ValidationError

from audio_grpc.errors import ConfigurationError
from audio_grpc.settings_file import problems
from audio_grpc.types import Audio, Language, Segment, Speech, SynthesisOptions, TranscriptionOptions, Voice

# What OpenAI's clients ask for, each of which some voice of every model answers to.
OPENAI_VOICES = (
    *("alloy", "ash", "ballad", "cedar", "coral", "echo", "fable"),
    *("marin", "nova", "onyx", "sage", "shimmer", "verse"),
)
PERSONAS = ("professional", "friendly", "calm", "energetic")
"""The names of voices that GateFlow's clients use."""

AtLeastOne = Annotated[int, Ge(1)]
NotNegative = Annotated[int, Ge(0)]


class Sizes(NamedTuple):
    """The numbers of a model that its places and its threads follow from."""

    threads: int
    concurrency: int
    queue: int


PLAIN = Sizes(threads=1, concurrency=4, queue=32)
"""The sizes of a model for which none were chosen."""


@dataclass(frozen=True)
class ModelSpec:
    """One configured model: which backend runs it, on what, and how many callers it serves."""

    __pydantic_config__ = ConfigDict(extra="forbid")

    backend: str
    """Name of the entry point of its adapter; `audio-grpc doctor` lists what is installed."""
    path: str | None = None
    """The location of the weights, as the backend takes it (a folder, a hub name). None: its own default."""
    device: str = "auto"
    """auto (a GPU if there is one that the backend can use), cpu, cuda or cuda:N."""
    compute_type: str = "auto"
    """auto, or a type of the backend's, such as int8, float16 or bfloat16."""
    resident: bool = False
    """Loaded before the server says that it is serving, and never unloaded for being idle."""
    idle_unload_seconds: Annotated[float, Ge(0)] | None = 600.0
    """Unloaded after so long without a call; None: never."""
    threads: AtLeastOne | None = None
    """The steps of the model that run at the same time; more, if the model is better used so. None: chosen,
    as are the next two, from what the machine has (``choosing.py``)."""
    concurrency: AtLeastOne | None = None
    """The number of calls in progress at the same time; they take turns on the threads."""
    queue: NotNegative | None = None
    """The number of calls that wait for one of those to end; one more is refused at once."""
    live_streams: AtLeastOne = 8
    """The number of live streams that it transcribes at the same time; one more is refused at once."""
    read_ahead: AtLeastOne = 8
    """The number of results that the model may be ahead of a slow reader, for each call."""
    aliases: tuple[str, ...] = ()
    """Other names that requests can use for the model."""
    voice_aliases: Mapping[str, str] | None = None
    """Other names that requests can use for its voices; None: OpenAI's names and the personas."""
    options: Mapping[str, Any] = field(default_factory=dict)
    """Options that only this backend has: the fields of a dataclass of its own."""

    @property
    def sizes(self) -> Sizes:
        """The numbers that were configured or chosen; plain ones for those that were not."""
        own = (self.threads, self.concurrency, self.queue)
        return Sizes(*(plain if one is None else one for one, plain in zip(own, PLAIN, strict=True)))


@dataclass(frozen=True)
class Traits:
    """Facts of a backend's class (its ``traits``), so that what is not configured can be chosen for it.

    Its figures are those of its default model.
    """

    is_elsewhere: bool = False
    """True if another machine computes, so that nothing follows from this one."""
    unfit_for_gpu: Callable[[], str] | None = None
    """Tells why the backend cannot use the GPU that the machine has; empty if it can. It may import what is
    heavy, as it is only asked where there is a GPU. None: the backend runs on CPUs only."""
    cpu_type: tuple[str, str] = ("auto", "what the weights have")
    """The compute type for CPUs, and why."""
    gpu_type: tuple[str, str] = ("auto", "what the weights have")
    """The compute type for GPUs, and why."""
    small_gpu_type: str = ""
    """The compute type for GPUs with little memory, if there is one."""
    options: frozenset[str] = frozenset()
    """The names of those of the options workers, cpu_threads and batch_size that it has."""
    worker_cores: int = 0
    """The cores of a CPU that each step at the same time is best given; 0: all of them."""
    why_worker_cores: str = ""
    """The reason, in words."""
    wants_two_threads: Callable[["ModelSpec"], bool] = lambda _: False
    """Tells whether two threads for each worker are better even if there is one core for each."""
    batches_itself: Callable[["ModelSpec"], bool] = lambda _: False
    """Tells whether its own engine computes those steps as one batch that are run at the same time."""
    in_real_time: bool = False
    """True if callers use the sound as fast as it sounds, so that one who is ahead of that can wait."""
    speed: float = 0.0
    """Seconds of sound that one core makes, or hears, in a second, measured; 0 if that is not known."""
    worker_bytes: int = 0
    """The host's memory that each worker takes, beside the weights."""
    call_bytes: int = 0
    """The host's memory that a call takes, for a long recording or a long text."""


@dataclass(frozen=True)
class SynthesizerInfo:
    """The capabilities of a synthesiser.

    ``options`` names the fields of :class:`SynthesisOptions`, beside the voice, that have an effect.
    """

    sample_rate_hertz: int
    voices: tuple[Voice, ...]
    options: frozenset[str] = frozenset()
    max_piece_size: int = 400
    """The longest text, in characters, that one call of ``synthesize`` speaks well."""
    cloning: bool = False
    """True if it speaks with the voice of a sample (``SynthesisOptions.sample``)."""
    voice_sample_rate_hertz: int = 16000
    """The rate of the samples of speakers that ``synthesize`` wants."""
    openai_voices: Mapping[str, str] = field(default_factory=dict)
    """The most similar of its voices to each of OpenAI's and each persona; the others are the first."""
    wants_sample_transcript: bool = False
    """True if it clones better with a transcript of the sample, which it then gets if there can be one."""
    sample_language_codes: tuple[str, ...] = ()
    """BCP-47 codes of what it speaks with the voice of a sample, beside those of its own voices."""
    threads: int = 1
    """The least number of simultaneous steps that make good use of it."""
    any_voice: bool = False
    """True if it may know names of voices beyond its ``voices``."""
    work_bytes: int = 0
    """The host's memory that one call takes while it is spoken, beside the weights."""

    @cached_property
    def language_codes(self) -> tuple[str, ...]:
        """BCP-47 codes of all that it speaks, without repetition."""
        own = (code for voice in self.voices for code in voice.language_codes)
        return tuple(dict.fromkeys([*own, *self.sample_language_codes]))

    def voice_aliases(self, configured: Mapping[str, str] | None) -> Mapping[str, str]:
        """Other names of its voices: the configured ones; if that is None, OpenAI's and the personas."""
        if configured is not None or not self.voices:
            return configured or {}
        own = [voice.name for voice in self.voices]
        likened = {
            name: self.openai_voices.get(name) for name in (*OPENAI_VOICES, *PERSONAS) if name not in own
        }
        return {name: voice if voice in own else own[0] for name, voice in likened.items()}


@dataclass(frozen=True)
class TranscriberInfo:
    """The capabilities of a transcriber.

    ``options`` names the fields of :class:`TranscriptionOptions` that have an effect.
    """

    language_codes: tuple[str, ...]
    options: frozenset[str] = frozenset()
    sample_rate_hertz: int = 16000
    """The rate of the audio that ``transcribe`` wants."""
    threads: int = 1
    """The least number of simultaneous steps that make good use of it."""
    work_bytes: int = 0
    """The host's memory that one call takes for a block of five minutes, beside the weights."""


@dataclass
class TranscriptUsage:
    """The usage that a model reports for a recording, once the segments have ended."""

    output_tokens: int | None = None
    """The number of tokens of its text; None: as many as the segments have."""


@dataclass(frozen=True)
class Transcript:
    """A recording being recognised: its language, and its segments as they come."""

    language: Language
    segments: Generator[Segment, None, None]
    usage: TranscriptUsage = field(default_factory=TranscriptUsage)


class ModelBroken(Exception):
    """Raised by a backend, from the error that it got, when no later call can go well either.

    The model is then loaded again. Its text is for the log; callers learn only that the model crashed.
    """


class Synthesizer(Protocol):
    """Text in, chunks of sound out."""

    def __init__(self, spec: ModelSpec) -> None:
        """Check ``spec``; raises ConfigurationError if it cannot work."""

    @property
    def info(self) -> SynthesizerInfo:
        """The capabilities; before ``load`` those are missing that only the loaded model tells."""

    def load(self) -> None:
        """Bring the model into memory. An exception's text is what the caller reads as the cause.

        ``report_progress`` of ``progress.py`` tells whoever waits how far it is.
        """

    def close(self) -> None:
        """Give the memory back. Nothing is called afterwards."""

    def unpronounceable(self, text: str) -> str:
        """The letters of ``text`` that it has no sound for, without repetition; usually none."""

    def synthesize(self, text: str, options: SynthesisOptions) -> Iterator[Speech]:
        """Speak a piece of text of at most ``max_piece_size`` characters.

        A generator; it may be closed after any chunk, and must not go on computing then. Yields nothing
        for a text without sound.
        """


class Transcriber(Protocol):
    """Sound in, segments of text out."""

    def __init__(self, spec: ModelSpec) -> None:
        """Check ``spec``; raises ConfigurationError if it cannot work."""

    @property
    def info(self) -> TranscriberInfo:
        """The capabilities; before ``load`` those are missing that only the loaded model tells."""

    def load(self) -> None:
        """Bring the model into memory. An exception's text is what the caller reads as the cause.

        ``report_progress`` of ``progress.py`` tells whoever waits how far it is.
        """

    def close(self) -> None:
        """Give the memory back. Nothing is called afterwards."""

    def transcribe(self, audio: Audio, options: TranscriptionOptions) -> Transcript:
        """Recognise ``audio``, which has ``info.sample_rate_hertz``.

        ``segments`` is a generator; it may be closed after any segment, and must not go on computing
        then. Raises OptionUnsupported for a language or task that the model cannot do.
        """


Options = TypeVar("Options")


def read_options(spec: ModelSpec, kind: type[Options]) -> Options:
    """``spec.options`` as the backend's own dataclass; ConfigurationError says what is wrong with them."""
    try:
        return TypeAdapter(kind).validate_python(dict(spec.options))
    except ValidationError as error:
        said = problems(error, getattr(kind, "__dataclass_fields__", ()))
        raise ConfigurationError(f"options of a {spec.backend} model: {said}") from error
