"""Speech that is still being spoken: where utterances start and stop, and which words are certain."""

from audio_grpc.live.agreement import Agreement, evenly_timed, settled
from audio_grpc.live.detector import FRAME_SAMPLES, RATE_HERTZ, Loudness, VoiceDetector
from audio_grpc.live.endpointer import Endpointer, Endpointing, SpeechOffset, SpeechOnset
from audio_grpc.live.segmenter import Heard, UtteranceAudio, UtteranceSegmenter

__all__ = [
    "FRAME_SAMPLES",
    "RATE_HERTZ",
    "Agreement",
    "Endpointer",
    "Endpointing",
    "Heard",
    "Loudness",
    "SpeechOffset",
    "SpeechOnset",
    "UtteranceAudio",
    "UtteranceSegmenter",
    "VoiceDetector",
    "evenly_timed",
    "settled",
]
