"""OpenAI's Realtime transcription: https://platform.openai.com/docs/guides/realtime-transcription."""

from audio_gateway.dialects.openai.realtime.routes import router

__all__ = ["router"]
