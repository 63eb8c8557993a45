"""Speaks on a model's threads while the text is still being written."""

import logging
from collections.abc import Generator, Iterator
from contextlib import closing
from dataclasses import dataclass, replace

from audio_grpc.audio import MAX_PIECE_BYTES, Encoder
from audio_grpc.backends.base import Synthesizer
from audio_grpc.errors import TextUnspeakable
from audio_grpc.runtime.urgency import PlaybackBuffer, given
from audio_grpc.services.pipeline import SpeechFinished, SpeechProperties, require_pronounceable, say
from audio_grpc.services.requests import LiveSpeechJob
from audio_grpc.services.text_buffer import Pause, TextBuffer, TextPiece
from audio_grpc.telemetry.call import Call
from audio_grpc.text import clean
from audio_grpc.types import Audio, SpokenAudio

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Spoken:
    """All sound of the text up to ``end`` has been made."""

    end: int


@dataclass(frozen=True)
class Paused:
    """An event: all text so far is spoken, and no sound of it is held back.

    ``is_complete``: because the text so far was said to be complete; else because nothing came for a while.
    """

    is_complete: bool


Event = SpokenAudio | Spoken | Paused


class StreamingSynthesizer:
    """Speaks buffers into one container; its generators run one after the other."""

    def __init__(
        self, backend: Synthesizer, job: LiveSpeechJob, started: SpeechProperties, call: Call
    ) -> None:
        self.total = SpeechFinished()
        self._backend = backend
        self._job = job
        self._call = call
        self._encoder = Encoder(started.encoding, started.sample_rate_hertz)
        self._piece = TextPiece("", 0, 0)
        self._sent_seconds = 0.0

    def speak(self, buffer: TextBuffer, listener: PlaybackBuffer) -> Generator[Event, None, None]:
        """Yields the sound of the text that the buffer has ready, until it has no more or is cancelled."""
        for piece in buffer.pieces():
            if isinstance(piece, Pause):
                yield from self._marked(self._encoder.flush())
                yield Paused(piece.is_complete)
                continue
            self._piece = piece
            with closing(self._sound(piece, listener)) as sound:
                for audio in sound:
                    if buffer.cancelled.is_set():
                        return
                    for event in self._marked(self._encoder.write(audio)):
                        yield event
                        if buffer.cancelled.is_set():
                            return
                    yield given(audio.seconds)
                    if buffer.cancelled.is_set():
                        return
            yield Spoken(piece.end)

    def finish(self) -> Generator[Event, None, None]:
        """The end of the container."""
        yield from self._marked(self._encoder.finish())

    def _sound(self, piece: TextPiece, listener: PlaybackBuffer) -> Generator[Audio, None, None]:
        text = clean(piece.text)
        if self._job.skips_unspeakable:
            for letter in self._backend.unpronounceable(text):
                text = text.replace(letter, " ")
        if not text.strip():
            return
        try:
            require_pronounceable(self._backend, text)
            yield from say(self._backend, text, self._job.speech, self.total, listener)
        except TextUnspeakable:
            if not self._job.skips_unspeakable:
                raise
            log.warning("a piece of a text is left out, as the model cannot pronounce it")

    def _marked(self, data: Iterator[bytes]) -> Iterator[SpokenAudio]:
        for each in data:
            self._call.result()
            begin, self._sent_seconds = self._sent_seconds, self._encoder.seconds
            self._call.audio_seconds_out = self._sent_seconds
            yield SpokenAudio(each, self._piece.start, self._piece.end, begin, self._sent_seconds - begin)


def joined(events: list[Event]) -> Iterator[Event]:
    """Joins neighbouring chunks of one piece, up to the size of the largest chunk; other events stay."""
    waiting: SpokenAudio | None = None
    for event in events:
        if waiting and isinstance(event, SpokenAudio) and _fit_together(waiting, event):
            seconds = waiting.seconds + event.seconds
            waiting = replace(waiting, data=waiting.data + event.data, seconds=seconds)
            continue
        if waiting:
            yield waiting
            waiting = None
        if isinstance(event, SpokenAudio):
            waiting = event
        else:
            yield event
    if waiting:
        yield waiting


def _fit_together(one: SpokenAudio, other: SpokenAudio) -> bool:
    return one.text_end == other.text_end and len(one.data) + len(other.data) <= MAX_PIECE_BYTES
