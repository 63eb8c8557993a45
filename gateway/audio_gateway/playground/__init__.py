"""One page at ``/`` to hear and try the service with: plain HTML, CSS and ES modules, no build step."""

from audio_gateway.playground.routes import make_router

__all__ = ["make_router"]
