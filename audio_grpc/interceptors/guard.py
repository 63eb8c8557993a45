"""Around every call of ours: domain errors become gRPC statuses, and the call is observed."""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, aclosing, asynccontextmanager
from functools import partial
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
from audio_grpc.telemetry.call import Call
from audio_grpc.telemetry.observer import REQUEST_ID, Observer

DOMAIN = "audio-grpc"
STATUS_DETAILS = "grpc-status-details-bin"
DEADLINE_MARGIN_SECONDS = 0.1

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
    errors.CloningUnavailable: grpc.StatusCode.FAILED_PRECONDITION,
    errors.ModelLoadFailed: grpc.StatusCode.FAILED_PRECONDITION,
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

Context = ServicerContext[Any, Any]
log = logging.getLogger(__name__)


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


async def _abort(call: Call, context: Context, error: errors.SpeechError) -> NoReturn:
    call.fail(status_code(error).name, error.reason, error.field)
    details = (STATUS_DETAILS, status(error).SerializeToString())
    named = (REQUEST_ID, call.request_id)
    await context.abort(status_code(error), error.message, trailing_metadata=(details, named))


def _left(context: Context) -> str:
    """Why a call was cancelled: callers cancel at their deadline, which is a little before ours."""
    remaining: Any = context.time_remaining()  # None without a deadline, whatever the stubs say
    at_deadline = remaining is not None and remaining < DEADLINE_MARGIN_SECONDS
    return "DEADLINE_EXCEEDED" if at_deadline else "CANCELLED"


@asynccontextmanager
async def _guarded(observer: Observer, path: str, context: Context) -> AsyncIterator[Call]:
    """Turn what the body raises into the status of the call, and have the call observed.

    The request id is in the trailers. Sending it ahead would tell proxies that the answer has begun while
    none has, and they send only those calls to another server that got no answer from the first.
    """
    with observer.observe(path, context.invocation_metadata() or ()) as call:
        context.set_trailing_metadata(((REQUEST_ID, call.request_id),))
        try:
            yield call
        except errors.SpeechError as error:
            if isinstance(error, errors.ModelFailed):
                log.exception("%s failed", call.method, exc_info=error.__cause__)
            await _abort(call, context, error)
        except (asyncio.CancelledError, GeneratorExit):
            if call.interruption is not None and (task := asyncio.current_task()) is not None:
                task.uncancel()  # or the answer could not be sent
                await _abort(call, context, call.interruption)
            call.fail(_left(context))
            raise
        except grpc.aio.InternalError:
            # A message could not be sent, as the caller has left: gRPC is about to say so.
            call.fail(_left(context))
        except Exception:
            log.exception("%s failed", call.method)
            await _abort(
                call, context, errors.SpeechError("an internal error; the server's log has the details")
            )


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

    def __init__(self, observer: Observer) -> None:
        self._observer = observer

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
        guarded = partial(_guarded, self._observer, method)
        check = _each_checked if handler.request_streaming else _checked
        guard = _stream if handler.response_streaming else _unary
        return rewrapped(
            handler,
            lambda behaviour: guard(guarded, behaviour, check),
            _tolerant(handler.request_deserializer),
        )


Guarded = Callable[[Context], AbstractAsyncContextManager[Call]]
Check = Callable[[Any], Any]


def _unary(guarded: Guarded, behaviour: Behaviour, check: Check) -> Behaviour:
    async def respond(request: Any, context: Context) -> Any:
        async with guarded(context):
            return await behaviour(check(request), context)

    return respond


def _stream(guarded: Guarded, behaviour: Behaviour, check: Check) -> Behaviour:
    # Writes by itself instead of yielding, so that a cancellation always lands in here, also while a
    # message waits for a slow reader, and closes the generator at once.
    async def respond(request: Any, context: Context) -> None:
        async with guarded(context), aclosing(behaviour(check(request), context)) as responses:
            async for response in responses:
                await context.write(response)

    return respond
