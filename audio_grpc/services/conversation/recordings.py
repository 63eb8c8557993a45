"""Hears the turns of a conversation that come as whole sound files."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial

from audio_grpc.live import evenly_timed
from audio_grpc.runtime.models import Models
from audio_grpc.services.pipeline import TranscriptFinished, TranscriptStarted, recognise
from audio_grpc.services.requests import Limits, read_transcription
from audio_grpc.telemetry.call import Call, current_call
from audio_grpc.types import Hypothesis, Language, Segment, UtteranceTranscript, Word
from audio_grpc.v1.speech_to_text_pb2 import StreamingTranscriptionOptions, TranscribeRequest


class Recordings:
    """Has recordings recognised as Transcribe does, each with a place of its own, and adds them up."""

    def __init__(self, models: Models, options: StreamingTranscriptionOptions, limits: Limits) -> None:
        self.audio_seconds = 0.0
        self.output_tokens = 0
        self._models = models
        self._limits = limits
        self._request = TranscribeRequest(
            model=options.model,
            language_code=options.language_code,
            language_codes=options.language_codes,
            task=options.task,
            prompt=options.prompt or None,
            hotwords=options.hotwords,
        )

    async def transcribe(
        self, recording: bytes, number: int, show: Callable[[Hypothesis], None]
    ) -> UtteranceTranscript:
        """Transcribes a recording as an utterance; passes the text recognised so far to ``show``.

        Raises the same errors as Transcribe.
        """
        job = read_transcription(self._request, recording, self._limits)
        model = self._models.transcriber(self._request.model)
        # Not the conversation's own call, whose times it would change.
        call = Call("", "", current_call.get().request_id)
        segments: list[Segment] = []
        language = Language("und")
        async with (
            self._models.memory.budget.uploads.upload(len(recording)),
            model.stream(partial(recognise, job=job, call=call)) as stream,
        ):
            async for ready in stream:
                for event in ready:
                    match event:
                        case Segment():
                            segments.append(event)
                            said = "".join(segment.text for segment in segments)
                            show(Hypothesis(number, said, "", event.end))
                        case TranscriptStarted() | TranscriptFinished():
                            language = event.language
        tokens = sum(len(segment.tokens) for segment in segments)
        self.audio_seconds += call.audio_seconds_in
        self.output_tokens += tokens
        return UtteranceTranscript(
            number, 0.0, call.audio_seconds_in, tuple(_words(segments)), language, tokens
        )


def _words(segments: list[Segment]) -> Iterator[Word]:
    """Yields the words with times in the recording; the space between two segments goes to the second."""
    space = ""
    for segment in segments:
        text = (space + segment.text).rstrip()
        space = (space + segment.text)[len(text) :]
        yield from evenly_timed(replace(segment, text=text))
