"""Finds the samples with which models speak in custom voices."""

from datetime import UTC, datetime
from hashlib import sha256

from audio_grpc.backends.base import Synthesizer
from audio_grpc.errors import InvalidRequest, OptionUnsupported, StorageFailed, VoiceNotFound
from audio_grpc.runtime.model import Model
from audio_grpc.services.callers import speaker
from audio_grpc.services.fields import short
from audio_grpc.services.samples import checked_sample, decode_sample
from audio_grpc.services.transcripts import SampleTranscripts
from audio_grpc.storage.voices import VoiceStore
from audio_grpc.types import CustomVoice, VoiceSample
from audio_grpc.v1.text_to_speech_pb2 import SpeakerSample, SynthesizeRequest

MAX_TRANSCRIPT_CHARACTERS = 4096


class SampleFinder:
    """Finds the samples that models speak with, as they want them."""

    def __init__(self, store: VoiceStore, transcripts: SampleTranscripts, max_bytes: int) -> None:
        self._store = store
        self._transcripts = transcripts
        self._max_bytes = max_bytes

    async def asked_for(
        self, model: Model[Synthesizer], request: SynthesizeRequest
    ) -> tuple[str, VoiceSample | None]:
        """Returns the name of the voice to speak with, and its sample if it is none of the model's own.

        Raises InvalidRequest for a sample in the request that is none, or that the model has no use for.
        """
        if request.HasField("sample"):
            sample = await self._borrowed(model, request.sample)
            return sample.voice_id, sample
        name = request.voice
        if not name and model.backend.info.cloning:
            name = await self._store.default(speaker())
        return name, await self.find(model, name)

    async def _borrowed(self, model: Model[Synthesizer], sent: SpeakerSample) -> VoiceSample:
        info = model.backend.info
        if not info.cloning:
            raise OptionUnsupported(
                f"model {model.name!r} cannot speak with the voice of a sample; leave it out, or choose "
                "a model that can",
                field="sample",
            )
        audio = await checked_sample(
            sent.audio,
            "sample.audio",
            max_bytes=self._max_bytes,
            sample_rate_hertz=info.voice_sample_rate_hertz,
        )
        transcript = short("sample.transcript", sent.transcript, MAX_TRANSCRIPT_CHARACTERS)
        # The same sample has the same id, so that what a model makes of it is made once.
        name = f"sample_{sha256(sent.audio).hexdigest()[:16]}"
        voice = CustomVoice(name, "", datetime.now(UTC), audio.seconds)
        if info.wants_sample_transcript and not transcript:
            transcript = await self._transcripts.of(voice, sent.audio)
        return VoiceSample(voice.id, audio, transcript)

    async def find(self, model: Model[Synthesizer], name: str) -> VoiceSample | None:
        """The sample of the custom voice of that id, name or alias; None if nobody knows one.

        None as well for the model's own voices: they come first, and need no look at the disk.
        """
        info = model.backend.info
        wanted = info.voice_aliases(model.spec.voice_aliases).get(name, name)
        if not wanted or wanted in {voice.name for voice in info.voices}:
            return None
        try:
            voice = await self._store.find(wanted, speaker())
            data = await self._store.sample(voice)
        except VoiceNotFound:
            return None
        try:
            audio = await decode_sample(data, info.voice_sample_rate_hertz)
        except InvalidRequest as error:  # it was a sound file when it came
            raise StorageFailed(
                f"the sample of voice {voice.name!r} is damaged ({error}); delete the voice and make it again"
            ) from error
        transcript = voice.transcript
        if info.cloning and info.wants_sample_transcript and not transcript:
            transcript = await self._transcripts.of(voice, data)
        return VoiceSample(voice.id, audio, transcript, voice.language_code)
