"""What a model needs to have to speak with a custom voice."""

import asyncio

from audio_grpc.audio import decode
from audio_grpc.backends.base import Synthesizer
from audio_grpc.errors import InvalidRequest, StorageFailed, VoiceNotFound
from audio_grpc.runtime.model import Model
from audio_grpc.services.transcripts import LONGEST_SECONDS, SampleTranscripts
from audio_grpc.types import Audio, VoiceSample
from audio_grpc.voices import VoiceStore


async def decode_sample(data: bytes, sample_rate_hertz: int = 16_000) -> Audio:
    """The sound of a sample, off the event loop. Raises what :func:`audio_grpc.audio.decode` does.

    Ten seconds of MP3 take 10 ms. That is not worth a cache: what a model makes of a sample takes far
    longer, and a backend can keep it under the voice's id.
    """
    return await asyncio.to_thread(
        decode, data, sample_rate_hertz=sample_rate_hertz, max_seconds=LONGEST_SECONDS
    )


class Samples:
    """Finds the samples of custom voices, as models want them."""

    def __init__(self, store: VoiceStore, transcripts: SampleTranscripts) -> None:
        self._store = store
        self._transcripts = transcripts

    async def find(self, model: Model[Synthesizer], name: str) -> VoiceSample | None:
        """The sample of the custom voice of that id, name or alias; None if nobody knows one.

        None as well for the model's own voices: they come first, and need no look at the disk.
        """
        info = model.backend.info
        wanted = info.voice_aliases(model.spec.voice_aliases).get(name, name)
        if not wanted or wanted in {voice.name for voice in info.voices}:
            return None
        try:
            voice = await self._store.find(wanted)
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
