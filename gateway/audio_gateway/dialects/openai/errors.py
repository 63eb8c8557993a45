"""OpenAI's names for the fields of gRPC requests, for errors that name one."""

from audio_gateway.errors import ApiError, from_service
from audio_grpc.client import ServiceError

PARAMS = {
    "text": "input",
    "encoding": "response_format",
    "sample_rate_hertz": "sample_rate",
    "language_code": "language",
    "language_codes": "languages",
    "audio": "file",
    "hotwords": "keywords",
    "sample": "audio_sample",
    "voice_activity_parameters.threshold": "chunking_strategy",
    "voice_activity_parameters.min_silence": "chunking_strategy",
    "voice_activity_parameters.padding": "chunking_strategy",
}


MODEL_PARAMS = {"name": "model"}


def translate_model(error: ServiceError) -> ApiError:
    """Returns the service's error for a request about a model."""
    return from_service(error, MODEL_PARAMS)


def translate(error: ServiceError) -> ApiError:
    """Returns the service's error with OpenAI's names of fields."""
    return from_service(error, PARAMS)
