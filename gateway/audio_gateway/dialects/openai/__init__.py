"""OpenAI's audio API: https://platform.openai.com/docs/api-reference/audio."""

from audio_gateway.dialects.openai import realtime
from audio_gateway.dialects.openai.routes import PREFIX, router, speech_router

router.include_router(realtime.router)

__all__ = ["PREFIX", "router", "speech_router"]
