"""One log of many processes."""

import json
from contextlib import suppress
from itertools import cycle
from typing import TextIO

RESET = "\x1b[0m"
COLOURS = ("\x1b[36m", "\x1b[32m", "\x1b[35m", "\x1b[33m", "\x1b[34m")
OWN_NAME = "up"


class Log:
    """Lines with the name of their process in front, in a colour of its own on a terminal.

    As JSON, each line is an object that has the name as its ``process``: a program's own object, or a new one
    around what it wrote.
    """

    def __init__(self, stream: TextIO, *, as_json: bool = False) -> None:
        self._stream = stream
        self._as_json = as_json
        self._colours = cycle(COLOURS if stream.isatty() else ("",))
        self._colour_of: dict[str, str] = {}

    def say(self, text: str) -> None:
        """Writes the supervisor's own messages, one line each."""
        for line in text.splitlines():
            self.write(OWN_NAME, line)

    def write(self, name: str, line: str) -> None:
        """A line of the process ``name``."""
        written = _json(name, line) if self._as_json else f"{self._prefix(name)} {line}"
        # If nobody reads the log any more, the processes are still emptied: else they would stand still.
        with suppress(OSError):
            self._stream.write(f"{written}\n")
            self._stream.flush()

    def _prefix(self, name: str) -> str:
        if name not in self._colour_of:
            self._colour_of[name] = next(self._colours)
        colour = self._colour_of[name]
        return f"{colour}{name:<9}|{RESET if colour else ''}"


def _json(name: str, line: str) -> str:
    try:
        entry = json.loads(line)
    except ValueError:
        entry = line
    return json.dumps({"process": name, **(entry if isinstance(entry, dict) else {"message": line})})
