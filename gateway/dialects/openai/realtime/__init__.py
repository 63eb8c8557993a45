"""OpenAI's Realtime transcription: https://platform.openai.com/docs/guides/realtime-transcription."""

from gateway.dialects.openai.realtime.routes import router

__all__ = ["router"]
