"""TextToSpeechService."""

from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import aclosing
from functools import partial
from typing import Any

from grpc.aio import ServicerContext

from audio_grpc.backends.base import Synthesizer
from audio_grpc.convert import from_cancelled, from_seconds, from_spoken, from_voice
from audio_grpc.runtime.model import Model
from audio_grpc.runtime.models import Models
from audio_grpc.runtime.urgency import PlaybackBuffer
from audio_grpc.services.callers import speaker
from audio_grpc.services.cloning import SampleFinder
from audio_grpc.services.live_requests import opening
from audio_grpc.services.live_stages import SpeakingStage, synthesis_started
from audio_grpc.services.pages import Place, page_of
from audio_grpc.services.pipeline import SpeechFinished, SpeechProperties, joined, speak
from audio_grpc.services.requests import Limits, read_synthesis, spoken_by
from audio_grpc.storage.voices import VoiceStore
from audio_grpc.telemetry.call import Call, current_call
from audio_grpc.telemetry.timing import timing
from audio_grpc.types import CustomVoice, SpeechCancelled, SpokenAudio, Voice
from audio_grpc.v1 import text_to_speech_pb2 as pb
from audio_grpc.v1.text_to_speech_pb2_grpc import TextToSpeechServiceServicer

Context = ServicerContext[Any, Any]


class TextToSpeechServicer(TextToSpeechServiceServicer):
    """Speaks with the configured synthesisers."""

    def __init__(
        self,
        models: Models,
        limits: Limits,
        voices: VoiceStore,
        samples: SampleFinder,
        speaking: SpeakingStage,
    ) -> None:
        self._models = models
        self._limits = limits
        self._voices = voices
        self._samples = samples
        self._stage = speaking

    async def Synthesize(
        self, request: pb.SynthesizeRequest, context: Context
    ) -> AsyncIterator[pb.SynthesizeResponse]:
        """The events of :func:`speak`, as messages."""
        call = current_call.get()
        model = self._models.synthesizer(request.model)
        call.model = model.name
        job = read_synthesis(request, self._limits)
        call.characters = len(job.text)
        call.show(job.text)
        voice, sample = await self._samples.asked_for(model, request)
        job = spoken_by(job, voice)
        aliases = model.spec.voice_aliases
        listener = PlaybackBuffer()
        generate = partial(
            speak, job=job, configured_aliases=aliases, sample=sample, call=call, listener=listener
        )
        async with model.stream(generate, job.read_ahead, listener=listener) as events:
            async for ready in events:
                for event in joined(ready):
                    if isinstance(event, bytes):
                        yield pb.SynthesizeResponse(audio=event)
                    elif isinstance(event, SpeechProperties):
                        yield pb.SynthesizeResponse(started=synthesis_started(model, event))
                    else:
                        yield pb.SynthesizeResponse(finished=_finished(event, call))

    async def StreamingSynthesize(
        self, requests: AsyncIterator[pb.StreamingSynthesizeRequest], context: Context
    ) -> AsyncIterator[pb.StreamingSynthesizeResponse]:
        """The events of :class:`LiveSpeech`, as messages."""
        call = current_call.get()
        options = await opening(requests, self._limits.idle_seconds)
        call.arrive()
        async with self._stage.open(options, self._limits) as (live, started, _):
            yield pb.StreamingSynthesizeResponse(started=started)
            async with aclosing(live.events(requests)) as events:
                async for event in events:
                    if isinstance(event, SpokenAudio):
                        yield pb.StreamingSynthesizeResponse(audio=from_spoken(event))
                    elif isinstance(event, SpeechCancelled):
                        yield pb.StreamingSynthesizeResponse(cancelled=from_cancelled(event))
                    elif isinstance(event, SpeechFinished):
                        yield pb.StreamingSynthesizeResponse(finished=_finished(event, call))

    async def ListVoices(self, request: pb.ListVoicesRequest, context: Context) -> pb.ListVoicesResponse:
        """A page of the voices of one model, or of all; strangers are told of the models' own."""
        models = [self._models.synthesizer(request.model)] if request.model else self._models.synthesizers
        custom: list[CustomVoice] = []
        aliases: Mapping[str, Sequence[str]] = {}
        is_told = not current_call.get().is_strangers
        if is_told and any(model.backend.info.cloning for model in models):
            custom, aliases = await self._voices.all(speaker()), await self._voices.aliases()
        every = (
            ((number, *place), voice)
            for number, model in enumerate(models)
            for place, voice in _voices(model, custom, aliases)
        )
        voices, following = page_of(every, request)
        return pb.ListVoicesResponse(voices=voices, next_page_token=following)


def _finished(event: SpeechFinished, call: Call) -> pb.SynthesisFinished:
    return pb.SynthesisFinished(
        usage=pb.SynthesisUsage(
            characters=call.characters,
            input_tokens=event.input_tokens,
            audio_duration=from_seconds(call.audio_seconds_out),
        ),
        timing=timing(call),
    )


def _voices(
    model: Model[Synthesizer], custom: list[CustomVoice], further: Mapping[str, Sequence[str]]
) -> Iterator[tuple[Place, pb.Voice]]:
    """Yields the model's own, then the custom ones if it can speak with them, and the place of each."""
    info = model.backend.info
    for number, voice in enumerate(info.voices):
        yield (0, number, ""), from_voice(voice, model=model.name, aliases=_aliases(model, voice.name))
    for clone in custom if info.cloning else []:
        voice = Voice(clone.id, info.language_codes, f"Made from {clone.sample_seconds:.1f} s of a speaker")
        own = further.get(clone.id, ())
        aliases = [clone.name, *own, *_aliases(model, clone.id), *_aliases(model, clone.name)]
        place = (1, clone.create_time.timestamp(), clone.id)
        yield place, from_voice(voice, model=model.name, aliases=aliases, custom=True)


def _aliases(model: Model[Synthesizer], voice: str) -> list[str]:
    aliases = model.backend.info.voice_aliases(model.spec.voice_aliases)
    return [alias for alias, name in aliases.items() if name == voice]
