"""A synthesiser whose model is elsewhere."""

from collections.abc import Iterator
from contextlib import closing
from functools import cached_property, partial
from typing import TYPE_CHECKING

from audio_grpc.backends.base import ModelSpec, SynthesizerInfo, Traits, read_options
from audio_grpc.backends.openai_upstream.options import SpeakerOptions, SpeechUpstream
from audio_grpc.extras import needs
from audio_grpc.text import has_words
from audio_grpc.types import Speech, SynthesisOptions, Voice

if TYPE_CHECKING:
    from audio_grpc.backends.openai_upstream.providers import Providers

ANY_LANGUAGE = "und"
MIN_SECONDS = 10.0
"""The seconds of sound that any text may have."""


class UpstreamSpeaker:
    """Has texts spoken by providers, and passes the sound on as it comes."""

    traits = Traits(is_elsewhere=True)

    def __init__(self, spec: ModelSpec) -> None:
        self._spec = spec
        self._options = read_options(spec, SpeakerOptions)
        self._providers: Providers[SpeechUpstream] | None = None

    @cached_property
    def info(self) -> SynthesizerInfo:
        """The configured capabilities. A call waits on its thread, so there is one thread for each."""
        return SynthesizerInfo(
            sample_rate_hertz=self._options.upstreams[0].sample_rate_hertz,
            voices=tuple(Voice(name, (ANY_LANGUAGE,)) for name in self._options.voices),
            any_voice=self._options.any_voice,
            options=frozenset(self._options.honours),
            max_piece_size=self._options.max_characters,
            threads=self._spec.sizes.concurrency,
        )

    def load(self) -> None:
        """Read the keys. Nobody is called before there is something to say."""
        with needs("upstream"):
            from audio_grpc.backends.openai_upstream.providers import Providers
        self._providers = Providers(self._options.upstreams)

    def close(self) -> None:
        """Hang up."""
        if self._providers is not None:
            self._providers.close()

    def unpronounceable(self, text: str) -> str:
        """Returns an empty text, as the provider's letters are unknown."""
        return ""

    def synthesize(self, text: str, options: SynthesisOptions) -> Iterator[Speech]:
        """The sound as it comes. UpstreamFailed and its kinds, or what a provider refuses: InvalidRequest."""
        from audio_grpc.backends.openai_upstream.speech import speech

        assert self._providers is not None, "load() comes first"
        if not has_words(text):
            return
        request = {"input": text, "voice": options.voice}
        for name in self._options.honours:
            if (value := getattr(options, name)) is not None:
                request[name] = value
        slowness = 1 / min(options.speed or 1.0, 1.0)
        max_seconds = MIN_SECONDS + slowness * self._options.max_seconds_per_character * len(text)
        attempt = partial(speech, request=request, max_seconds=max_seconds)
        with closing(self._providers.stream(attempt)) as sound:
            yield from sound
