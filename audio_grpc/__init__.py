"""Speech to text and text to speech as typed gRPC streams."""

from importlib.metadata import version

__version__ = version("audio-grpc")
