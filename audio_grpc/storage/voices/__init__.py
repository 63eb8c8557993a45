"""Keeping the voices that callers made from samples."""

from audio_grpc.storage.voices.folder import FolderVoices
from audio_grpc.storage.voices.store import EVERYBODYS, Viewer, VoiceStore, is_id, new_id

__all__ = ["EVERYBODYS", "FolderVoices", "Viewer", "VoiceStore", "is_id", "new_id"]
