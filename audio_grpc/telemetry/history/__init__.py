"""The history of requests: recorded while they run, written when they have ended."""

from audio_grpc.telemetry.history.history import HistoryConfig, RequestHistory
from audio_grpc.telemetry.history.messages import METHODS
from audio_grpc.telemetry.history.recording import AudioKept, CallRecording

__all__ = ["METHODS", "AudioKept", "CallRecording", "HistoryConfig", "RequestHistory"]
