"""The history of requests: recorded while they run, written when they have ended."""

from audio_grpc.telemetry.history.history import History, HistoryRules
from audio_grpc.telemetry.history.messages import METHODS
from audio_grpc.telemetry.history.recording import AudioKept, Recording

__all__ = ["METHODS", "AudioKept", "History", "HistoryRules", "Recording"]
