"""Conversations: hearing, thinking and speaking at the same time, turn by turn."""

from audio_grpc.services.conversation.servicer import ConversationServicer

__all__ = ["ConversationServicer"]
