"""The gRPC status of each error, with details for programs, in a bounded number of bytes."""

import grpc
from google.protobuf.message import Message
from google.rpc.code_pb2 import Code
from google.rpc.error_details_pb2 import BadRequest, ErrorInfo, RetryInfo
from google.rpc.status_pb2 import Status

from audio_grpc import errors
from audio_grpc.convert import from_seconds

DOMAIN = "audio-grpc"
STATUS_DETAILS = "grpc-status-details-bin"
MOST_STATUS_BYTES = 4096
"""The most bytes of message, details and other trailers. Peers limit metadata, some to 8 KiB; a proxy that
gets more may cut the connection, which other callers share.
"""
MOST_TRAILER_BYTES = 512
"""The most bytes of trailers that are no part of the status."""

# The one table. A class that is not in it has the status of its nearest ancestor. A busy server is
# never UNAVAILABLE: a proxy would take a healthy replica out of service for it.
STATUSES = {
    errors.SpeechError: grpc.StatusCode.INTERNAL,
    errors.InvalidRequest: grpc.StatusCode.INVALID_ARGUMENT,
    errors.ModelNotFound: grpc.StatusCode.NOT_FOUND,
    errors.VoiceNotFound: grpc.StatusCode.NOT_FOUND,
    errors.JobNotFound: grpc.StatusCode.NOT_FOUND,
    errors.RequestNotFound: grpc.StatusCode.NOT_FOUND,
    errors.AudioNotKept: grpc.StatusCode.NOT_FOUND,
    errors.PipelineNotFound: grpc.StatusCode.NOT_FOUND,
    errors.VoiceExists: grpc.StatusCode.ALREADY_EXISTS,
    errors.RequestIdReused: grpc.StatusCode.ALREADY_EXISTS,
    errors.CloningUnavailable: grpc.StatusCode.FAILED_PRECONDITION,
    errors.ModelLoadFailed: grpc.StatusCode.FAILED_PRECONDITION,
    errors.TooManyVoices: grpc.StatusCode.FAILED_PRECONDITION,
    errors.JobInOtherState: grpc.StatusCode.FAILED_PRECONDITION,
    errors.JobIncomplete: grpc.StatusCode.FAILED_PRECONDITION,
    errors.ServerStopping: grpc.StatusCode.UNAVAILABLE,
    errors.Unauthenticated: grpc.StatusCode.UNAUTHENTICATED,
    errors.ScopeMissing: grpc.StatusCode.PERMISSION_DENIED,
    # No UNAVAILABLE either: another replica would call the same provider, several times over.
    errors.UpstreamFailed: grpc.StatusCode.INTERNAL,
    errors.UpstreamTimeout: grpc.StatusCode.DEADLINE_EXCEEDED,
    errors.StreamIdle: grpc.StatusCode.ABORTED,
    errors.Busy: grpc.StatusCode.RESOURCE_EXHAUSTED,
}


def status_code(error: errors.SpeechError) -> grpc.StatusCode:
    """Returns the gRPC status of an error."""
    return next(STATUSES[kind] for kind in type(error).__mro__ if kind in STATUSES)


def status(error: errors.SpeechError) -> Status:
    """The rich status of an error (https://google.aip.dev/193), its message as long as there is room for."""
    message = error.message
    while _wire_bytes(rich := _status(error, message)) > MOST_STATUS_BYTES - MOST_TRAILER_BYTES:
        message = errors.shortened(message, len(message) * 3 // 4)
    return rich


def _status(error: errors.SpeechError, message: str) -> Status:
    rich = Status(code=Code.Value(status_code(error).name), message=message)
    info = ErrorInfo(reason=error.reason, domain=DOMAIN)
    details: list[Message] = [info]
    if error.field:
        info.metadata["field"] = error.field
    if isinstance(error, errors.InvalidRequest) and error.field:
        violation = BadRequest.FieldViolation(field=error.field, description=message)
        details.append(BadRequest(field_violations=[violation]))
    if isinstance(error, errors.Busy):
        details.append(RetryInfo(retry_delay=from_seconds(error.retry_after_seconds)))
    for detail in details:
        rich.details.add().Pack(detail)
    return rich


def _wire_bytes(rich: Status) -> int:
    """Returns how long it is at most as grpc-message, which is percent-encoded, and as details, in base64."""
    text: int = sum(1 if 0x20 <= byte < 0x7F and byte != ord("%") else 3 for byte in rich.message.encode())
    details: int = 4 * -(-rich.ByteSize() // 3)
    return text + details + len(STATUS_DETAILS)
