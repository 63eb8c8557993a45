"""Around every call: domain errors become gRPC statuses, and the call is logged."""

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import aclosing, asynccontextmanager
from typing import Any, NoReturn

import grpc
from google.protobuf.message import DecodeError
from google.rpc.code_pb2 import Code
from google.rpc.error_details_pb2 import BadRequest, ErrorInfo, RetryInfo
from google.rpc.status_pb2 import Status
from grpc.aio import ServerInterceptor, ServicerContext

from audio_grpc import errors
from audio_grpc.convert import from_seconds
from audio_grpc.interceptors.handlers import Behaviour, is_open, rewrapped

DOMAIN = "audio-grpc"
STATUS_DETAILS = "grpc-status-details-bin"

# The one table. A class that is not in it has the status of its nearest ancestor. A busy server is
# never UNAVAILABLE: a proxy would take a healthy replica out of service for it.
STATUSES = {
    errors.SpeechError: grpc.StatusCode.INTERNAL,
    errors.InvalidRequest: grpc.StatusCode.INVALID_ARGUMENT,
    errors.ModelNotFound: grpc.StatusCode.NOT_FOUND,
    errors.VoiceNotFound: grpc.StatusCode.NOT_FOUND,
    errors.VoiceExists: grpc.StatusCode.ALREADY_EXISTS,
    errors.CloningUnavailable: grpc.StatusCode.FAILED_PRECONDITION,
    errors.ModelLoadFailed: grpc.StatusCode.FAILED_PRECONDITION,
    errors.Unauthenticated: grpc.StatusCode.UNAUTHENTICATED,
    errors.Busy: grpc.StatusCode.RESOURCE_EXHAUSTED,
}

Context = ServicerContext[Any, Any]
log = logging.getLogger(__name__)
access = logging.getLogger("audio_grpc.access")


def status_code(error: errors.SpeechError) -> grpc.StatusCode:
    """Which gRPC status an error has."""
    return next(STATUSES[kind] for kind in type(error).__mro__ if kind in STATUSES)


def status(error: errors.SpeechError) -> Status:
    """The rich status of an error: https://google.aip.dev/193."""
    rich = Status(code=Code.Value(status_code(error).name), message=error.message)
    info = ErrorInfo(reason=error.reason, domain=DOMAIN)
    if error.field:
        info.metadata["field"] = error.field
    rich.details.add().Pack(info)
    if isinstance(error, errors.InvalidRequest) and error.field:
        violation = BadRequest.FieldViolation(field=error.field, description=error.message)
        rich.details.add().Pack(BadRequest(field_violations=[violation]))
    if isinstance(error, errors.Busy):
        rich.details.add().Pack(RetryInfo(retry_delay=from_seconds(error.retry_after_seconds)))
    return rich


async def _abort(context: Context, error: errors.SpeechError) -> NoReturn:
    details = (STATUS_DETAILS, status(error).SerializeToString())
    await context.abort(status_code(error), error.message, trailing_metadata=(details,))


@asynccontextmanager
async def _guarded(method: str, context: Context) -> AsyncIterator[None]:
    """Turn what the body raises into the status of the call, and log how it went."""
    began = time.perf_counter()
    outcome = "OK"
    try:
        yield
    except errors.SpeechError as error:
        outcome = f"{status_code(error).name} {error.reason}: {error.message}"
        if isinstance(error, errors.ModelFailed):
            log.exception("%s failed", method, exc_info=error.__cause__)
        await _abort(context, error)
    except (asyncio.CancelledError, GeneratorExit):
        outcome = "CANCELLED"
        raise
    except Exception as error:
        outcome = f"INTERNAL: {error!r}"
        log.exception("%s failed", method)
        await _abort(context, errors.SpeechError("an internal error; the server's log has the details"))
    finally:
        access.info("%s %s %.0f ms", method, outcome, (time.perf_counter() - began) * 1000)


class Malformed:
    """What a request becomes that is not a message of the expected type."""

    def __init__(self, error: DecodeError) -> None:
        self.error = error


def _tolerant(deserialize: Callable[[bytes], Any]) -> Callable[[bytes], Any]:
    """Without this, gRPC answers a malformed request with INTERNAL and a bare text."""

    def parse(data: bytes) -> Any:
        try:
            return deserialize(data)
        except DecodeError as error:
            return Malformed(error)

    return parse


def _checked(request: Any) -> Any:
    if isinstance(request, Malformed):
        raise errors.MalformedMessage(
            f"the request cannot be read ({request.error}); it must be a message of this method's "
            "request type, with strings in UTF-8"
        )
    return request


async def _each_checked(requests: AsyncIterator[Any]) -> AsyncIterator[Any]:
    async for request in requests:
        yield _checked(request)


class Guard(ServerInterceptor):
    """Guards every method but those that are open to everybody (health and reflection)."""

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable[Any]],
        details: grpc.HandlerCallDetails,
    ) -> Any:
        """The handler of the call, with its behaviour guarded."""
        handler = await continuation(details)
        method: Any = details.method
        if handler is None or is_open(method):
            return handler
        name = method.rpartition("/")[2]
        check = _each_checked if handler.request_streaming else _checked
        guard = _guarded_stream if handler.response_streaming else _guarded_unary
        return rewrapped(
            handler, lambda behaviour: guard(name, behaviour, check), _tolerant(handler.request_deserializer)
        )


Check = Callable[[Any], Any]


def _guarded_unary(name: str, behaviour: Behaviour, check: Check) -> Behaviour:
    async def guarded(request: Any, context: Context) -> Any:
        async with _guarded(name, context):
            return await behaviour(check(request), context)

    return guarded


def _guarded_stream(name: str, behaviour: Behaviour, check: Check) -> Behaviour:
    # Writes by itself instead of yielding, so that a cancellation always lands in here, also while a
    # message waits for a slow reader, and closes the generator at once.
    async def guarded(request: Any, context: Context) -> None:
        async with _guarded(name, context), aclosing(behaviour(check(request), context)) as responses:
            async for response in responses:
                await context.write(response)

    return guarded
