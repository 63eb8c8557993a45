"""Around every call that is let in: what it says, and what it is told, goes into the history."""

from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Any

from grpc.aio import ServicerContext

from audio_grpc.interceptors.handlers import Behaviour, rewrapped
from audio_grpc.telemetry.call import current_call
from audio_grpc.telemetry.history import METHODS, CallRecording, RequestHistory
from audio_grpc.telemetry.history.messages import Reader

Context = ServicerContext[Any, Any]


class Recorder:
    """Looks at the messages of those methods that the history keeps; all of them stream their responses."""

    def __init__(self, history: RequestHistory) -> None:
        self._history = history

    def around(self, path: str, handler: Any) -> Any:
        """Returns a handler like the method's, recorded; where nothing is kept, as it is."""
        reader = METHODS.get(path.rpartition("/")[2])
        if reader is None or not self._history.rules.is_on:
            return handler
        return rewrapped(
            handler, lambda behaviour: self._recorded(behaviour, reader, handler.request_streaming)
        )

    def _recorded(self, behaviour: Behaviour, reader: Reader, request_streaming: bool) -> Behaviour:
        async def recorded(request: Any, context: Context) -> AsyncIterator[Any]:
            recording = self._history.begin(current_call.get())
            if request_streaming:
                request = _each(request, reader, recording)
            else:
                reader.request(recording, request)
            async with aclosing(behaviour(request, context)) as responses:
                async for response in responses:
                    yield response
                    # Only now that it is on its way: who left before did not get it.
                    reader.response(recording, response)

        return recorded


async def _each(requests: AsyncIterator[Any], reader: Reader, recording: CallRecording) -> AsyncIterator[Any]:
    async for request in requests:
        reader.request(recording, request)
        yield request
