"""What a model needs to have to speak with a custom voice."""

import asyncio

from audio_grpc.audio import decode
from audio_grpc.backends.base import Synthesizer
from audio_grpc.errors import InvalidRequest, StorageFailed, VoiceNotFound
from audio_grpc.runtime.models import Model
from audio_grpc.types import Audio, VoiceSample
from audio_grpc.voices import VoiceStore

LONGEST_SECONDS = 60.0
"""Of a sample."""


async def decode_sample(data: bytes, sample_rate_hertz: int = 16_000) -> Audio:
    """The sound of a sample, off the event loop. Raises what :func:`audio_grpc.audio.decode` does.

    Ten seconds of MP3 take 10 ms. That is not worth a cache: what a model makes of a sample takes far
    longer, and a backend can keep it under the voice's id.
    """
    return await asyncio.to_thread(
        decode, data, sample_rate_hertz=sample_rate_hertz, max_seconds=LONGEST_SECONDS
    )


async def find_sample(store: VoiceStore, model: Model[Synthesizer], name: str) -> VoiceSample | None:
    """The sample of the custom voice of that id, name or alias; None if nobody knows one.

    None as well for the model's own voices: they come first, and need no look at the disk.
    """
    info = model.backend.info
    wanted = info.voice_aliases(model.spec.voice_aliases).get(name, name)
    if not wanted or wanted in {voice.name for voice in info.voices}:
        return None
    try:
        voice = await store.find(wanted)
        data = await store.sample(voice)
    except VoiceNotFound:
        return None
    try:
        audio = await decode_sample(data, info.voice_sample_rate_hertz)
    except InvalidRequest as error:  # it was a sound file when it came
        raise StorageFailed(
            f"the sample of voice {voice.name!r} is damaged ({error}); delete the voice and make it again"
        ) from error
    return VoiceSample(voice.id, audio, voice.transcript, voice.language_code)
