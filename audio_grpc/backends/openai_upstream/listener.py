"""A transcriber whose model is elsewhere."""

from collections.abc import Generator
from functools import cached_property, partial
from typing import TYPE_CHECKING, cast

from audio_grpc.audio import to_pcm, wav_header
from audio_grpc.backends.base import (
    ModelSpec,
    Traits,
    TranscriberInfo,
    Transcript,
    TranscriptUsage,
    read_options,
)
from audio_grpc.backends.openai_upstream.options import ListenerOptions, TranscriptUpstream
from audio_grpc.extras import needs
from audio_grpc.types import Audio, Language, Segment, TranscriptionOptions

if TYPE_CHECKING:
    from audio_grpc.backends.openai_upstream.providers import Providers

OPTIONS = frozenset({"language_code", "task", "prompt", "temperature"})
ANY_LANGUAGE = "und"


class UpstreamListener:
    """Has recordings heard by providers, and passes their text on as it comes."""

    traits = Traits(is_elsewhere=True)

    def __init__(self, spec: ModelSpec) -> None:
        self._spec = spec
        self._options = read_options(spec, ListenerOptions)
        self._providers: Providers[TranscriptUpstream] | None = None

    @cached_property
    def info(self) -> TranscriberInfo:
        """The configured capabilities. A call waits on its thread, so there is one thread for each."""
        tells_words = all(upstream.verbose_json for upstream in self._options.upstreams)
        options = OPTIONS | {"word_timestamps"} if tells_words else OPTIONS
        return TranscriberInfo((ANY_LANGUAGE,), options, threads=self._spec.sizes.concurrency)

    def load(self) -> None:
        """Read the keys. Nobody is called before there is something to hear."""
        with needs("upstream"):
            from audio_grpc.backends.openai_upstream.providers import Providers
        self._providers = Providers(self._options.upstreams)

    def close(self) -> None:
        """Hang up."""
        if self._providers is not None:
            self._providers.close()

    def transcribe(self, audio: Audio, options: TranscriptionOptions) -> Transcript:
        """Waits until a provider has begun to answer. InvalidRequest if it refuses; UpstreamFailed, ..."""
        from audio_grpc.backends.openai_upstream.transcripts import WaveFile, transcript

        assert self._providers is not None, "load() comes first"
        usage = TranscriptUsage()
        recording = WaveFile(_wave(audio), audio.seconds)
        heard = self._providers.stream(partial(transcript, recording=recording, options=options, usage=usage))
        language = cast("Language", next(heard))  # it comes first
        return Transcript(language, cast("Generator[Segment, None, None]", heard), usage)


def _wave(audio: Audio) -> bytes:
    """The recording as every provider reads it, with its length."""
    samples = to_pcm(audio.samples)
    return wav_header(audio.sample_rate_hertz, len(samples)) + samples.tobytes()
