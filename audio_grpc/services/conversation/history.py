"""The exchanges of a conversation that the language model is told."""

from collections.abc import Iterable
from dataclasses import dataclass
from math import ceil

from audio_grpc.chat import Message

CHARACTERS_PER_TOKEN = 4
"""The average for English text; the endpoint's own tokens are unknown here."""


@dataclass
class DialogueExchange:
    """The caller's words, and the part of the reply that was heard; either may be empty."""

    user: str
    assistant: str = ""

    @property
    def tokens(self) -> int:
        """Estimated."""
        return estimate(self.user) + estimate(self.assistant)


class DialogueHistory:
    """Remembers the latest exchanges, within a budget of tokens."""

    def __init__(self, system_prompt: str, tokens: int, before: Iterable[Message] = ()) -> None:
        self._system_prompt = system_prompt
        self._tokens = tokens
        self._exchanges: list[DialogueExchange] = []
        for message in before:
            if message.role == "user":
                self._exchanges.append(DialogueExchange(message.text))
            else:
                self._said(message.text)

    def begin(self, user: str) -> DialogueExchange:
        """Another exchange, in which nothing was replied yet."""
        self._exchanges.append(DialogueExchange(user))
        return self._exchanges[-1]

    def messages(self) -> list[Message]:
        """The system prompt, and the latest exchanges, as many as the budget has room for, but at least one.

        Older ones are forgotten. What was said twice in a row by the same side becomes one message, as some
        models want sides to alternate.
        """
        self._forget()
        messages = [Message("system", self._system_prompt)] if self._system_prompt else []
        for exchange in self._exchanges:
            for role, text in (("user", exchange.user), ("assistant", exchange.assistant)):
                if not text:
                    continue
                if messages and messages[-1].role == role:
                    text = f"{messages.pop().text}\n{text}"
                messages.append(Message(role, text))  # type: ignore[arg-type]
        return messages

    def _said(self, assistant: str) -> None:
        if not self._exchanges or self._exchanges[-1].assistant:
            self.begin("")
        self._exchanges[-1].assistant = assistant

    def _forget(self) -> None:
        left = self._tokens - estimate(self._system_prompt)
        kept = 0
        for exchange in reversed(self._exchanges):
            left -= exchange.tokens
            if left < 0 and kept:
                break
            kept += 1
        del self._exchanges[: len(self._exchanges) - kept]


def estimate(text: str) -> int:
    """Estimates the number of tokens of a text."""
    return ceil(len(text) / CHARACTERS_PER_TOKEN)
