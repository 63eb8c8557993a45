"""Transcribes the samples of custom voices that have no transcript."""

import asyncio
import logging
from collections import OrderedDict
from functools import partial

from audio_grpc.errors import ModelNotFound, SpeechError
from audio_grpc.runtime.models import Models
from audio_grpc.services.pipeline import recognise
from audio_grpc.services.requests import TranscriptionJob
from audio_grpc.services.samples import LONGEST_SECONDS
from audio_grpc.telemetry.call import Call, current_call
from audio_grpc.types import CustomVoice, Segment, TranscriptionOptions

KEPT = 1000
"""Transcripts, those longest unused forgotten first."""

log = logging.getLogger(__name__)


class SampleTranscripts:
    """Lets the default transcriber listen to each sample once; callers at the same moment share that."""

    def __init__(self, models: Models) -> None:
        self._models = models
        self._made: OrderedDict[str, asyncio.Task[str]] = OrderedDict()

    async def of(self, voice: CustomVoice, sample: bytes) -> str:
        """Returns the words of the voice's sample; empty if no transcriber can tell. A later call retries."""
        if voice.id not in self._made:
            self._made[voice.id] = asyncio.create_task(self._listen(voice, sample))
        self._made.move_to_end(voice.id)
        if len(self._made) > KEPT:
            self._made.popitem(last=False)
        # A caller who leaves must not take the transcript from the others.
        return await asyncio.shield(self._made[voice.id])

    async def _listen(self, voice: CustomVoice, sample: bytes) -> str:
        try:
            return await self._transcribe(sample, voice.language_code or None)
        except ModelNotFound:  # no transcriber is configured
            pass
        except SpeechError as error:
            log.warning("could not find out what the sample of voice %s says: %s", voice.id, error)
        self._made.pop(voice.id, None)
        return ""

    async def _transcribe(self, sample: bytes, language_code: str | None) -> str:
        job = TranscriptionJob(sample, None, LONGEST_SECONDS, TranscriptionOptions(language_code))
        # Not the caller's own call, which is one for speech.
        call = Call("", "", current_call.get().request_id)
        generate = partial(recognise, job=job, call=call)
        async with self._models.transcriber("").stream(generate) as stream:
            events = [event async for ready in stream for event in ready]
        return "".join(event.text for event in events if isinstance(event, Segment)).strip()
