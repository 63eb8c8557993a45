"""Text made ready for speech: cleaned, and split into pieces of a size that a model speaks well."""

from audio_grpc.text.incremental import IncrementalSplitter
from audio_grpc.text.normalize import clean, encodable, has_words, hidden_characters
from audio_grpc.text.pieces import Pieces
from audio_grpc.text.split import DEFAULT_TARGET_SIZES, require_target_size, split
from audio_grpc.text.spoken import spoken
from audio_grpc.types import Strategy

__all__ = [
    "DEFAULT_TARGET_SIZES",
    "IncrementalSplitter",
    "Pieces",
    "Strategy",
    "clean",
    "encodable",
    "has_words",
    "hidden_characters",
    "require_target_size",
    "split",
    "spoken",
]
