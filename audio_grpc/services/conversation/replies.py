"""Gets the replies of a conversation from a language model, and describes failures to the caller."""

from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any

from audio_grpc.chat import Chat, Done, Message, Token
from audio_grpc.errors import Busy, ChatBroken, ChatFailed, ModelFailed, SpeechError
from audio_grpc.pipelines import LlmSpec


class ReplyGenerator:
    """Asks for replies, and adds up the tokens that they take, as far as the endpoint states them."""

    def __init__(self, chat: Chat, spec: LlmSpec, longest_reply: int) -> None:
        self.prompt_tokens = self.completion_tokens = 0
        self._chat = chat
        self._spec = spec
        self._longest_reply = longest_reply

    async def reply(self, messages: list[Message]) -> AsyncGenerator[Token | Done, None]:
        """Tokens, and last that the reply is complete. ChatFailed, in one of its kinds."""
        size = 0
        async with aclosing(self._chat.reply(self._spec, messages)) as events:
            async for event in events:
                if isinstance(event, Done):
                    self.prompt_tokens += event.prompt_tokens
                    self.completion_tokens += event.completion_tokens
                else:
                    size += len(event.text)
                    if size > self._longest_reply:
                        raise ChatBroken(
                            f"the reply has more than {self._longest_reply} characters; lower max_tokens"
                        )
                yield event


def failure(error: SpeechError) -> dict[str, Any]:
    """Returns the fields of TurnFailed for an error."""
    recoverable = (
        error.recoverable if isinstance(error, ChatFailed) else isinstance(error, Busy | ModelFailed)
    )
    return {"reason": error.reason, "message": error.message, "recoverable": recoverable}
