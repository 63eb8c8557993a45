"""ActivityAdminService."""

from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Any

from grpc.aio import ServicerContext

from audio_grpc.services.activity import ActivityServicer
from audio_grpc.v1 import activity_admin_pb2 as pb
from audio_grpc.v1.activity_admin_pb2_grpc import ActivityAdminServiceServicer

Context = ServicerContext[Any, Any]


class ActivityAdminServicer(ActivityAdminServiceServicer):
    """Tells operators about the calls of all keys."""

    def __init__(self, reports: ActivityServicer) -> None:
        self._reports = reports

    async def ListAllActivities(
        self, request: pb.ListAllActivitiesRequest, context: Context
    ) -> pb.ListAllActivitiesResponse:
        """Returns a page of the active calls of all keys and the recent ones."""
        activities, following = await self._reports.page(request, None)
        return pb.ListAllActivitiesResponse(activities=activities, next_page_token=following)

    async def WatchAllActivities(
        self, request: pb.WatchAllActivitiesRequest, context: Context
    ) -> AsyncIterator[pb.WatchAllActivitiesResponse]:
        """Yields the activities of all keys when they have changed, until the server ends."""
        async with aclosing(self._reports.watch(request, None)) as looks:
            async for seen in looks:
                yield pb.WatchAllActivitiesResponse(activities=seen)

    async def ClearAllActivities(
        self, request: pb.ClearAllActivitiesRequest, context: Context
    ) -> pb.ClearAllActivitiesResponse:
        """Forgets the ended activities of all keys; returns their number."""
        return pb.ClearAllActivitiesResponse(cleared=await self._reports.clear(None))

    async def GetTotalStatistics(
        self, request: pb.GetTotalStatisticsRequest, context: Context
    ) -> pb.GetTotalStatisticsResponse:
        """Returns the totals of all keys."""
        return pb.GetTotalStatisticsResponse(statistics=self._reports.statistics(None))
