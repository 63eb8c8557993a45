"""The items of a conversation: what the service hears, as OpenAI tells it.

An item is what was said between two commits, whoever made them. Where only the caller commits, an utterance
that the service cut because it was long goes on in the same item. The deltas of an item are the words that
have become certain since the delta before; together they are its transcript.
"""

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field

from audio_gateway.dialects.openai.realtime import events
from audio_gateway.dialects.openai.realtime.events import Event
from audio_gateway.dialects.openai.realtime.session import LOGPROBS, SessionConfig
from audio_gateway.dialects.openai.transcripts import logprobs
from audio_gateway.errors import ApiError
from audio_grpc.client import (
    EndCause,
    Hypothesis,
    LiveTranscriptEvent,
    SpeechStarted,
    SpeechStopped,
    UtteranceDiscarded,
    UtteranceTranscript,
    Word,
)


@dataclass
class Item:
    """The state of one item."""

    id: str = field(default_factory=lambda: events.new_id("item"))
    text: str = ""
    """The text that was sent for it."""
    words: list[Word] = field(default_factory=list)
    seconds: float = 0.0
    language_code: str = ""
    last: int | None = None
    """The utterance that completes it, once it is committed."""
    dropped: bool = False
    paused: bool = False
    """True if what comes next was said after a pause."""


@dataclass
class _Utterance:
    """A part of an item."""

    item: Item
    told: int = 0
    """Characters of its text that were."""


@dataclass
class _Asked:
    """A commit or a clear that the service has not answered."""

    event_id: str | None
    is_commit: bool
    found_speech: bool = False


class Items:
    """The items of one session, over any number of streams to the service."""

    def __init__(self) -> None:
        self._session = SessionConfig()
        self._offset = 0.0
        self._previous: str | None = None
        self._unfinished: Item | None = None
        self._utterances: dict[int, _Utterance] = {}
        self._asked: deque[_Asked] = deque()
        self._pausing = False

    def begin(self, session: SessionConfig, offset: float) -> None:
        """A stream opens, ``offset`` seconds after the first."""
        self._session, self._offset = session, offset
        if not self._pausing:
            self._unfinished = None
        elif self._unfinished is not None:
            self._unfinished.paused = True
        self._pausing = False
        self._utterances.clear()
        self._asked.clear()

    def pause(self) -> None:
        """The stream is about to end, but what the caller has not committed goes on in the next one."""
        self._pausing = self._session.is_manual

    def ask(self, event_id: str | None, *, commit: bool) -> None:
        """The caller commits, or clears; a commit ends the utterance, and both drop what there is then."""
        self._asked.append(_Asked(event_id, commit))

    def events(self, heard: LiveTranscriptEvent) -> Iterator[Event]:
        """Yields the caller's events for an event of the service."""
        match heard:
            case SpeechStarted():
                yield from self._start(heard)
            case SpeechStopped():
                yield from self._stop(heard)
            case Hypothesis():
                yield from self._grow(self._utterances[heard.utterance], heard.stable_text)
            case UtteranceTranscript():
                yield from self._conclude(heard)
            case UtteranceDiscarded():
                yield from self._discard(heard)

    def failures(self, error: ApiError) -> Iterator[Event]:
        """Returns the events of items that will have no transcript."""
        items = [utterance.item for utterance in self._utterances.values()]
        for item_id in dict.fromkeys(item.id for item in items if not item.dropped):
            yield events.transcription("failed", item_id, error=error.body["error"])

    def _start(self, heard: SpeechStarted) -> Iterator[Event]:
        item = self._unfinished or Item()
        self._unfinished, self._utterances[heard.utterance] = None, _Utterance(item)
        if vad := self._session.input.vad:
            start = max(0, self._milliseconds(heard.at) - vad.prefix_padding_ms)
            yield events.event("input_audio_buffer.speech_started", audio_start_ms=start, item_id=item.id)

    def _stop(self, heard: SpeechStopped) -> Iterator[Event]:
        item = self._utterances[heard.utterance].item
        goes_on = heard.cause is EndCause.MAX_UTTERANCE or self._pausing
        if self._session.is_manual and goes_on:
            self._unfinished = item
            return
        if heard.cause is EndCause.CALLER:
            self._asked[0].found_speech = True
        elif vad := self._session.input.vad:
            waited = vad.silence_ms if heard.cause is EndCause.SILENCE else 0
            end = self._milliseconds(heard.at) + waited
            yield events.event("input_audio_buffer.speech_stopped", audio_end_ms=end, item_id=item.id)
        item.last = heard.utterance
        yield from self._commit(item)

    def _commit(self, item: Item) -> Iterator[Event]:
        yield from events.committed(item.id, self._previous)
        self._previous = item.id

    def _grow(self, utterance: _Utterance, text: str) -> Iterator[Event]:
        """``text`` is what is certain of the utterance so far."""
        item, more = utterance.item, text[utterance.told :]
        utterance.told = len(text)
        delta = more if item.text else more.lstrip()
        if item.paused and delta:
            delta, item.paused = f" {delta.lstrip()}", False
        if delta and not item.dropped:
            item.text += delta
            yield events.transcription("delta", item.id, delta=delta)

    def _conclude(self, heard: UtteranceTranscript) -> Iterator[Event]:
        utterance = self._utterances.pop(heard.utterance)
        item = utterance.item
        yield from self._grow(utterance, heard.text)
        item.words += heard.words
        item.seconds += heard.end - heard.start
        item.language_code = heard.language.code
        if heard.utterance == item.last:
            yield self._completed(item)

    def _completed(self, item: Item) -> Event:
        asked = LOGPROBS in (self._session.include or ())
        return events.transcription(
            "completed",
            item.id,
            transcript=item.text,
            usage={"type": "duration", "seconds": round(item.seconds, 3)},
            languages=[{"code": item.language_code}] if item.words else [],
            **({"logprobs": logprobs(item.words)} if asked else {}),
        )

    def conclude(self) -> Iterator[Event]:
        """The caller commits when nobody is speaking: what was to go on is complete, or there was nothing.

        OpenAI, too, makes an item of sound in which nobody speaks where the caller alone says when to.
        """
        item, self._unfinished = self._unfinished or Item(), None
        yield from self._commit(item)
        yield self._completed(item)

    def drop(self) -> None:
        """The caller has cleared what was not committed."""
        self._unfinished = None

    def _discard(self, heard: UtteranceDiscarded) -> Iterator[Event]:
        if heard.utterance is not None:
            self._utterances.pop(heard.utterance).item.dropped = True
        asked = self._asked.popleft()
        if not asked.is_commit:
            self.drop()
            yield events.event("input_audio_buffer.cleared")
        elif not asked.found_speech and self._session.is_manual:
            yield from self.conclude()
        elif not asked.found_speech:
            message = "Error committing input audio buffer: nobody has spoken since the last commit."
            yield events.error(empty(message), asked.event_id)

    def _milliseconds(self, at: float) -> int:
        """Returns milliseconds of the whole session."""
        return round((self._offset + at) * 1000)


def empty(message: str) -> ApiError:
    """OpenAI's error for a commit with nothing to commit."""
    return ApiError(400, message, code="input_audio_buffer_commit_empty")
