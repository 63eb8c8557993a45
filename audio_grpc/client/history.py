"""The methods of the clients for the history; protos/audio_grpc/v1/history.proto says what each does."""

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, TypedDict, Unpack

from google.protobuf.timestamp_pb2 import Timestamp

from audio_grpc.client.calls import AsyncCalls, Calls
from audio_grpc.client.pages import AsyncPages, Pages
from audio_grpc.client.streams import AsyncStream, Stream, audio
from audio_grpc.v1.history_pb2 import (
    DeletePastRequestsRequest,
    GetPastRequestAudioRequest,
    GetPastRequestRequest,
    ListPastRequestsRequest,
    ListPastRequestsResponse,
    PastAudio,
    PastAudioFinished,
    PastRequest,
)
from audio_grpc.v1.history_pb2_grpc import HistoryServiceStub

if TYPE_CHECKING:
    from audio_grpc.v1.history_pb2_grpc import HistoryServiceAsyncStub

AsyncPastSound = AsyncStream[PastAudio, bytes, PastAudioFinished]
PastSound = Stream[PastAudio, bytes, PastAudioFinished]


class PastRequestFilter(TypedDict, total=False):
    """Filters of past requests, and the size of a page; times without a time zone are local."""

    model: str
    method: str
    status: str
    since: datetime | None
    before: datetime | None
    page_size: int
    page_token: str


class AsyncHistory(AsyncCalls):
    """The methods of :class:`AsyncClient` for past requests."""

    _history: "HistoryServiceAsyncStub"

    def list_past_requests(
        self, **which: Unpack[PastRequestFilter]
    ) -> AsyncPages[ListPastRequestsResponse, PastRequest]:
        """The requests that have ended, the last first: all that come after ``page_token``."""
        request = _list_request(which)
        return self._pages(self._history.ListPastRequests, request, lambda page: page.requests)

    async def get_past_request(self, past_id: str) -> PastRequest:
        """Returns the past request of this id. Raises ServiceError if there is none."""
        request = GetPastRequestRequest(id=past_id)
        return (await self._unary(self._history.GetPastRequest, request)).request

    def past_audio(self, past_id: str) -> AsyncPastSound:
        """Starts to read the sound of a past request: a stream of the bytes of a file."""
        request = GetPastRequestAudioRequest(id=past_id)
        return AsyncStream(self._history.GetPastRequestAudio(request, metadata=self._metadata), audio)

    async def delete_past_requests(self, ids: Sequence[str] = (), before: datetime | None = None) -> int:
        """Have those forgotten that are named and started before; how many there were."""
        request = DeletePastRequestsRequest(ids=ids, before=_stamp(before))
        return (await self._unary(self._history.DeletePastRequests, request)).deleted


class History(Calls):
    """The methods of :class:`Client` for past requests."""

    _history: HistoryServiceStub

    def list_past_requests(
        self, **which: Unpack[PastRequestFilter]
    ) -> Pages[ListPastRequestsResponse, PastRequest]:
        """The requests that have ended, the last first: all that come after ``page_token``."""
        request = _list_request(which)
        return self._pages(self._history.ListPastRequests, request, lambda page: page.requests)

    def get_past_request(self, past_id: str) -> PastRequest:
        """Returns the past request of this id. Raises ServiceError if there is none."""
        return self._unary(self._history.GetPastRequest, GetPastRequestRequest(id=past_id)).request

    def past_audio(self, past_id: str) -> PastSound:
        """Starts to read the sound of a past request: a stream of the bytes of a file."""
        request = GetPastRequestAudioRequest(id=past_id)
        return Stream(self._history.GetPastRequestAudio(request, metadata=self._metadata), audio)

    def delete_past_requests(self, ids: Sequence[str] = (), before: datetime | None = None) -> int:
        """Have those forgotten that are named and started before; how many there were."""
        request = DeletePastRequestsRequest(ids=ids, before=_stamp(before))
        return self._unary(self._history.DeletePastRequests, request).deleted


def _list_request(which: PastRequestFilter) -> ListPastRequestsRequest:
    return ListPastRequestsRequest(
        page_size=which.get("page_size", 0),
        page_token=which.get("page_token", ""),
        model=which.get("model", ""),
        method=which.get("method", ""),
        status=which.get("status", ""),
        start_time=_stamp(which.get("since")),
        end_time=_stamp(which.get("before")),
    )


def _stamp(moment: datetime | None) -> Timestamp | None:
    if moment is None:
        return None
    stamp = Timestamp()
    stamp.FromDatetime(moment if moment.tzinfo else moment.astimezone())
    return stamp
