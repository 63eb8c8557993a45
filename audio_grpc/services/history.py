"""HistoryService."""

import logging
from collections.abc import AsyncIterator
from typing import Any

import grpc
from grpc.aio import ServicerContext

from audio_grpc.audio import MAX_PIECE_BYTES
from audio_grpc.convert import to_moment
from audio_grpc.errors import AudioNotKept, InvalidRequest, quoted
from audio_grpc.services.callers import key_of_caller
from audio_grpc.services.fields import few
from audio_grpc.services.pages import page_size, page_token, position_before
from audio_grpc.storage import PastRequests, Selection
from audio_grpc.telemetry.history import HistoryConfig
from audio_grpc.v1 import history_pb2 as pb
from audio_grpc.v1.history_pb2_grpc import HistoryServiceServicer

Context = ServicerContext[Any, Any]
log = logging.getLogger(__name__)

MOST_IDS = 1000
MOST_TOLD = 1000
"""Past requests of which is remembered that the log tells of them."""
STATUSES = frozenset(code.name for code in grpc.StatusCode)


class HistoryServicer(HistoryServiceServicer):
    """Tells callers what became of their requests, also of those before the server was started."""

    def __init__(self, requests: PastRequests, rules: HistoryConfig) -> None:
        self._requests = requests
        self._rules = rules
        self._told: set[str] = set()

    async def ListPastRequests(
        self, request: pb.ListPastRequestsRequest, context: Context
    ) -> pb.ListPastRequestsResponse:
        """Returns a page of past requests."""
        page = await self._requests.page(_selection(request), page_size(request), position_before(request))
        for past_id in page.too_large:
            self._say_once(past_id)
        return pb.ListPastRequestsResponse(
            requests=page.entries,
            next_page_token=page_token(request, page.next),
            is_kept=self._rules.is_on,
        )

    async def GetPastRequest(
        self, request: pb.GetPastRequestRequest, context: Context
    ) -> pb.GetPastRequestResponse:
        """Returns the past request of this id. Raises RequestNotFound."""
        return pb.GetPastRequestResponse(request=await self._find(request.id))

    async def GetPastRequestAudio(
        self, request: pb.GetPastRequestAudioRequest, context: Context
    ) -> AsyncIterator[pb.GetPastRequestAudioResponse]:
        """Yields the sound of a past request, in pieces."""
        past = await self._find(request.id)
        if not past.HasField("audio"):
            raise AudioNotKept(
                "the sound of this request was not kept; the server's settings history_audio and "
                "max_history_audio_bytes say what is",
                field="id",
            )
        data = await self._requests.audio(past.id)
        yield pb.GetPastRequestAudioResponse(started=past.audio)
        for start in range(0, len(data), MAX_PIECE_BYTES):
            yield pb.GetPastRequestAudioResponse(audio=data[start : start + MAX_PIECE_BYTES])
        yield pb.GetPastRequestAudioResponse(finished=pb.PastAudioFinished())

    async def DeletePastRequests(
        self, request: pb.DeletePastRequestsRequest, context: Context
    ) -> pb.DeletePastRequestsResponse:
        """Deletes the past requests that ``ids`` and ``before`` select; returns their number.

        Raises InvalidRequest if neither is given.
        """
        if not request.ids and not request.HasField("before"):
            raise InvalidRequest("say which requests are to be forgotten: ids, before, or both", field="ids")
        which = Selection(
            key_id=key_of_caller(),
            ids=list(few("ids", request.ids, MOST_IDS)) or None,
            before=_moment(request, "before"),
        )
        return pb.DeletePastRequestsResponse(deleted=await self._requests.remove(which))

    def _say_once(self, past_id: str) -> None:
        if past_id not in self._told:
            self._told = {*self._told, past_id} if len(self._told) < MOST_TOLD else {past_id}
            log.warning("the past request %s cannot be shown: it is too large", past_id)

    async def _find(self, past_id: str) -> pb.PastRequest:
        return await self._requests.find(past_id, key_of_caller())


def _selection(request: pb.ListPastRequestsRequest) -> Selection:
    if request.status and request.status not in STATUSES:
        raise InvalidRequest(
            f"status is {quoted(request.status)}, which is no gRPC status; there are: "
            f"{', '.join(sorted(STATUSES))}",
            field="status",
        )
    return Selection(
        key_id=key_of_caller(),
        model=request.model or None,
        method=request.method or None,
        status=request.status or None,
        since=_moment(request, "start_time"),
        before=_moment(request, "end_time"),
    )


def _moment(message: Any, field: str) -> float | None:
    """Returns the field's time in seconds since 1970; None if it is not set."""
    return to_moment(getattr(message, field)) if message.HasField(field) else None
