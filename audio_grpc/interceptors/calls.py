"""Around every call: its requests are read within bounds, errors become gRPC statuses, and it is observed."""

import asyncio
import logging
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, aclosing
from functools import partial
from typing import Any, NoReturn

import grpc
from google.protobuf import descriptor_pool
from google.protobuf.descriptor import Descriptor, MethodDescriptor
from grpc.aio import ServicerContext

from audio_grpc import errors
from audio_grpc.interceptors.access import Access
from audio_grpc.interceptors.arrivals import Arrivals, LargeArrivals, Read
from audio_grpc.interceptors.bounds import Arrived, bounded, is_large, is_recording
from audio_grpc.interceptors.handlers import Behaviour, is_open
from audio_grpc.interceptors.statuses import STATUS_DETAILS, status, status_code
from audio_grpc.runtime.budget import Pool
from audio_grpc.telemetry.call import Call
from audio_grpc.telemetry.observer import REQUEST_ID, Observer
from audio_grpc.telemetry.tracing import Metadata

POOL = descriptor_pool.Default()
DEADLINE_MARGIN_SECONDS = 0.1

Context = ServicerContext[Any, Any]
Take = Callable[[Read, AsyncExitStack], Awaitable[Any]]
"""Awaits the request, or what makes the requests of a stream; what is held for that goes onto the stack."""
log = logging.getLogger(__name__)


async def _abort(call: Call, context: Context, error: errors.SpeechError) -> NoReturn:
    call.fail(status_code(error).name, error.reason, error.field)
    await _answer(context, error, (REQUEST_ID, call.request_id))


async def _answer(context: Context, error: errors.SpeechError, *trailers: tuple[str, str]) -> NoReturn:
    rich = status(error)
    details = (STATUS_DETAILS, rich.SerializeToString())
    await context.abort(status_code(error), rich.message, trailing_metadata=(details, *trailers))


def _left(context: Context) -> str:
    """Returns the reason of a cancelled call: callers cancel at their deadline, a little before ours."""
    remaining: Any = context.time_remaining()  # None without a deadline, whatever the stubs say
    at_deadline = remaining is not None and remaining < DEADLINE_MARGIN_SECONDS
    return "DEADLINE_EXCEEDED" if at_deadline else "CANCELLED"


async def _guarded(call: Call, context: Context, answer: Awaitable[Any]) -> Any:
    """Awaits the answer to a call; what it raises becomes the call's status."""
    try:
        return await answer
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
        await _abort(call, context, errors.SpeechError("an internal error; the server's log has the details"))


async def _read(context: Context) -> Arrived | None:
    """Reads the next message; None if there is no other one.

    gRPC's iterator of messages would be left before its end, and then wait for the garbage collector.
    """
    message = await context.read()
    return None if message is grpc.aio.EOF else message


def _only(request: Arrived | None) -> Arrived:
    """The request of a call that sends one. Raises InvalidRequest if it sends none.

    gRPC's own reading would then leave the call without an answer.
    """
    if request is None:
        raise errors.InvalidRequest("the call has ended without a message; send the request of this method")
    return request


class CallInterceptor:
    """Stands around every method: lets callers in, reads their requests, and answers with errors as statuses.

    ``text_bytes`` are what a message may have beside its sound, and ``upload_bytes`` what the largest
    recording has, which takes its share of ``memory`` before any of it is read.
    """

    def __init__(
        self, observer: Observer, access: Access, text_bytes: int, memory: Pool, upload_bytes: int
    ) -> None:
        self._observer = observer
        self._access = access
        self._text_bytes = text_bytes
        self._arrivals = Arrivals()
        self._large = LargeArrivals(memory, upload_bytes)

    def around(self, path: str, handler: Any) -> Any:
        """Returns a handler like that of the method of this path, guarded."""
        request = _request_of(path)
        take = self._taking(handler.request_streaming, request)
        respond = (self._open if is_open(path) else self._observed)(path, handler, take)
        make = (
            grpc.stream_stream_rpc_method_handler
            if handler.response_streaming
            else grpc.stream_unary_rpc_method_handler
        )
        # To gRPC, all take streams: so the first message is read in here, once the caller is let in.
        read = bounded(handler.request_deserializer, request, self._text_bytes)
        return make(respond, read, handler.response_serializer)

    def _taking(self, streaming: bool, request: Descriptor) -> Take:
        small = not is_large(request)
        read_first = self._large.recording if is_recording(request) else self._large.text

        async def take(read: Read, held: AsyncExitStack) -> Any:
            if streaming:
                return self._arrivals.each(read) if small else self._arrivals.opened(read)
            return _only(await (self._arrivals.first(read) if small else read_first(read, held)))

        return take

    def _open(self, path: str, handler: Any, take: Take) -> Behaviour:
        """Returns a method's behaviour that is open to everybody; unobserved, as machines call it often."""
        behaviour = _behaviour(handler)

        async def each(requests: AsyncIterator[Arrived]) -> AsyncIterator[Any]:
            async for request in requests:
                yield request.check()

        async def respond(_: object, context: Context) -> Any:
            try:
                async with AsyncExitStack() as held:
                    taken = await take(partial(_read, context), held)
                    request = each(taken) if handler.request_streaming else taken.check()
                    if handler.response_streaming:
                        return await _write_all(behaviour(request, context), context)
                    return await behaviour(request, context)
            except errors.SpeechError as error:
                await _answer(context, error)

        return respond

    def _observed(self, path: str, handler: Any, take: Take) -> Behaviour:
        """Returns a method's behaviour that is open to callers who may call it, and observed."""
        behaviour, admit = _behaviour(handler), partial(self._access.admit, path)

        async def answer(call: Call, metadata: Metadata, context: Context) -> Any:
            quota = admit(call, metadata)
            async with AsyncExitStack() as held:
                taken = await take(partial(_read, context), held)
                if not handler.request_streaming:
                    call.arrive()
                with quota:
                    request = quota.take_each(taken) if handler.request_streaming else quota.take_first(taken)
                    if handler.response_streaming:
                        responses = behaviour(request, context)
                        return await _write_all(quota.replies(responses), context)
                    return await behaviour(request, context)

        async def respond(_: object, context: Context) -> Any:
            metadata = context.invocation_metadata() or ()
            with self._observer.observe(path, metadata) as call:
                # Sent ahead, the request id would tell proxies that the answer has begun while none has, and
                # they send only those calls to another server that got no answer from the first.
                context.set_trailing_metadata(((REQUEST_ID, call.request_id),))
                return await _guarded(call, context, answer(call, metadata, context))

        return respond


def _request_of(path: str) -> Descriptor:
    """Finds the type of the messages to a method (/service/method)."""
    _, service, method = path.split("/")
    found: MethodDescriptor = POOL.FindServiceByName(service).methods_by_name[method]
    return found.input_type


def _behaviour(handler: Any) -> Behaviour:
    found: Behaviour = (
        handler.unary_unary or handler.unary_stream or handler.stream_unary or handler.stream_stream
    )
    return found


async def _write_all(responses: AsyncGenerator[Any, None], context: Context) -> None:
    """Writes by itself instead of yielding, so that a cancellation always lands in here, also while a message
    waits for a slow reader, and closes the generator at once.
    """
    async with aclosing(responses) as told:
        async for response in told:
            await context.write(response)
