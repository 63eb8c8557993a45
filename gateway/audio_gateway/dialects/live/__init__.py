"""Live speech over WebSocket: text goes in as it is written, sound comes out as it is spoken."""

from audio_gateway.dialects.live.routes import router

__all__ = ["router"]
