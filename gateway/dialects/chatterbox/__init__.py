"""The API of Chatterbox TTS, with its streaming: https://github.com/travisvn/chatterbox-tts-api."""

from gateway.dialects.chatterbox.routes import router

__all__ = ["router"]
