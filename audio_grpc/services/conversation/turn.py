"""One turn: what the caller said, the reply as far as it was made, and as far as it was heard."""

import asyncio
import math
import time
from dataclasses import dataclass
from typing import Any

from audio_grpc.convert import from_seconds
from audio_grpc.services.conversation.history import DialogueExchange
from audio_grpc.types import SpokenAudio
from audio_grpc.v1.conversation_pb2 import TurnTiming

PLAYED_MARGIN_SECONDS = 0.02
"""Players count in blocks of samples."""


@dataclass
class SentPiece:
    """A piece of the reply that was sent as sound; places in the reply, seconds of the stream."""

    start: int
    end: int
    begins: float
    ends: float


class Turn:
    """One turn; ``began`` is when the caller was done, on ``time.perf_counter``."""

    def __init__(self, number: int, text_start: int, began: float) -> None:
        self.number = number
        self.text_start = text_start
        """The place of its reply in the text of the whole stream, in characters."""
        self.exchange: DialogueExchange | None = None
        """The exchange in the history, once the caller's words are known."""
        self.reply = ""
        self.thinking: asyncio.Task[None] | None = None
        self.failed: dict[str, Any] = {}
        """The reason for a missing or partial reply, by the names of TurnFailed."""
        self.is_spoken = False
        """True once all of the reply was made sound."""
        self.sounds_until = 0.0
        """The end of that sound, in seconds of the stream."""
        self.is_broken_off = False
        self.is_over = asyncio.Event()
        """The event that is set when no more is going to be made."""
        self._began = began
        self._moments: dict[str, float] = {}
        self._pieces: list[SentPiece] = []
        self._unheard_from = math.inf

    def note(self, moment: str) -> None:
        """Records the time of an event, by its name in TurnTiming; only the first time counts."""
        self._moments.setdefault(moment, time.perf_counter() - self._began)

    @property
    def timing(self) -> TurnTiming:
        """Returns the recorded times of the turn's events."""
        return TurnTiming(**{name: from_seconds(seconds) for name, seconds in self._moments.items()})

    def sent(self, audio: SpokenAudio) -> None:
        """Records sound that went to the caller; its places are those of the reply."""
        ends = audio.offset_seconds + audio.seconds
        if self._pieces and self._pieces[-1].end == audio.text_end:
            self._pieces[-1].ends = ends
        else:
            self._pieces.append(SentPiece(audio.text_start, audio.text_end, audio.offset_seconds, ends))

    def dropped(self, audio: SpokenAudio) -> None:
        """Records sound that was not sent."""
        self._unheard_from = min(self._unheard_from, audio.text_start)

    def was_played(self, seconds: float) -> bool:
        """Tells if all of its sound was played, when ``seconds`` of the stream were."""
        return seconds >= self.sounds_until - PLAYED_MARGIN_SECONDS

    def heard(self, spoken_end: float, played_seconds: float | None) -> str:
        """Returns the part of the reply that was heard.

        ``spoken_end``: so many characters were made sound, whole pieces. ``played_seconds``: so much of the
        stream was played; None if nobody tells: what was sent counts.
        """
        whole = min(spoken_end, self._unheard_from)
        end = 0
        for piece in self._pieces:
            if piece.end > whole:
                break
            if played_seconds is None or played_seconds >= piece.ends - PLAYED_MARGIN_SECONDS:
                end = piece.end
                continue
            return self.reply[: self._within(piece, played_seconds)].strip()
        return self.reply[:end].strip()

    def _within(self, piece: SentPiece, played_seconds: float) -> int:
        """Returns the place in the reply up to which a partly played piece was heard: the end of a word."""
        part = max(0.0, played_seconds - piece.begins) / (piece.ends - piece.begins)
        end = piece.start + int(part * (piece.end - piece.start))
        return max(self.reply.rfind(" ", piece.start, end + 1), piece.start)
