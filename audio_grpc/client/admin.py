"""The methods of the clients about the calls of all keys; a key needs the scope admin for them."""

from collections.abc import AsyncIterator, Iterator
from typing import TYPE_CHECKING

from audio_grpc.client.calls import AsyncCalls, Calls
from audio_grpc.client.pages import LARGEST_PAGE
from audio_grpc.convert import from_seconds
from audio_grpc.v1.activity_admin_pb2 import (
    ClearAllActivitiesRequest,
    GetTotalStatisticsRequest,
    ListAllActivitiesRequest,
    WatchAllActivitiesRequest,
)
from audio_grpc.v1.activity_admin_pb2_grpc import ActivityAdminServiceStub
from audio_grpc.v1.activity_pb2 import Activity, Statistics

if TYPE_CHECKING:
    from audio_grpc.v1.activity_admin_pb2_grpc import ActivityAdminServiceAsyncStub


class AsyncAdmin(AsyncCalls):
    """The methods of :class:`AsyncClient` about the calls of all keys."""

    _activity_admin: "ActivityAdminServiceAsyncStub"

    async def list_all_activities(self, max_recent: int | None = None) -> list[Activity]:
        """The active requests of all keys, oldest first, and then the recent ones, the last first."""
        request = ListAllActivitiesRequest(max_recent=max_recent, page_size=LARGEST_PAGE)
        pages = self._pages(self._activity_admin.ListAllActivities, request, lambda page: page.activities)
        return [one async for one in pages]

    def watch_all_activities(
        self, max_recent: int | None = None, *, interval: float | None = None
    ) -> AsyncIterator[list[Activity]]:
        """Yields the activities of all keys every ``interval`` seconds while any is active."""
        request = WatchAllActivitiesRequest(
            max_recent=max_recent, interval=None if interval is None else from_seconds(interval)
        )
        return self._watched(self._activity_admin.WatchAllActivities, request)

    async def clear_all_activities(self) -> int:
        """Have the recent requests of all keys forgotten; how many there were."""
        method = self._activity_admin.ClearAllActivities
        return (await self._unary(method, ClearAllActivitiesRequest())).cleared

    async def get_total_statistics(self) -> Statistics:
        """Returns the totals of all keys since the server's start."""
        method = self._activity_admin.GetTotalStatistics
        return (await self._unary(method, GetTotalStatisticsRequest())).statistics


class Admin(Calls):
    """The methods of :class:`Client` about the calls of all keys."""

    _activity_admin: ActivityAdminServiceStub

    def list_all_activities(self, max_recent: int | None = None) -> list[Activity]:
        """The active requests of all keys, oldest first, and then the recent ones, the last first."""
        request = ListAllActivitiesRequest(max_recent=max_recent, page_size=LARGEST_PAGE)
        pages = self._pages(self._activity_admin.ListAllActivities, request, lambda page: page.activities)
        return list(pages)

    def watch_all_activities(
        self, max_recent: int | None = None, *, interval: float | None = None
    ) -> Iterator[list[Activity]]:
        """Yields the activities of all keys every ``interval`` seconds while any is active."""
        request = WatchAllActivitiesRequest(
            max_recent=max_recent, interval=None if interval is None else from_seconds(interval)
        )
        return self._watched(self._activity_admin.WatchAllActivities, request)

    def clear_all_activities(self) -> int:
        """Have the recent requests of all keys forgotten; how many there were."""
        method = self._activity_admin.ClearAllActivities
        return (self._unary(method, ClearAllActivitiesRequest())).cleared

    def get_total_statistics(self) -> Statistics:
        """Returns the totals of all keys since the server's start."""
        method = self._activity_admin.GetTotalStatistics
        return (self._unary(method, GetTotalStatisticsRequest())).statistics
