"""Chatterbox's names for the fields of gRPC requests, for errors that name one."""

from typing import Any

from audio_gateway.errors import ApiError, from_service
from audio_grpc.client import ServiceError

PARAMS = {
    "text": "input",
    "encoding": "response_format",
    "splitting.target_size": "streaming_chunk_size",
    "splitting.strategy": "streaming_strategy",
    "read_ahead": "streaming_buffer_size",
    "sample": "voice_file",
    "sample.audio": "voice_file",
    "language_code": "language",
    "id": "voice_name",
    "name": "voice_name",
    "aliases": "alias",
}
NEW_NAMES = {**PARAMS, "name": "new_name"}
JOB_NAMES = {**PARAMS, "id": "job_id"}


def translate(error: ServiceError) -> ApiError:
    """Returns the service's error with Chatterbox's names of fields."""
    return from_service(error, PARAMS)


def translate_rename(error: ServiceError) -> ApiError:
    """Returns the service's error for a request in which ``new_name`` is the name."""
    return from_service(error, NEW_NAMES)


def translate_job(error: ServiceError) -> ApiError:
    """Returns the service's error for a request in which ``job_id`` is the id."""
    return from_service(error, JOB_NAMES)


def error_status(error: ApiError) -> int:
    """422 for a request of another shape than its path asks for."""
    return 422 if error.problems else error.status


def error_body(error: ApiError) -> dict[str, Any]:
    """OpenAI's, and beside it what FastAPI says by itself of such a request."""
    return {**error.body, "detail": error.problems} if error.problems else error.body
