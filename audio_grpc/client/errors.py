"""The error of a failed call."""

from typing import Any, Self

import grpc
from google.rpc.error_details_pb2 import ErrorInfo, RetryInfo
from google.rpc.status_pb2 import Status

from audio_grpc.convert import to_seconds

# gRPC's own words and codes where a connection breaks off in the middle of a call: no server has answered so.
BROKEN_OFF = ("RST_STREAM", "Stream removed", "Socket closed")
OF_GRPC = (grpc.StatusCode.INTERNAL, grpc.StatusCode.UNKNOWN, grpc.StatusCode.UNAVAILABLE)


class ServiceError(Exception):
    """An error that the server answered, or gRPC itself reported.

    ``reason`` is the stable name for programs (such as QUEUE_FULL), empty if the error is gRPC's own;
    ``field`` is the request field at fault, if one is; ``retry_after_seconds`` when to try again, if the
    server said so.
    """

    def __init__(
        self,
        code: grpc.StatusCode,
        message: str,
        *,
        reason: str = "",
        field: str | None = None,
        retry_after_seconds: float | None = None,
    ) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.reason = reason
        self.field = field
        self.retry_after_seconds = retry_after_seconds

    @classmethod
    def of(cls, error: Any) -> Self:
        """Makes one from an error of either of gRPC's APIs."""
        return cls.from_status(error.code(), error.details(), error.trailing_metadata())

    @classmethod
    def from_status(cls, code: grpc.StatusCode, details: str | None, trailing_metadata: Any) -> Self:
        """Makes one from the three parts of a status; understands google.rpc.Status.

        UNAVAILABLE if the connection broke off, whatever gRPC makes of that.
        """
        trailers = tuple(trailing_metadata or ())
        if not trailers and code in OF_GRPC and any(words in (details or "") for words in BROKEN_OFF):
            return cls(
                grpc.StatusCode.UNAVAILABLE,
                "the connection to the server broke off in the middle of the call, and what was received is "
                "not complete; try again",
            )
        translated = cls(code, details or code.name)
        for key, value in trailers:
            if key == "grpc-status-details-bin":
                translated._read(Status.FromString(value))
        return translated

    def _read(self, status: Status) -> None:
        info, retry = ErrorInfo(), RetryInfo()
        for detail in status.details:
            if detail.Unpack(info):
                self.reason, self.field = info.reason, info.metadata.get("field")
            elif detail.Unpack(retry):
                self.retry_after_seconds = to_seconds(retry.retry_delay)
