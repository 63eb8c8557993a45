"""The text of live speech on its way from the event loop, where it arrives, to the model that speaks it."""

import threading
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum, auto

from audio_grpc.text import IncrementalSplitter


class _Command(Enum):
    FLUSH = auto()
    SETTLE = auto()
    END = auto()


@dataclass(frozen=True)
class TextPiece:
    """A piece to speak, and its place in the text of the whole stream, in characters."""

    text: str
    start: int
    end: int


@dataclass(frozen=True)
class Pause:
    """Stands where nothing follows for a while, so that no sound should be held back."""

    is_complete: bool
    """True if the text so far was said to be complete; else nothing was written for a while."""


class TextBuffer:
    """The text between two cancels.

    The event loop writes it, and one generator at a time reads its pieces on a model's thread. What is
    written goes through a deque, since appending to one and taking from it need no lock.
    """

    def __init__(self, start: int, splitter: IncrementalSplitter) -> None:
        self.start = self.end = start
        """The place in the text of the whole stream, in characters."""
        self.cancelled = threading.Event()
        """The event that ends the buffer: set by the event loop, seen by the generator at its next chunk."""
        self._ended = False
        self._settled = True
        self._splitter = splitter
        self._inbox: deque[str | _Command] = deque()
        self._read = start

    # On the event loop.

    def write(self, text: str) -> None:
        """The text goes on with this."""
        self.end += len(text)
        self._settled = False
        self._inbox.append(text)

    def flush(self) -> None:
        """Has the text so far spoken, because it is complete."""
        self._inbox.append(_Command.FLUSH)

    def finish(self) -> None:
        """Ends the text."""
        self._ended = True
        self._inbox.append(_Command.END)

    def settle(self) -> None:
        """Has the text so far spoken, because nothing was written for a while."""
        self._settled = True
        self._inbox.append(_Command.SETTLE)

    @property
    def has_news(self) -> bool:
        """Tells if something was written that no generator has read."""
        return bool(self._inbox)

    @property
    def is_over(self) -> bool:
        """Tells if nothing is left to speak, now or later."""
        return self.cancelled.is_set() or (self._ended and not self._inbox)

    @property
    def is_unsettled(self) -> bool:
        """Tells if some text waits for more. Call it only while no generator reads."""
        return not self._settled and self._splitter.has_text

    # On a model's thread.

    def pieces(self) -> Iterator[TextPiece | Pause]:
        """Yields the pieces that can be spoken now, and pauses, until no more text is there."""
        taken: str | _Command = ""
        while not self.cancelled.is_set():
            text = self._splitter.next()
            if text is not None:
                start, self._read = self._read, self._read + len(text)
                yield TextPiece(text, start, self._read)
            elif taken in (_Command.FLUSH, _Command.SETTLE):
                yield Pause(is_complete=taken is _Command.FLUSH)
                taken = ""
            elif self._inbox:
                taken = self._inbox.popleft()
                self._take(taken)
            else:
                return

    def _take(self, written: str | _Command) -> None:
        match written:
            case str():
                self._splitter.feed(written)
            case _Command.SETTLE:
                self._splitter.settle()
            case _:
                self._splitter.flush()
