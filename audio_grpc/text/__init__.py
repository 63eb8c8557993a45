"""Text made ready for speech: cleaned, and split into pieces of a size that a model speaks well."""

from audio_grpc.text.normalize import clean, has_words
from audio_grpc.text.split import split
from audio_grpc.types import Strategy

__all__ = ["Strategy", "clean", "has_words", "split"]
