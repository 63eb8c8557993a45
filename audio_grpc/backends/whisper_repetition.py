"""Tells if a short text says one thing over and over, as a model does that has lost its place.

Whisper compares a text with its compressed size, which tells nothing of a text of a few words.
"""

import re
import zlib

COMPRESSION_RATIO_THRESHOLD = 2.4
"""Whisper's own."""
_WORD = re.compile(r"\w+")


def repeats(text: str) -> bool:
    """Tells if some words come twice without others between them ("25 25"), or it compresses too well.

    People repeat themselves, too ("no, no"): it is a reason to listen again, not to drop anything.
    """
    words = _WORD.findall(text.casefold())
    data = text.encode()
    return any(_follows_itself(words, size) for size in range(1, len(words) // 2 + 1)) or (
        len(data) > COMPRESSION_RATIO_THRESHOLD * len(zlib.compress(data))
    )


def _follows_itself(words: list[str], size: int) -> bool:
    return any(
        words[start : start + size] == words[start + size : start + 2 * size]
        for start in range(len(words) - 2 * size + 1)
    )
