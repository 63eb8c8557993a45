"""Errors in GateFlow's shape: within a stream, each tells if another try can succeed."""

from typing import Any

from audio_gateway.errors import SERVER, ApiError, from_service
from audio_grpc.client import ServiceError
from audio_grpc.v1.conversation_pb2 import TurnFailed

PARAMS = {
    "model": "model",
    "voice": "tts.voice",
    "speed": "tts.speed",
    "language_code": "stt.language",
    "options.thinking.max_tokens": "llm.max_tokens",
    "options.thinking.temperature": "llm.temperature",
    "options.thinking.system_prompt": "llm.system_prompt",
    "options.endpointing.silence": "vad.silence_threshold_ms",
    "options.context": "context",
    "encoding": "audio_format",
    "sample_rate_hertz": "sample_rate",
}
RECOVERABLE = {408, 409, 429, 502, 503, 504}
"""HTTP statuses of what may go well the next time."""
TURN_STATUSES = {"CHAT_UNREACHABLE": 503, "CHAT_TIMEOUT": 504, "CHAT_BROKEN": 502, "CHAT_REFUSED": 502}


def translate(error: ServiceError) -> ApiError:
    """Returns the service's error with GateFlow's names of fields."""
    return from_service(error, PARAMS)


def event(error: ApiError) -> dict[str, Any]:
    """An error within a stream."""
    recoverable = error.status in RECOVERABLE
    return {"type": "error", "message": error.message, "code": error.code, "recoverable": recoverable}


def failure(error: ServiceError) -> dict[str, Any]:
    """Returns an event for an error of the service."""
    return event(translate(error))


def turn_event(failed: TurnFailed) -> dict[str, Any]:
    """Returns an event for a turn that failed."""
    code = failed.reason.lower()
    return {"type": "error", "message": failed.message, "code": code, "recoverable": failed.recoverable}


def turn_error(failed: TurnFailed) -> ApiError:
    """Returns the answer for a turn that failed."""
    status = TURN_STATUSES.get(failed.reason, 503 if failed.recoverable else 400)
    code = failed.reason.lower()
    if status == 400:
        return ApiError(status, failed.message, param="audio", code=code)
    retry_after_seconds = 1.0 if failed.recoverable else None
    return ApiError(status, failed.message, type=SERVER, code=code, retry_after_seconds=retry_after_seconds)
