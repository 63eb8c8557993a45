"""The API of Chatterbox TTS, with its streaming: https://github.com/travisvn/chatterbox-tts-api."""

from audio_gateway.dialects.chatterbox.errors import error_body, error_status
from audio_gateway.dialects.chatterbox.routes import PREFIX, router

__all__ = ["PREFIX", "error_body", "error_status", "router"]
