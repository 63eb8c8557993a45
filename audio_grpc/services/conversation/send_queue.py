"""The queue of responses on their way to the caller."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from audio_grpc.convert import from_spoken
from audio_grpc.services.conversation.turn import Turn
from audio_grpc.types import SpokenAudio
from audio_grpc.v1 import conversation_pb2 as pb

MAX_WAITING = 16
"""Chunks of sound that may wait for a slow reader; more are not made."""


@dataclass(frozen=True)
class Chunk:
    """Sound of a turn's reply."""

    turn: Turn
    audio: SpokenAudio


@dataclass(frozen=True)
class BrokenOff:
    """The reply of a turn was. So many of its characters had been made sound, in whole pieces."""

    turn: Turn
    spoken_end: float


Item = pb.ConverseResponse | Chunk | BrokenOff


class SendQueue:
    """Messages in their order. What was heard of a reply is known once all before that has been sent.

    Sound of a reply that was broken off is dropped if the caller can do without (``droppable``): chunks of
    anything but bare samples belong to one file.
    """

    def __init__(self, *, droppable: bool, settle: Callable[[BrokenOff], pb.ConverseResponse | None]) -> None:
        self._droppable = droppable
        self._settle = settle
        self._items: asyncio.Queue[Item | None] = asyncio.Queue()
        self._memory = asyncio.Event()

    def put(self, item: Item) -> None:
        """Sends a small message."""
        self._items.put_nowait(item)

    async def put_audio(self, turn: Turn, audio: SpokenAudio) -> None:
        """Sends sound, once there is room for it."""
        while self._items.qsize() >= MAX_WAITING:
            self._memory.clear()
            await self._memory.wait()
        self._items.put_nowait(Chunk(turn, audio))

    def end(self) -> None:
        """Ends the messages."""
        self._items.put_nowait(None)

    async def next(self) -> pb.ConverseResponse | None:
        """The next message for the caller; None at the end."""
        while (item := await self._items.get()) is not None:
            self._memory.set()
            message = self._message(item)
            if message is not None:
                return message
        return None

    def _message(self, item: Item) -> pb.ConverseResponse | None:
        match item:
            case BrokenOff():
                return self._settle(item)
            case Chunk(turn, audio) if turn.is_broken_off and self._droppable:
                turn.dropped(audio)
                return None
            case Chunk(turn, audio):
                turn.sent(audio)
                return pb.ConverseResponse(audio=pb.ReplyAudio(turn=turn.number, audio=from_spoken(audio)))
            case _:
                return item
