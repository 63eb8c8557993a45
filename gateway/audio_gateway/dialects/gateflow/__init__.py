"""GateFlow's streaming speech: voice pipelines as newline-delimited events and over WebSocket."""

from audio_gateway.dialects.gateflow.routes import PREFIX, own_router, router

__all__ = ["PREFIX", "own_router", "router"]
