"""Asks a language model for a reply, token by token: https://platform.openai.com/docs/api-reference/chat.

``endpoint.py`` is any OpenAI-compatible server; ``local.py`` runs one on this machine.
"""

from audio_grpc.chat.endpoint import Chat, Message
from audio_grpc.chat.events import Done, Token

__all__ = ["Chat", "Done", "Message", "Token"]
