"""Models of other providers, over OpenAI's HTTP API. docs/guides/upstream.md says how to set them up."""

from audio_grpc.backends.openai_upstream.listener import UpstreamListener
from audio_grpc.backends.openai_upstream.speaker import UpstreamSpeaker

__all__ = ["UpstreamListener", "UpstreamSpeaker"]
