"""Errors of the gateway: one table from gRPC to HTTP, and OpenAI's shape for all of them.

https://platform.openai.com/docs/guides/error-codes; every error body has all four keys.
"""

import math
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import grpc
from pydantic import BaseModel
from starlette.requests import HTTPConnection, Request

from audio_grpc.client import ServiceError
from audio_grpc.errors import LONGEST_MESSAGE, QUOTED_CHARACTERS, shortened

INVALID, AUTHENTICATION, RATE, SERVER = (
    "invalid_request_error",
    "authentication_error",
    "rate_limit_error",
    "server_error",
)
Code = grpc.StatusCode

# HTTP status and type of error for each gRPC status. 499 is what proxies log for a caller who left.
STATUSES: dict[grpc.StatusCode, tuple[int, str]] = {
    Code.INVALID_ARGUMENT: (400, INVALID),
    Code.OUT_OF_RANGE: (400, INVALID),
    Code.FAILED_PRECONDITION: (400, INVALID),
    Code.UNAUTHENTICATED: (401, AUTHENTICATION),
    Code.PERMISSION_DENIED: (403, INVALID),
    Code.NOT_FOUND: (404, INVALID),
    Code.ALREADY_EXISTS: (409, INVALID),
    Code.ABORTED: (409, SERVER),
    Code.RESOURCE_EXHAUSTED: (429, RATE),
    Code.CANCELLED: (499, SERVER),
    Code.UNKNOWN: (500, SERVER),
    Code.INTERNAL: (500, SERVER),
    Code.DATA_LOSS: (500, SERVER),
    Code.UNIMPLEMENTED: (501, SERVER),
    Code.UNAVAILABLE: (503, SERVER),
    Code.DEADLINE_EXCEEDED: (504, SERVER),
}
# Reasons that HTTP has a better status for than their gRPC status has.
STATUSES_BY_REASON = {
    "JOB_STATE": (409, INVALID),
    "JOB_INCOMPLETE": (409, INVALID),
    "MESSAGE_TOO_LARGE": (413, INVALID),
    "MODEL_LOAD_FAILED": (503, SERVER),
    "STREAM_IDLE": (408, INVALID),
    "UPSTREAM_FAILED": (502, SERVER),
}
# The names that OpenAI's clients know; any other reason is its own name in lower case.
CODES_BY_REASON = {
    "API_KEY_MISSING": "invalid_api_key",
    "API_KEY_INVALID": "invalid_api_key",
    "SCOPE_MISSING": "missing_scope",
    "QUEUE_FULL": "rate_limit_exceeded",
    "RATE_LIMITED": "rate_limit_exceeded",
    "UPSTREAM_BUSY": "rate_limit_exceeded",
    "MEMORY_SHORT": "rate_limit_exceeded",
    "BUSY": "rate_limit_exceeded",
}
RETRY_SOON_SECONDS = 1.0
WRAPPERS = ("options", "speech", "voice")
"""Fields of requests that have other fields in them, which stand for themselves in a dialect."""


class ErrorDetails(BaseModel):
    """An error: its cause, and advice."""

    message: str
    type: str
    param: str | None
    code: str | None


class ErrorBody(BaseModel):
    """The body of every error."""

    error: ErrorDetails


@dataclass
class ApiError(Exception):
    """Raised for an answer that is an error."""

    status: int
    message: str
    type: str = INVALID
    param: str | None = None
    code: str | None = None
    retry_after_seconds: float | None = None
    problems: Sequence[Mapping[str, Any]] = ()
    """Problems with the shape of a request: ``type``, ``loc`` and ``msg``, as in FastAPI."""

    def __post_init__(self) -> None:
        # Both can have in them what a caller sent.
        self.message = shortened(self.message, LONGEST_MESSAGE)
        self.param = self.param and shortened(self.param, QUOTED_CHARACTERS)

    @property
    def body(self) -> dict[str, Any]:
        """All four keys, whether they have a value or not."""
        details = ErrorDetails(message=self.message, type=self.type, param=self.param, code=self.code)
        return ErrorBody(error=details).model_dump()

    @property
    def headers(self) -> dict[str, str]:
        """The headers: the time to retry, in seconds (RFC 9110) and milliseconds, and the scheme of keys."""
        headers = {}
        if self.retry_after_seconds is not None:
            headers["retry-after"] = str(max(1, math.ceil(self.retry_after_seconds)))
            headers["retry-after-ms"] = str(math.ceil(self.retry_after_seconds * 1000))
        if self.status == 401:
            headers["www-authenticate"] = "Bearer"
        return headers


Translate = Callable[[ServiceError], ApiError]


def speaks(translate: Translate) -> Callable[[HTTPConnection], Awaitable[None]]:
    """A dependency of a dialect's routes: their errors are in its terms."""

    async def remember(request: HTTPConnection) -> None:  # a coroutine, which FastAPI sends to no thread
        request.state.translate = translate

    return remember


def translated(error: ServiceError, request: Request) -> ApiError:
    """The error in the terms of the dialect that the request is in."""
    translate: Translate = getattr(request.state, "translate", partial(from_service, params={}))
    return translate(error)


def from_service(error: ServiceError, params: Mapping[str, str]) -> ApiError:
    """Returns an HTTP error for the gRPC service's; ``params`` are the dialect's names of gRPC's fields."""
    status, kind = STATUSES_BY_REASON.get(error.reason) or STATUSES.get(error.code, (500, SERVER))
    retry = error.retry_after_seconds
    if retry is None and error.code is Code.UNAVAILABLE:
        retry = RETRY_SOON_SECONDS
    return ApiError(
        status=status,
        message=error.message,
        type=kind,
        param=_param(error.field, params) if error.field else None,
        code=CODES_BY_REASON.get(error.reason, error.reason.lower()) or error.code.name.lower(),
        retry_after_seconds=retry,
    )


def _param(field: str, params: Mapping[str, str]) -> str:
    """The dialect's name of a field. No caller of a dialect knows the messages that are around it in gRPC."""
    if field in params:
        return params[field]
    outer, _, inner = field.partition(".")
    return _param(inner, params) if inner and outer in WRAPPERS else field
