"""OpenAI's names of models, so that its clients find a model by the names that they ask for unasked.

The names in :data:`LISTED` are shown in listings. Others are recognised by how they are formed, since OpenAI
adds some every few months, and clients soon ask for those by default.
"""

import re
from collections.abc import Iterator
from enum import Enum

# https://platform.openai.com/docs/models
LISTED = {
    "synthesizers": ("tts-1", "tts-1-hd", "gpt-4o-mini-tts"),
    "transcribers": ("whisper-1", "gpt-4o-transcribe", "gpt-4o-mini-transcribe"),
}
_NAME = re.compile(r"[a-z0-9.-]{1,64}")
_SNAPSHOT = re.compile(r"-(\d{4}-\d{2}-\d{2}|\d{4}|latest)$")


class Family(Enum):
    """Models that do one thing: names such as ``tts-1-hd``, and all of GPT's that have one of the words."""

    SPEAKS = (re.compile(r"tts(-\d+)?(-hd)?(-\d+)?"), {"tts"})
    TRANSCRIBES = (re.compile(r"whisper(-\d+)?"), {"transcribe", "whisper"})

    def has(self, name: str) -> bool:
        """Tells whether ``name`` is formed as those of the family."""
        plain, words = self.value
        if not _NAME.fullmatch(name):
            return False
        first, *rest = name.split("-")
        return plain.fullmatch(name) is not None or (first == "gpt" and not words.isdisjoint(rest))


def spellings(name: str) -> Iterator[str]:
    """The name, and that of the model which it is a snapshot of: ``tts-1-hd`` for ``tts-1-hd-1106``."""
    yield name
    if snapshot := _SNAPSHOT.search(name):
        yield name[: snapshot.start()]


def leaves_turns_to_callers(name: str) -> bool:
    """Tells whether a name is of OpenAI's live models, which find no ends of turns: their callers commit."""
    first, *rest = name.split("-")
    return first == "gpt" and not {"live", "realtime"}.isdisjoint(rest)
