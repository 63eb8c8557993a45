"""OpenAI's audio API: https://platform.openai.com/docs/api-reference/audio."""

from gateway.dialects.openai.routes import PREFIX, router

__all__ = ["PREFIX", "router"]
