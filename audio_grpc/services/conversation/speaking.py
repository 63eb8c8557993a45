"""Has the replies of a conversation spoken, one after the other, as one stream of live speech."""

from collections import deque
from collections.abc import Callable
from contextlib import aclosing
from dataclasses import replace

from audio_grpc.services.conversation.inbox import Inbox
from audio_grpc.services.conversation.send_queue import BrokenOff, SendQueue
from audio_grpc.services.conversation.turn import Turn
from audio_grpc.services.live_speech import LiveSynthesis
from audio_grpc.services.pipeline import SpeechFinished
from audio_grpc.services.streaming_synthesizer import Paused
from audio_grpc.types import SpeechCancelled, SpokenAudio
from audio_grpc.v1.text_to_speech_pb2 import SpeechCancel, SpeechFlush, StreamingSynthesizeRequest


class Speaker:
    """Passes the text of turns to live speech, and its sound to the queue.

    ``on_spoken`` is told of each turn that was spoken to its end.
    """

    def __init__(self, speech: LiveSynthesis, queue: SendQueue, on_spoken: Callable[[Turn], None]) -> None:
        self.written = 0
        """Characters that all turns have said."""
        self.total = SpeechFinished()
        self._speech = speech
        self._queue = queue
        self._on_spoken = on_spoken
        self._inbox: Inbox[StreamingSynthesizeRequest] = Inbox()
        self._turns: deque[Turn] = deque()
        self._last = Turn(0, 0, 0.0)

    def begin(self, turn: Turn) -> None:
        """Starts a turn: text that is said from now on belongs to it."""
        self._turns.append(turn)

    def say(self, text: str) -> None:
        """The reply goes on."""
        self.written += len(text)
        self._inbox.send(StreamingSynthesizeRequest(text=text))

    def complete(self) -> None:
        """Marks the reply as complete."""
        self._inbox.send(StreamingSynthesizeRequest(flush=SpeechFlush()))

    def cancel(self) -> None:
        """The reply is broken off; the queue gets to know how far it came."""
        self._inbox.send(StreamingSynthesizeRequest(cancel=SpeechCancel()))

    async def end(self) -> None:
        """Ends the turns."""
        await self._inbox.end()

    async def run(self) -> None:
        """Speaks until the turns have ended."""
        async with aclosing(self._speech.events(self._inbox.requests())) as events:
            async for event in events:
                match event:
                    case SpokenAudio():
                        await self._send(event)
                    case Paused(is_complete=True) if not self._turns[0].is_broken_off:
                        self._last = self._turns.popleft()
                        self._on_spoken(self._last)
                    case SpeechCancelled():
                        self._last = self._turns.popleft()
                        spoken_end = event.spoken_end - self._last.text_start
                        self._queue.put(BrokenOff(self._last, spoken_end))
                    case SpeechFinished():
                        self.total = event

    async def _send(self, audio: SpokenAudio) -> None:
        """Puts sound into the queue; sound after a turn's end still belongs to that turn."""
        turn = self._turns[0] if self._turns else self._last
        turn.note("first_audio")
        turn.sounds_until = audio.offset_seconds + audio.seconds
        start, end = (max(0, place - turn.text_start) for place in (audio.text_start, audio.text_end))
        await self._queue.put_audio(turn, replace(audio, text_start=start, text_end=end))
