"""Around every call of ours: domain errors become gRPC statuses, and the call is observed."""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, aclosing, asynccontextmanager
from functools import cache, partial
from typing import Any, NoReturn

import grpc
from google.protobuf import descriptor_pool
from google.protobuf.descriptor import Descriptor, MethodDescriptor
from grpc.aio import ServerInterceptor, ServicerContext

from audio_grpc import errors
from audio_grpc.interceptors.arrivals import Arrivals, LargeArrivals
from audio_grpc.interceptors.bounds import bounded, checked, is_large, is_recording
from audio_grpc.interceptors.handlers import Behaviour, is_open
from audio_grpc.interceptors.statuses import STATUS_DETAILS, status, status_code
from audio_grpc.runtime.budget import Pool
from audio_grpc.telemetry.call import Call
from audio_grpc.telemetry.observer import REQUEST_ID, Observer

POOL = descriptor_pool.Default()
DEADLINE_MARGIN_SECONDS = 0.1

Context = ServicerContext[Any, Any]
Guarded = Callable[[Context], AbstractAsyncContextManager[Call | None]]
Take = Callable[[AsyncIterator[Any], Call | None, AsyncExitStack], Awaitable[Any]]
"""It makes what a behaviour is given of the messages that come; what is held for that goes onto the stack."""
log = logging.getLogger(__name__)


async def _abort(call: Call, context: Context, error: errors.SpeechError) -> NoReturn:
    call.fail(status_code(error).name, error.reason, error.field)
    await _answer(context, error, (REQUEST_ID, call.request_id))


async def _answer(context: Context, error: errors.SpeechError, *trailers: tuple[str, str]) -> NoReturn:
    rich = status(error)
    details = (STATUS_DETAILS, rich.SerializeToString())
    await context.abort(status_code(error), rich.message, trailing_metadata=(details, *trailers))


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


async def _each_checked(requests: AsyncIterator[Any]) -> AsyncIterator[Any]:
    async for request in requests:
        yield checked(request)


def _only(request: Any | None, call: Call | None) -> Any:
    """The request of a call that sends one. InvalidRequest if it sends none.

    gRPC's own reading would then leave the call without an answer.
    """
    if request is None:
        raise errors.InvalidRequest("the call has ended without a message; send the request of this method")
    if call is not None:
        call.arrive()
    return checked(request)


@asynccontextmanager
async def _answered(context: Context) -> AsyncIterator[None]:
    """Answers with errors, for methods open to everybody; machines call them all the time, unobserved."""
    try:
        yield
    except errors.SpeechError as error:
        await _answer(context, error)


class Guard(ServerInterceptor):
    """Stands around every method: reads its requests, within bounds, and answers with errors as statuses.

    ``text_bytes`` are what a message may have beside its sound, and ``upload_bytes`` what the largest
    recording has, which takes its share of ``memory`` before any of it is read.
    """

    def __init__(self, observer: Observer, text_bytes: int, memory: Pool, upload_bytes: int) -> None:
        self._observer = observer
        self._text_bytes = text_bytes
        self._arrivals = Arrivals()
        self._large = LargeArrivals(memory, upload_bytes)

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable[Any]],
        details: grpc.HandlerCallDetails,
    ) -> Any:
        """The handler of the call, with its behaviour guarded."""
        handler = await continuation(details)
        if handler is None:
            return None
        method: Any = details.method
        guarded = _answered if is_open(method) else partial(_guarded, self._observer, method)
        request = _request_of(method)
        take = self._taking(handler.request_streaming, request)
        wrapped = (_stream if handler.response_streaming else _unary)(handler, guarded, take)
        make = (
            grpc.stream_stream_rpc_method_handler
            if handler.response_streaming
            else grpc.stream_unary_rpc_method_handler
        )
        # To gRPC, all take streams: so the first message is read in here, once the caller is let in.
        read = bounded(handler.request_deserializer, request, self._text_bytes)
        return make(wrapped, read, handler.response_serializer)

    def _taking(self, streaming: bool, request: Descriptor) -> Take:
        """Returns what makes of the messages that come what a method's behaviour is given."""
        small = not is_large(request)
        read_first = self._large.recording if is_recording(request) else self._large.text

        async def take(messages: AsyncIterator[Any], call: Call | None, held: AsyncExitStack) -> Any:
            if streaming:
                return _each_checked(
                    self._arrivals.each(messages) if small else self._arrivals.opened(messages)
                )
            first = self._arrivals.first(messages) if small else read_first(messages, held)
            return _only(await first, call)

        return take


@cache
def _request_of(path: str) -> Descriptor:
    """Finds the type of the messages to a method (/service/method)."""
    _, service, method = path.split("/")
    found: MethodDescriptor = POOL.FindServiceByName(service).methods_by_name[method]
    return found.input_type


def _unary(handler: Any, guarded: Guarded, take: Take) -> Behaviour:
    behaviour = handler.stream_unary or handler.unary_unary

    async def respond(requests: AsyncIterator[Any], context: Context) -> Any:
        async with guarded(context) as call, AsyncExitStack() as held:
            return await behaviour(await take(requests, call, held), context)

    return respond


def _stream(handler: Any, guarded: Guarded, take: Take) -> Behaviour:
    behaviour = handler.stream_stream or handler.unary_stream

    # Writes by itself instead of yielding, so that a cancellation always lands in here, also while a
    # message waits for a slow reader, and closes the generator at once.
    async def respond(requests: AsyncIterator[Any], context: Context) -> None:
        async with guarded(context) as call, AsyncExitStack() as held:
            request = await take(requests, call, held)
            async with aclosing(behaviour(request, context)) as told:
                async for response in told:
                    await context.write(response)

    return respond
