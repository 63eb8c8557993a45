"""The language and text that an utterance needs from the utterances before it."""

import re
from dataclasses import replace

from audio_grpc.services.continuation import PROMPT_RESET_ON_TEMPERATURE
from audio_grpc.types import Language, Segment, TranscriptionOptions, Word

CARRIED_CHARACTERS = 200
"""The end of one utterance. The more a small model is told, the more it makes up where little is said."""
CERTAIN = 0.8
"""The least probability of a detected language to be used for the utterances that follow."""
CROWD, CROWD_SECONDS = 3, 0.1
"""The number of words that nobody says within so many seconds."""
ECHO = 3
"""The number of words of an earlier utterance, or all of it, that is seldom said again."""


class LiveContext:
    """Carries language and text from utterance to utterance."""

    def __init__(self, options: TranscriptionOptions) -> None:
        # Utterances are short: in full, most of what the model looks at would be silence.
        self._options = replace(options, short_context=True)
        self._carried = ""

    @property
    def draft(self) -> TranscriptionOptions:
        """Options for a hypothesis: without the text before it, which misleads a quick guess."""
        return replace(self._options, draft=True)

    @property
    def fresh(self) -> TranscriptionOptions:
        """Options for an utterance without the text before it."""
        return self._options

    @property
    def careful(self) -> TranscriptionOptions:
        """The options to hear it again, if what was said before misled the model: on its own, and in full."""
        return replace(self._options, short_context=False)

    @property
    def carried(self) -> TranscriptionOptions | None:
        """Options for an utterance with the text before it as a prompt; None if there is no such text."""
        if not self._carried:
            return None
        return replace(self._options, prompt=(self._options.prompt or "") + self._carried)

    def is_misled(self, words: list[Word]) -> bool:
        """Tells if words repeat what was carried, or are crowded, as where a model repeats itself.

        Somebody may say the same again, so it is a reason to listen again on its own, not to drop anything.
        """
        said = _plain("".join(word.text for word in words))
        carried = _plain(self._carried)
        size = min(ECHO, len(carried))
        runs = {tuple(carried[start : start + size]) for start in range(len(carried) - size + 1)} - {()}
        crowds = zip(words, words[CROWD - 1 :], strict=False)
        return any(last.end - first.start < CROWD_SECONDS for first, last in crowds) or any(
            tuple(said[start : start + size]) in runs for start in range(len(said) - size + 1)
        )

    def hear(self, language: Language, segments: list[Segment]) -> None:
        """Keep in mind what an utterance said; not what was drawn at random, which is more likely wrong."""
        if segments and language.probability is not None and language.probability >= CERTAIN:
            self._options = replace(self._options, language_code=language.code)
        if any((segment.temperature or 0.0) > PROMPT_RESET_ON_TEMPERATURE for segment in segments):
            self._carried = ""
        elif text := "".join(segment.text for segment in segments):
            self._carried = _end_of(text)


def _end_of(text: str) -> str:
    """Returns the last words, none of them cut in two."""
    if len(text) <= CARRIED_CHARACTERS:
        return text
    end = text[-CARRIED_CHARACTERS:]
    return end[max(end.find(" "), 0) :]


def _plain(text: str) -> list[str]:
    return re.findall(r"\w+", text.casefold())
