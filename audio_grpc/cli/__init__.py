"""The command line; the only reader of arguments and environment."""

from audio_grpc.cli.app import main

__all__ = ["main"]
